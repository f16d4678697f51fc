"""Checks of the operands of floating-gate models, with a named error for each."""

from __future__ import annotations

import math

import numpy as np
import torch

from ohmbench.errors import DtypeError, NonFiniteError, RangeError, ShapeError, ZeroWeightError
from ohmbench.transforms import array, numbers, outside_graph


def ends(x: torch.Tensor) -> tuple[float, float]:
    """The smallest and the largest number in non-empty ``x``; NaN if any number is NaN.

    The checks run before every multiply. They use numpy because torch would wake its threads for
    each of them.
    """
    if x.device.type != "cpu":
        low, high = torch.aminmax(numbers(x))
        return float(low), float(high)
    values = array(x)
    return float(values.min()), float(values.max())


def magnitudes(x: torch.Tensor) -> tuple[float, float]:
    """``ends`` applied to |x|."""
    if x.device.type != "cpu":
        return ends(numbers(x).abs())
    values = np.abs(array(x))
    return float(values.min()), float(values.max())


def as_stored(bound: float, dtype: torch.dtype) -> float:
    """``bound`` rounded to ``dtype``, so that operands of that type can equal it."""
    return float(torch.tensor(bound, dtype=dtype, device="cpu"))


def check_tensor(name: str, x: object) -> None:
    """Raise DtypeError unless ``x`` is a tensor."""
    if not isinstance(x, torch.Tensor):
        raise DtypeError(f"{name} is a {type(x).__name__}, but should be a torch tensor")


def _place(wrong: torch.Tensor) -> tuple[int, ...]:
    return tuple(int(i) for i in wrong.nonzero()[0])


def _at(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]" if place else ""


@outside_graph
def check_floating(name: str, x: torch.Tensor) -> None:
    """Raise DtypeError unless ``x`` is float32 or float64, and NonFiniteError on NaN or infinity.

    Under torch.func.vmap the numbers of all samples are checked, and the index in the message
    includes the sample. Values are not checked where torch.compile traces torch.func
    transformations.
    """
    check_tensor(name, x)
    if x.dtype not in (torch.float32, torch.float64):
        raise DtypeError(f"{name} is {x.dtype}, but should be torch.float32 or torch.float64")
    if torch.compiler.is_compiling():
        return
    if x.numel() and not all(map(math.isfinite, ends(x))):
        x = numbers(x)
        first = _place(~torch.isfinite(x))
        raise NonFiniteError(f"{name}{_at(first)} is {float(x[first]):g}, but should be finite")


@outside_graph
def check_weight(
    name: str,
    w: torch.Tensor,
    *,
    largest_A: float,
    zero_allowed: bool = False,
    negative_allowed: bool = True,
) -> None:
    """Check currents ``w`` in ampere: finite, ``|w| < largest_A``, non-zero unless allowed.

    Raises ZeroWeightError, RangeError, NonFiniteError or DtypeError; the message names the first
    wrong element. Operands under torch.func are checked as in ``check_floating``.
    """
    check_floating(name, w)
    if torch.compiler.is_compiling() or w.numel() == 0:
        return
    w = numbers(w)
    smallest, largest = magnitudes(w)
    if not zero_allowed and smallest == 0:
        raise ZeroWeightError(
            f"{name}{_at(_place(w == 0))} is 0 A, where ln|w| is singular; "
            "project onto a ProgrammableSet first"
        )
    if largest >= as_stored(largest_A, w.dtype):
        first = _place(w.abs() >= largest_A)
        raise RangeError(
            f"{name}{_at(first)} is {float(w[first]):.4g} A, but the cell's formula needs "
            f"|w| < {largest_A:.4g} A"
        )
    if not negative_allowed and ends(w)[0] < 0:
        raise RangeError(
            f"{name}{_at(_place(w < 0))} is negative, but a WTA cell holds weights >= 0 only"
        )


def check_layer(v: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> None:
    """Raise ShapeError unless v (..., in), w (out, in), bias (out,); DtypeError if mixed."""
    for name, x in (("input", v), ("weight", w), ("bias", bias)):
        check_tensor(name, x)
    if w.ndim != 2:
        raise ShapeError(f"weight has shape {tuple(w.shape)}, but should be (out, in)")
    if v.ndim < 1 or v.shape[-1] != w.shape[1]:
        raise ShapeError(f"input has shape {tuple(v.shape)}, but should be (..., {w.shape[1]})")
    if tuple(bias.shape) != (w.shape[0],):
        raise ShapeError(f"bias has shape {tuple(bias.shape)}, but should be ({w.shape[0]},)")
    if not v.dtype == w.dtype == bias.dtype:
        raise DtypeError(f"input {v.dtype}, weight {w.dtype} and bias {bias.dtype} should agree")
