"""The runner of a source: the runtime of its format with the file loaded."""

from __future__ import annotations

from ohmbench.digital.importing.onnx_runtimes import OnnxRuntime, Qonnx
from ohmbench.digital.importing.runtimes import Runner
from ohmbench.digital.importing.source import Format, Source
from ohmbench.digital.importing.tflite_runtime import LiteRt

RUNNERS: dict[Format, type[Runner]] = {
    "QDQ ONNX": OnnxRuntime,
    "QONNX": Qonnx,
    "TFLite": LiteRt,
}


def runner_for(source: Source) -> Runner:
    """Load the file of ``source`` into the runtime of its format.

    Raises MissingRuntime where that is not installed, FileError where it refuses the file.
    """
    return RUNNERS[source.format](source)
