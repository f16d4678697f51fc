"""A web server and git repositories on this machine, with every fault that a mirror can have."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from ohmbench.fetching.sources import Published, Source

CONTENT = {
    "Analog/a.npz": np.random.default_rng(0).bytes(40_000),
    "Digital/b.npz": np.random.default_rng(1).bytes(3_000),
    "c d/ü.yaml": b"a: 1\n",
}
"""Path -> what is published there: several pieces of a transfer, less than one, a strange name."""
FIRST = next(iter(CONTENT))


def published(content: Mapping[str, bytes] = CONTENT, **more: Any) -> Source:
    """A source with these files, whose sizes are known but for the last."""
    files = tuple(
        Published(
            path, hashlib.sha256(data).hexdigest(), None if k + 1 == len(content) else len(data)
        )
        for k, (path, data) in enumerate(content.items())
    )
    settings = {"repository": "nobody/nothing", "commit": "0" * 40, **more}
    return Source("fann", "small files", "fann", "OHMBENCH_PAPER_FANN", files, **settings)


# ------------------------------------------------------------------------------------------------
# The web

Way = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Answers with the server's ``content``, in its ``way``."""

    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        data = self.server.content.get(self.path)
        if data is None:
            self.send_error(404)
        else:
            self.server.way(self, data)

    def answer(
        self, data: bytes, status: int = 200, length: int | None = None, **heads: str
    ) -> None:
        """Send ``data``, said to be ``length`` bytes (none said where it is negative)."""
        self.send_response(status)
        length = len(data) if length is None else length
        if length >= 0:
            self.send_header("Content-Length", str(length))
        for name, value in heads.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


def with_ranges(handler: Handler, data: bytes) -> None:
    """As a good server does."""
    asked = handler.headers.get("Range")
    if asked is None:
        handler.answer(data)
        return
    start = int(asked.removeprefix("bytes=").removesuffix("-"))
    if start >= len(data):
        handler.answer(b"", 416)
    else:
        where = f"bytes {start}-{len(data) - 1}/{len(data)}"
        handler.answer(data[start:], 206, Content_Range=where)


def whole(handler: Handler, data: bytes) -> None:
    """As a server without ranges does."""
    handler.answer(data)


def half(handler: Handler, data: bytes) -> None:
    """Breaks off after half of what it promised."""
    handler.answer(data[: len(data) // 2], length=len(data))


def half_without_length(handler: Handler, data: bytes) -> None:
    """Breaks off after half, and had not said how much there is."""
    handler.answer(data[: len(data) // 2], length=-1)


def corrupted(handler: Handler, data: bytes) -> None:
    """One bit is another."""
    handler.answer(data[:-1] + bytes([data[-1] ^ 1]))


def other_part(handler: Handler, data: bytes) -> None:
    """Answers a range, but not the one that was asked for."""
    if handler.headers.get("Range"):
        handler.answer(data[1:], 206, Content_Range=f"bytes 1-{len(data) - 1}/{len(data)}")
    else:
        handler.answer(data)


def unasked_part(handler: Handler, data: bytes) -> None:
    """Always answers with a range."""
    handler.answer(data[1:], 206, Content_Range=f"bytes 1-{len(data) - 1}/{len(data)}")


def web_page(handler: Handler, data: bytes) -> None:
    """As hotels and companies do: status 200 and a form to fill in."""
    handler.answer(b"<html>Please log in", Content_Type="text/html; charset=utf-8")


def too_much(handler: Handler, data: bytes) -> None:
    """Does not end."""
    handler.answer(data + bytes(100_000), length=-1)


def silent(handler: Handler, data: bytes) -> None:
    """Takes the question and says nothing."""
    handler.server.over.wait(10)


def silent_in_the_middle(handler: Handler, data: bytes) -> None:
    """Stops after half, and keeps the connection."""
    handler.answer(data[: len(data) // 2], length=len(data))
    handler.wfile.flush()
    handler.server.over.wait(10)


def hangs_up(handler: Handler, data: bytes) -> None:
    """Closes the connection without an answer."""


def failing(status: int) -> Way:
    """Answers with this status alone."""
    return lambda handler, data: handler.answer(b"no", status)


def redirected(handler: Handler, data: bytes) -> None:
    """Sends to another URL first."""
    if "?" in handler.path:
        with_ranges(handler, data)
    else:
        there = f"{handler.path}?here"
        handler.server.content[there] = data
        handler.answer(b"<html>", 302, Location=there, Content_Type="text/html")


def redirected_for_ever(handler: Handler, data: bytes) -> None:
    """Sends to itself."""
    handler.answer(b"", 302, Location=handler.path)


class Server(ThreadingHTTPServer):
    """A server on the loopback address with the files of ``content`` below its ``url``."""

    daemon_threads = True

    def __init__(self, content: Mapping[str, bytes], way: Way) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        from urllib.parse import quote

        self.url = f"http://127.0.0.1:{self.server_port}/files"
        self.content = {f"/files/{quote(path)}": data for path, data in content.items()}
        self.way = way
        self.asked: list[tuple[str, str | None]] = []
        self.over = threading.Event()

    def handle_error(self, *_: Any) -> None:
        """A client that leaves is none of a server's troubles."""


@contextmanager
def serving(way: Way = with_ranges, content: Mapping[str, bytes] = CONTENT) -> Iterator[Server]:
    """A server that answers in this way."""
    with Server(content, way) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def wait_for(condition: Callable[[], Any], limit_s: float = 10) -> None:
    """Return once the condition holds."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.01)


# ------------------------------------------------------------------------------------------------
# git


def git(folder: Path, *words: str, data: bytes | None = None) -> str:
    """What git prints in this repository."""
    person = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    alone = {"GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder)}
    done = subprocess.run(
        ["git", *words],  # noqa: S607
        cwd=folder,
        env={"PATH": os.environ["PATH"], **person, **alone},
        input=data,
        capture_output=True,
        check=True,
        timeout=30,
    )
    return done.stdout.decode().strip()


def repository(
    folder: Path, content: Mapping[str, bytes] = CONTENT, links: Mapping[str, str] = {}
) -> str:
    """Make a repository with these files and symbolic links in one commit, which is returned."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name, target in links.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all of it")
    return git(folder, "rev-parse", "HEAD")


def hostile_tree(folder: Path, content: Mapping[str, bytes] = CONTENT) -> str:
    """As ``repository``, with names in its tree that lead out of any folder."""
    repository(folder, content)
    evil = git(folder, "hash-object", "-w", "--stdin", data=b"evil")
    tree = bytes.fromhex(git(folder, "rev-parse", "HEAD^{tree}"))
    entries = git(folder, "cat-file", "-p", tree.hex())
    assert entries
    raw = subprocess.run(
        ["git", "cat-file", "tree", tree.hex()],  # noqa: S607
        cwd=folder, capture_output=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    inner = b"100644 evil\0" + bytes.fromhex(evil)
    words = ("hash-object", "-t", "tree", "-w", "--literally", "--stdin")
    above = git(folder, *words, data=inner)
    raw = (
        b"40000 ..\0" + bytes.fromhex(above) + b"100644 ../evil\0" + bytes.fromhex(evil)
        + b"40000 .git\0" + bytes.fromhex(above) + raw
    )  # fmt: skip
    new = git(folder, *words, data=raw)
    commit = git(folder, "commit-tree", new, "-m", "hostile")
    git(folder, "update-ref", "HEAD", commit)
    return commit
