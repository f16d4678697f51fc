"""Integer networks of any number of layers: the integers, golden models, files, proofs.

Reading order: ``network`` (the integers), ``golden`` (what they compute: the specification),
``store`` (files), ``prove`` and ``trace``.
"""

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
    "from_int8",
    "infer",
    "infer_plain",
]
