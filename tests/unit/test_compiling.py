"""Compiled loops compute the same where their code can be kept and where it cannot."""

import errno
import importlib
import pkgutil

import numpy as np
import pytest
import torch
from numba.core import caching
from numba.core.dispatcher import Dispatcher

from ohmbench import floatgate, kernels, kirchhoff
from ohmbench.errors import OperandError
from ohmbench.floatgate import EKV, line_currents
from ohmbench.kernels import compiling
from ohmbench.kernels.compiling import compiled, kept_in
from ohmbench.kirchhoff.circuit import PlainRightHandSide
from ohmbench.kirchhoff.execution import DenseRightHandSide, right_hand_side
from tests.unit.circuits import random_circuit
from tests.unit.row_checks import operands


def doubled(x):
    return x + x


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder of its own for what is compiled in this test."""
    monkeypatch.setattr(caching.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def loop():
    return compiled(error_model="numpy")(doubled)


def test_compiled_code_is_kept(cache):
    first = loop()
    assert first(21) == 42
    assert kept_in(first).parent == cache
    again = loop()
    assert again(21) == 42
    assert again.stats.cache_hits
    assert not again.stats.cache_misses


def test_no_place_to_keep_it(monkeypatch):
    """As in an installation that cannot be written, by a user without a home."""
    for locator in caching.CacheImpl._locator_classes:
        monkeypatch.setattr(locator, "from_function", lambda *_: None)
    found = loop()
    assert kept_in(found) is None
    assert found(21) == 42


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05half", b"not a pickle\n"])
def test_a_damaged_file_is_replaced(cache, pattern, content):
    loop()(21)
    (path,) = cache.rglob(pattern)
    path.write_bytes(content)
    damaged = loop()
    assert damaged(21) == 42
    assert damaged.stats.cache_misses
    assert path.read_bytes() != content
    whole = loop()
    assert whole(21) == 42
    assert whole.stats.cache_hits


def test_a_full_disk(cache, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_open_for_write", full)
    assert loop()(21) == 42


def test_every_loop_of_the_package_is_compiled_so():
    """A plain ``numba.njit(cache=True)`` makes the package impossible to import where no folder can
    be written."""
    loops = {}
    for package in (kernels, floatgate.fast, kirchhoff.fast):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Dispatcher) and value.py_func.__module__ == module.name:
                    loops[f"{module.name}.{name}"] = value
    assert len(loops) > 10
    kept = {name for name, value in loops.items() if kept_in(value) is not None}
    assert {name for name in kept if type(loops[name]._cache) is not compiling._Cache} == set()
    assert {n.rpartition(".")[2] for n in kept} >= {"evaluate", "differentiate", "march"}


@pytest.fixture
def compiler_off(monkeypatch):
    """As NUMBA_DISABLE_JIT=1 at the start: every ``compiled`` function is plain Python."""
    monkeypatch.setattr(compiling, "COMPILER_ON", False)


def test_without_the_compiler_auto_is_plain(compiler_off):
    ops = operands(EKV, 0, batch=3, out=4, inputs=5, dtype=torch.float32)
    assert torch.equal(line_currents(*ops).pos, line_currents(*ops, path="plain").pos)
    small = random_circuit(0, 3, 9, "ShiftTanh2", dtype=torch.float32)
    assert isinstance(right_hand_side(small), DenseRightHandSide | PlainRightHandSide)


def test_without_the_compiler_a_compiled_path_is_refused_by_name(compiler_off):
    ops = operands(EKV, 0, batch=3, out=4, inputs=5, dtype=torch.float32)
    with pytest.raises(OperandError, match="NUMBA_DISABLE_JIT"):
        line_currents(*ops, path="fused")
    with pytest.raises(OperandError, match="NUMBA_DISABLE_JIT"):
        right_hand_side(random_circuit(0, 3, 9, "ShiftTanh2", dtype=torch.float32), "fused")


def test_without_the_compiler_nothing_is_kept(compiler_off):
    assert kept_in(np.add) is None
