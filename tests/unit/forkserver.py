"""Children to be killed: a server process imports once and forks one child per job.

Forking happens there and not in the test process, whose threads a fork would tear apart. A test
module becomes a server by ending in ``if __name__ == "__main__": serve(JOBS)``; its tests drive it
through ``Server(module)``. Everything a child says before it dies is heard, then how it ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

REPLY_S = 60.0


def say(**message: Any) -> None:
    """Tell the test process, from within a job."""
    os.write(1, (json.dumps(message) + "\n").encode())  # one write: never interleaved, never late


def serve(jobs: Mapping[str, Callable[..., None]]) -> None:
    """Run the jobs asked for, one at a time, each in a child of its own, until input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                say(pid=os.getpid())  # by the child itself, so that it comes before all it does
                jobs[job.pop("do")](**job)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        say(ended=os.waitstatus_to_exitcode(status))


class Server:
    """A running server of the jobs of ``module``; a context manager.

    ``reply_s``: how long a job may say nothing.
    """

    def __init__(self, module: str, reply_s: float = REPLY_S) -> None:
        self._reply_s = reply_s
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                # A fork takes no threads along: the server must have none.
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
            },
        )
        self._rest = b""
        self._running: int | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def send(self, do: str, **job: Any) -> int:
        """Start a job; return the number of its process, which has then begun."""
        self.stop()
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps({"do": do, **job}) + "\n").encode())
        self._process.stdin.flush()
        self._running = int(self.hear()["pid"])
        return self._running

    def stop(self) -> None:
        """End the job that a failed test left running."""
        if self._running is not None:
            os.kill(self._running, signal.SIGKILL)
            self.until_end()

    def hear(self) -> dict[str, Any]:
        """The next message: one of the child's, or ``ended`` with its exit status."""
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        end = time.monotonic() + self._reply_s
        while b"\n" not in self._rest:
            ready, _, _ = select.select([handle], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no answer from the server in {self._reply_s} s"
            more = os.read(handle, 1 << 16)
            assert more, "the server ended"
            self._rest += more
        line, self._rest = self._rest.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "ended" in message:
            self._running = None
        return message

    def until_end(self) -> tuple[int, list[dict[str, Any]]]:
        """Exit status (minus the signal that killed) and what was said before."""
        said: list[dict[str, Any]] = []
        while True:
            message = self.hear()
            if "ended" in message:
                return int(message["ended"]), said
            said.append(message)

    def close(self) -> None:
        """End the server."""
        self.stop()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=REPLY_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
