"""Files from a git repository: one commit is fetched, and only the listed files are taken out.

Nothing is checked out: names and links in the repository's tree reach no folder here, and no hook
of it runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ohmbench.fetching.origins import MAX_BYTES, OriginError, Patience, Read
from ohmbench.fetching.sources import Published

_LOCAL_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
)
"""Would make git work on another repository than ours (a hook of git's sets them)."""
_PROTOCOLS = "file:git:http:https:ssh"
_LONGEST_S = 1800
_REGULAR = ("100644", "100755")


@dataclass(frozen=True)
class GitOrigin:
    """The repository at ``url``, of which the files of ``commit`` (in full) are taken."""

    url: str
    commit: str

    @property
    def where(self) -> str:
        """The repository's URL."""
        return f"git {self.url}"

    @property
    def probed(self) -> str:
        """The URL, unless git is set up to go another way than straight there."""
        options = ("config", "--get-regexp", r"^(http\.(.*\.)?proxy|url\..*insteadof)$")
        try:
            self._git(os.curdir, Patience(), *options)
        except (OriginError, OSError):  # nothing of the kind is set
            return self.url
        return ""

    @contextmanager
    def opened(self, patience: Patience, advance: Callable[[int], None]) -> Iterator[Read]:
        """As ``Origin.opened``; the commit is fetched at once, into a temporary folder."""
        if shutil.which("git") is None:
            raise OriginError(self.where, "git is not on PATH")
        with tempfile.TemporaryDirectory(prefix="ohmbench-git-") as folder:
            self._git(folder, patience, "init", "--quiet", "--bare", ".")
            options = ("--quiet", "--depth", "1", "--no-tags", "--no-write-fetch-head")
            self._git(folder, patience, "fetch", *options, "--", self.url, self.commit)

            def read(file: Published, _part: Path) -> bytes:
                data = self._blob(folder, patience, file)
                advance(len(data))
                return data

            yield read

    def _blob(self, folder: str, patience: Patience, file: Published) -> bytes:
        where = f"{self.where}: {file.path}"
        tree = ("ls-tree", "-z", "--full-tree", self.commit, "--", file.path)
        entry = self._git(folder, patience, *tree).decode("utf-8", "replace")
        if not entry:
            raise OriginError(where, f"not in commit {self.commit[:12]}")
        mode, _, blob = entry.partition("\t")[0].split(" ")
        if mode not in _REGULAR:
            kind = {"120000": "a symbolic link", "040000": "a folder"}.get(mode, "no file")
            raise OriginError(where, f"is {kind} in commit {self.commit[:12]}")
        limit = file.size or MAX_BYTES
        size = int(self._git(folder, patience, "cat-file", "-s", blob))
        if size > limit:
            raise OriginError(where, f"holds {size} bytes, more than the {limit} of the file")
        return self._git(folder, patience, "cat-file", "blob", blob)

    def _git(self, folder: str, patience: Patience, *arguments: str) -> bytes:
        """What git prints. Raises OriginError with the line in which it says what is wrong."""
        silence = str(max(1, round(patience.silence_s)))
        environment = {k: v for k, v in os.environ.items() if k not in _LOCAL_VARIABLES}
        environment |= {
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
            "GIT_HTTP_LOW_SPEED_LIMIT": "100",
            "GIT_HTTP_LOW_SPEED_TIME": silence,
        }
        try:
            done = subprocess.run(  # noqa: S603 - git of PATH, the URL behind '--'
                ["git", "-c", "core.hooksPath=/dev/null", *arguments],  # noqa: S607
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OriginError(self.where, f"not done within {_LONGEST_S} s") from None
        if done.returncode:
            raise OriginError(self.where, self._complaint(done.stderr.decode("utf-8", "replace")))
        return done.stdout

    def _complaint(self, text: str) -> str:
        if "not our ref" in text or "unadvertised object" in text:
            return f"does not have commit {self.commit}"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal: ", "error: "))]
        line = next(iter(fatal or lines), "git failed without a word")
        return line.partition(": ")[2] if fatal else line
