"""The commit that a folder's files belong to."""

from __future__ import annotations

import os
import shutil
import subprocess

_TIMEOUT_S = 10


def commit_of(folder: str | os.PathLike[str]) -> str | None:
    """The checked-out commit in full, with ``+`` where tracked files differ from it.

    None where ``folder`` is in no git repository, or there is no git to ask.
    """
    git = shutil.which("git")
    if git is None:
        return None
    # A file system monitor is a program that the repository's configuration names.
    words = ["-c", "core.fsmonitor=false", "describe", "--always", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603 - git, on a folder whose tests were run
            [git, "-C", os.fspath(folder), *words, "--dirty=+"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    commit = done.stdout.strip()
    return commit if done.returncode == 0 and commit else None
