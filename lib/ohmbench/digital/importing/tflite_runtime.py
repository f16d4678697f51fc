"""TFLite in ai-edge-litert, with the kernels that have the source's rounding."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.runtimes import MissingRuntime, Runner, quiet
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.tflite_arithmetic import KERNELS
from ohmbench.errors import FileError
from ohmbench.files import read_bytes


class LiteRt(Runner):
    """A TFLite file in ai-edge-litert."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        kernels = {str(rounding): name for rounding, name in KERNELS.items()}
        if source.rounding not in kernels:
            raise MissingRuntime(
                f"{self.runtime.package}: has no kernels with the rounding {source.rounding}; "
                f"choose {', '.join(kernels)} to run it"
            )
        data = read_bytes(source.path)
        try:
            with quiet():
                module: Any = importlib.import_module("ai_edge_litert.interpreter")
                self._interpreter = module.Interpreter(
                    model_content=data,
                    experimental_op_resolver_type=getattr(
                        module.OpResolverType, kernels[source.rounding]
                    ),
                    experimental_preserve_all_tensors=True,
                    num_threads=1,
                )
        except (ValueError, RuntimeError) as error:
            raise self._refusal(error) from None
        self._rows = 0
        # Of two tensors with one name the first is the one that the graph's order reaches first.
        details = reversed(self._interpreter.get_tensor_details())
        self._index = {tensor["name"]: tensor["index"] for tensor in details}
        (self._input,) = self._interpreter.get_input_details()

    def _refusal(self, error: Exception) -> FileError:
        return FileError(
            self.source.path,
            f"ai-edge-litert refuses it: {error}",
            remedy="leave the run out with --no-run",
        )

    def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See ``Runner``."""
        try:
            self._resize(len(x))
            shape = (len(x), *self.source.input_shape[1:])
            whole = np.asarray(x).reshape(shape).astype(self._input["dtype"])
            self._interpreter.set_tensor(self._input["index"], whole)
            self._interpreter.invoke()
            return {
                name: self._interpreter.get_tensor(self._index[name]) for name in set(self.tensors)
            }
        except (ValueError, RuntimeError) as error:
            raise self._refusal(error) from None

    def _resize(self, rows: int) -> None:
        if rows != self._rows:
            with quiet():
                index = self._input["index"]
                self._interpreter.resize_tensor_input(index, [rows, *self.source.input_shape[1:]])
                self._interpreter.allocate_tensors()
            self._rows = rows
