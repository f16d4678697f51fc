"""A float model's file, made into integers and judged: what ``ohmbench quantize`` does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ohmbench.data.parts import Parts
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.quantizing.calibration import Formats, calibration_samples, quantize
from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.digital.quantizing.judging import Comparison, compare, weight_errors
from ohmbench.digital.quantizing.reading import read_float_model
from ohmbench.errors import FileError, OperandError
from ohmbench.files import sha256_file
from ohmbench.weights import versions


@dataclass(frozen=True)
class Result:
    """Integers of a float model: how good they are, and where they come from, as JSON values."""

    model: FloatMLP
    network: IntegerNetwork
    comparison: Comparison
    weight_errors: list[float]
    origin: Mapping[str, Any]


def read_for(path: str, samples: Parts) -> FloatMLP:
    """The float model in ``path``. Raises FileError as its reader does, and if it does not fit
    ``samples``.
    """
    model = read_float_model(path)
    inputs, outputs = model.sizes[0], model.sizes[-1]
    for what, wanted, found, field in (
        ("features", inputs, samples.train_x.shape[1], "inputs"),
        ("classes", outputs, samples.classes, "outputs"),
    ):
        if wanted != found:
            raise FileError(
                samples.name,
                f"has {found} {what}, but {path} has {wanted} {field}",
                remedy="name the data that the model was trained on",
            )
    return model


def origin_of(
    path: str, model: FloatMLP, samples: Parts, formats: Formats, comparison: Comparison
) -> dict[str, Any]:
    """Where the integers of the float model in ``path`` come from, as JSON values."""
    return {
        "made_by": "ohmbench quantize",
        "file": os.fspath(path),
        "sha256": sha256_file(path),
        "format": "float MLP",
        "layer_names": list(model.names),
        "notes": list(model.notes),
        "data": dict(samples.origin),
        "formats": asdict(formats),
        "held_out": {
            "samples": comparison.samples,
            "float_correct": comparison.right_float,
            "correct": comparison.right_integers,
            "same_class": comparison.same,
        },
        "versions": versions(),
    }


def quantize_file(path: str, samples: Parts, formats: Formats) -> Result:
    """Quantise the float model in ``path``, calibrated and judged by ``samples``.

    Raises FileError, naming the file
    and the layer, for a model that cannot be read, does not fit the data or cannot be quantised.
    """
    model = read_for(path, samples)
    try:
        network = quantize(model, calibration_samples(samples.train_x, samples.seed), formats)
    except OperandError as error:
        raise FileError(path, str(error), remedy="train it again, or calibrate otherwise") from None
    comparison = compare(model, network, samples.test_x, samples.test_y)
    errors = weight_errors(model, network, formats.per)
    origin = origin_of(path, model, samples, formats, comparison)
    return Result(model, network, comparison, errors, origin)
