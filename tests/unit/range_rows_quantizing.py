"""Rows of ranges (``range_rows.Row``) of float models and their quantisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ohmbench.data.parts import _part
from ohmbench.digital.quantizing import float_models
from ohmbench.digital.quantizing.calibration import Formats, quantize
from ohmbench.digital.quantizing.float_models import FloatMLP, Linear, Scaling, fold
from ohmbench.digital.quantizing.judging import compare
from ohmbench.digital.quantizing.scales import as_scale, check_bits, multipliers
from ohmbench.digital.quantizing.state_dict import _normalisation
from ohmbench.errors import FileError, OperandError, RangeError, ShapeError
from tests.unit.range_rows import NO_NUMBERS, TINY, Row, above, below

_ONE = np.ones((1, 1))
_F32 = np.finfo(np.float32)


def _layers(n: int) -> FloatMLP:
    return FloatMLP((_ONE,) * n, (np.zeros(1),) * n)


def _inputs(n: int) -> FloatMLP:
    return FloatMLP((np.ones((1, n)),), (np.zeros(1),))


def _few_weights(n: int) -> FloatMLP:
    """With a limit of 12, which needs no memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(float_models, "MAX_WEIGHTS", 12)
        return _inputs(n)


def _scaled(values: int) -> FloatMLP:
    layer = Linear("a", np.ones((3, 2)), np.zeros(3))
    return fold([layer, Scaling("s", np.ones(values), np.zeros(values))])


def _variance(value: float) -> object:
    tensors = {"running_mean": np.zeros(2), "running_var": np.array([1.0, value])}
    return _normalisation("a.pth", "bn", tensors)


def _labelled(label: int) -> object:
    model = FloatMLP((np.ones((2, 1)),), (np.zeros(2),))
    x: Any = np.ones((1, 1))
    return compare(model, quantize(model, x), x, np.array([label]))


QUANTIZING_ROWS = [
    Row("weight-bits", "digital/quantizing/scales.py:check_bits",
        lambda n: check_bits(n, 8), (2, 8), (1, 0, 9)),
    Row("activation-bits", "digital/quantizing/scales.py:check_bits",
        lambda n: check_bits(8, n), (1, 8), (0, 9)),
    Row("scale-float32", "digital/quantizing/scales.py:as_scale",
        lambda x: as_scale(x, "a scale"), (float(_F32.tiny), 1.0, float(_F32.max)),
        (0.0, -1.0, 1.17e-38, 3.5e38, *NO_NUMBERS)),
    Row("ratio", "digital/quantizing/scales.py:multipliers",
        lambda x: multipliers(np.array([x, 1.0])), (2.0**-48, 1.0), (below(2.0**-48), 2.0**-60)),
    Row("percentile", "digital/quantizing/calibration.py:Formats.__post_init__",
        lambda x: Formats(percentile=x), (TINY, 100.0), (0.0, above(100.0), *NO_NUMBERS)),
    Row("float-layers", "digital/quantizing/float_models.py:FloatMLP.__post_init__",
        _layers, (1, 32), (0, 33), ShapeError),
    Row("float-weights", "digital/quantizing/float_models.py:FloatMLP.__post_init__",
        _few_weights, (1, 12), (13,), ShapeError),
    Row("float-inputs", "digital/quantizing/float_models.py:_layer",
        _inputs, (1, 2**16), (0, 2**16 + 1), ShapeError),
    Row("scaled-values", "digital/quantizing/float_models.py:_wide",
        _scaled, (1, 3), (2, 4), ShapeError),
    Row("variance", "digital/quantizing/state_dict.py:_normalisation",
        _variance, (0.0, 1.0), (-TINY, -math.inf), FileError),
    Row("label-of-model", "digital/quantizing/judging.py:compare",
        _labelled, (0, 1), (-1, 2), RangeError),
    Row("held-out", "data/parts.py:_part",
        lambda x: _part(repr(x)), (TINY, 0.5, below(1.0)), (0.0, 1.0, *NO_NUMBERS), OperandError),
]  # fmt: skip
