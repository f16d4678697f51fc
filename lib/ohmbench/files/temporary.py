"""Temporary files beside their target: their names, and removing those of killed writers."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import socket
import time

_ONE_DAY_S = 86400.0
_TEMPORARY = re.compile(r"\.ohmbench-(?P<key>[0-9a-f]{16})-(?P<node>[0-9a-f]{8})-(?P<pid>\d+)-")


def _node() -> str:
    """Where a process number is valid: this machine and, in a container, its namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{socket.gethostname()}:{namespace}".encode()).hexdigest()[:8]


def _temporary_key(target: str) -> str:
    # A hash instead of the name itself: a name may already have the greatest length allowed.
    return hashlib.sha256(os.fsencode(os.path.basename(target))).hexdigest()[:16]


def temporary_name(target: str) -> str:
    """A fresh name in the folder of ``target``, in a form that `sweep` recognises."""
    token = secrets.token_hex(4)
    base = f".ohmbench-{_temporary_key(target)}-{_node()}-{os.getpid()}-{token}.part"
    return os.path.join(os.path.dirname(target), base)


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # os.kill(pid, 0) would end the process instead of asking for it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _is_stale(path: str, node: str, pid: int) -> bool:
    if node == _node() and not _is_alive(pid):
        return True
    # A process of another machine, or a reused number: no save takes a day.
    return time.time() - os.lstat(path).st_mtime > _ONE_DAY_S


def sweep(target: str) -> None:
    """Remove temporary files that killed writers of this target left behind."""
    folder = os.path.dirname(target) or "."
    key = _temporary_key(target)
    with os.scandir(folder) as entries:
        stale = [(entry.path, _TEMPORARY.match(entry.name)) for entry in entries]
    for path, match in stale:
        if match is None or match["key"] != key:
            continue
        # Another process may have removed it first, or someone else owns it: saving does not need
        # it gone.
        with contextlib.suppress(OSError):
            if _is_stale(path, match["node"], int(match["pid"][:18])):
                os.unlink(path)
