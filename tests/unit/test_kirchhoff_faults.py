"""Planted faults of KirchhoffNet: each is caught by the check it names, and no check is idle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmbench.errors import FileError, OhmbenchError
from ohmbench.kirchhoff.store import checkpoint_arrays, load_checkpoint
from tests.unit import evaluation_checks, kernel_checks, kirchhoff_checks
from tests.unit.kirchhoff_faults import FAULTS, plant, resolve
from tests.unit.test_kirchhoff_store import made

NOTICED = (AssertionError, OhmbenchError, ArithmeticError)


def check_extra_array() -> None:
    """A checkpoint with a slice too many is refused."""
    arrays = {k: p.numpy() for k, p in checkpoint_arrays(made("flow")).items()}
    arrays["circuit.layer_list.2.model.param"] = np.zeros((3, 48), np.float32)
    try:
        load_checkpoint("some.pth", made("flow"), arrays)
    except FileError:
        return
    raise AssertionError("a slice too many was read")


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    check = resolve(f"tests.unit.{fault.check.split(':')[0]}", fault.check.split(":")[1])
    plant(monkeypatch, fault)
    with pytest.raises(NOTICED):
        check(*fault.arguments)


def test_a_fault_is_gone_when_its_test_is_over() -> None:
    """Also of kernels and of torchdiffeq: what is patched is what the checks use."""
    of_each_kind = (
        "source-and-destination-swapped", "half-step-of-the-midpoint", "way-back-stage-sign"
    )  # fmt: skip
    for name in of_each_kind:
        fault = FAULTS[name]
        check = resolve(f"tests.unit.{fault.check.split(':')[0]}", fault.check.split(":")[1])
        check(*fault.arguments)
        with pytest.MonkeyPatch.context() as patch:
            plant(patch, fault)
            with pytest.raises(NOTICED):
                check(*fault.arguments)
        check(*fault.arguments)


FUNCTIONS = {(fault.module, fault.function): fault for fault in FAULTS.values()}


@pytest.mark.parametrize("fault", FUNCTIONS.values(), ids=[name for _, name in FUNCTIONS])
def test_without_a_fault_what_is_planted_passes(fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the fault that is caught, not the way it is planted."""
    check = resolve(f"tests.unit.{fault.check.split(':')[0]}", fault.check.split(":")[1])
    plant(monkeypatch, replace(fault, old="", new=""))
    check(*fault.arguments)


@pytest.mark.parametrize("module", [kirchhoff_checks, kernel_checks, evaluation_checks])
def test_every_check_catches_something(module) -> None:
    named = {fault.check for fault in FAULTS.values()}
    short = module.__name__.rsplit(".", maxsplit=1)[-1]
    checks = {f"{short}:{name}" for name in vars(module) if name.startswith("check_")}
    assert checks <= named, f"idle: {sorted(checks - named)}"
    check_extra_array()


def test_a_fault_whose_text_is_gone_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS["sign-of-delta"]
    with pytest.raises(AssertionError, match="bring the fault along"):
        plant(monkeypatch, replace(fault, old="no such text"))
