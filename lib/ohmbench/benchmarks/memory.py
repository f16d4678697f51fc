"""Peak memory of one call, as the kernel of the operating system saw it (Linux)."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path

from ohmbench.errors import OhmbenchError

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # proc(5): to clear_refs, sets the peak back to what is resident now


def _kB(field: str) -> int:
    status = (_PROCESS / "status").read_text(encoding="ascii", errors="replace")
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, flags=re.M)
    if found is None:
        raise OhmbenchError(f"{_PROCESS / 'status'} does not tell {field}")
    return int(found[1])


def peak_bytes(call: Callable[[], object]) -> int:
    """Bytes resident at the worst moment of ``call``, less those before it; at least a page.

    Memory that earlier calls freed is handed back first, so that none is reused unseen. Make a
    first call before this one: what it compiles or caches is no part of the next. Raises
    OhmbenchError where the system does not tell.
    """
    reset = _PROCESS / "clear_refs"
    if not reset.exists():
        raise OhmbenchError(f"peak memory needs {reset}, which only Linux has")
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    reset.write_text(_RESET_PEAK, encoding="ascii")
    before = _kB("VmRSS")
    kept = call()
    peak = _kB("VmHWM")
    del kept
    return 1024 * max(4, peak - before)
