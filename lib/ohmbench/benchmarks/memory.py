"""Peak memory of one call, as reported by the Linux kernel."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path

from ohmbench.errors import OhmbenchError

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # proc(5): written to clear_refs, resets the peak to the current size


def _kB(field: str) -> int:
    status = (_PROCESS / "status").read_text(encoding="ascii", errors="replace")
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, flags=re.M)
    if found is None:
        raise OhmbenchError(f"{_PROCESS / 'status'} does not tell {field}")
    return int(found[1])


def peak_bytes(call: Callable[[], object]) -> int:
    """Peak resident memory during ``call`` in bytes, above that before it; at least one page.

    Memory freed by earlier calls is first returned to the system, because memory that is reused
    would not be counted. Call ``call`` once beforehand: what it compiles or caches the first time
    does not count. Raises OhmbenchError where the system does not report these figures.
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
