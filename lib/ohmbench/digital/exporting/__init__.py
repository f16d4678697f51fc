"""Integer networks as QDQ ONNX that onnxruntime runs to exactly the same integers.

Reading order: ``plan`` (what a file holds, in numbers), ``arithmetic`` (what that computes),
``lines`` and ``forms`` (step functions as lines behind a rounding), ``planning`` (find the
numbers), ``checking`` (prove them), ``graph`` (the ONNX model), ``text`` (the network's own
integers beside it), ``writing``, ``running``.
"""

from ohmbench.digital.exporting.running import run_exported
from ohmbench.digital.exporting.text import from_text, to_text
from ohmbench.digital.exporting.writing import Exported, export_network

__all__ = ["Exported", "export_network", "from_text", "run_exported", "to_text"]
