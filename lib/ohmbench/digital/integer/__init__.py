"""Integer networks of any number of layers: the integers, golden models, files, proofs.

Reading order: ``network`` (the integers), ``golden`` (what they compute: the specification),
``store`` (files), ``prove`` and ``trace``.

For many samples, ``classify`` and ``compiled_network`` (``fast``) give the same outputs and classes
as ``infer``, many times faster, after a compilation of some seconds. They are for scripts: the
commands need the values between layers too, or too few samples to gain from it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ohmbench.digital.integer.golden import Inference, PlainInference, infer, infer_plain
from ohmbench.digital.integer.network import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Step,
    Thresholds,
    from_int8,
)

if TYPE_CHECKING:
    from ohmbench.digital.integer.fast import classify, compiled_network

__all__ = [
    "Affine",
    "Inference",
    "InputFormat",
    "IntegerNetwork",
    "Layer",
    "Meaning",
    "PlainInference",
    "Step",
    "Thresholds",
    "classify",
    "compiled_network",
    "from_int8",
    "infer",
    "infer_plain",
]


def __getattr__(name: str) -> Any:
    # The compiler loads in half a second, which whoever does not use it need not wait for.
    if name in ("classify", "compiled_network"):
        return getattr(import_module("ohmbench.digital.integer.fast"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
