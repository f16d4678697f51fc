"""Which reader a file has, by its first bytes and the ending of its name."""

from __future__ import annotations

import os
from typing import Any

from ohmbench.digital.importing.onnx_reader import read_onnx
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.tflite import read_tflite
from ohmbench.digital.importing.tflite_arithmetic import ROUNDINGS
from ohmbench.errors import FileError, OperandError
from ohmbench.fetching.copies import model_file
from ohmbench.fetching.sources import SOURCES, TARGETS

TFLITE, ONNX = ".tflite", ".onnx"


def published_models() -> tuple[str, ...]:
    """The names of the published networks that ``ohmbench fetch models`` gets."""
    files = [file.target for name in TARGETS["models"] for file in SOURCES[name].files]
    return tuple(name for name in files if name.endswith((TFLITE, ONNX)))


def find_model(model: str) -> str:
    """The path of ``model``: a file, or a published network by its name (``ad01_int8.tflite``).

    Raises FileError where there is neither.
    """
    if os.path.lexists(model):
        return model
    if model in published_models():
        return str(model_file(model))
    raise FileError(
        model,
        "neither a file nor a published network",
        remedy=f"name a file, or choose from {', '.join(published_models())}",
    )


def read_source(
    path: str | os.PathLike[str],
    *,
    rounding: str | None = None,
    input_bits: int | None = None,
    input_step: float | None = None,
) -> Source:
    """Read a TFLite, QONNX or QDQ ONNX file. ``None`` leaves an option at its reader's default.

    Raises FileError for a file that cannot be read, OperandError for an option that is wrong or is
    not for this format.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending == TFLITE:
        for option, value in (("input-bits", input_bits), ("input-step", input_step)):
            if value is not None:
                raise OperandError(f"--{option}: not for TFLite; it is for ONNX")
        if rounding is None:
            return read_tflite(path)
        if rounding not in ROUNDINGS:
            raise OperandError(f"--rounding {rounding}: unknown; choose {', '.join(ROUNDINGS)}")
        return read_tflite(path, rounding=rounding)
    if ending != ONNX:
        raise FileError(
            path,
            f"{ending or 'no ending'} is not a format of quantised networks",
            remedy=f"give an ONNX file ({ONNX}) or a TFLite file ({TFLITE})",
        )
    if rounding is not None:
        raise OperandError("--rounding: not for ONNX; it is for TFLite")
    given: dict[str, Any] = {"input_bits": input_bits, "input_step": input_step}
    return read_onnx(path, **{name: value for name, value in given.items() if value is not None})
