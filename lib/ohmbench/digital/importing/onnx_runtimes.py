"""ONNX in onnxruntime, and QONNX in qonnx, many inputs at a time.

Files usually fix the batch at 1. A copy in memory gets a larger one; the first, middle and last
input of the first batch are also run through the unchanged file. If the runtime refuses the larger
batch, or if any integer differs there, all inputs are run one at a time through the unchanged file.
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.onnx_file import QONNX_DOMAINS
from ohmbench.digital.importing.runtimes import Runner, in_integers, quiet
from ohmbench.digital.importing.source import Source
from ohmbench.errors import FileError
from ohmbench.files import read_bytes

_STANDARD = ("", "ai.onnx")


class OnnxRunner(Runner):
    """An ONNX file in a runtime that loads models of one batch size."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        with quiet():
            onnx: Any = importlib.import_module("onnx")
        # The bytes alone: data that a file keeps elsewhere are not read.
        self._model = onnx.load_model_from_string(read_bytes(source.path))
        for node in self._model.graph.node:
            if node.domain not in (*_STANDARD, *QONNX_DOMAINS):
                raise self._refusal(f"node {node.name} has the unknown domain {node.domain!r}")
        self._single = self._loaded(_of_one_input(self._model, source))
        self._batched: Any = None
        self._checked = False

    def _refusal(self, reason: object) -> FileError:
        return FileError(
            self.source.path,
            f"{self.runtime.package} refuses it: {reason}",
            remedy="leave the run out with --no-run",
        )

    def _loaded(self, model: Any) -> Any:
        try:
            with quiet():
                return self.load(model)
        except FileError:
            raise
        except Exception as error:  # each runtime has classes of its own for what it refuses
            raise self._refusal(error) from None

    @abstractmethod
    def load(self, model: Any) -> Any:
        """``model`` (a ModelProto) as the runtime holds it."""

    @abstractmethod
    def execute(self, loaded: Any, x: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        """The observed tensors for ``x`` of the shape that was loaded."""

    def _execute(self, loaded: Any, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        shape = (len(x), *self.source.input_shape[1:])
        real = np.ascontiguousarray(x, np.float32).reshape(shape)
        try:
            found = self.execute(loaded, real)
        except Exception as error:  # as above
            raise self._refusal(error) from None
        for name, value in found.items():
            if value.shape[:1] != (len(x),):
                raise self._refusal(f"{name} has shape {value.shape} for {len(x)} inputs")
        return found

    def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See ``Runner``."""
        if not self._checked:
            self._checked = True
            return self._first_batch(x)
        if self._batched is None:
            return self._one_at_a_time(x)
        return self._many(x)

    def _first_batch(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        try:
            self._batched = self._loaded(with_batch(self._model, self.source, self.most))
            found = self._many(x)
        except FileError:  # a graph that only works for the batch it was made for
            self._batched = None
            self.remark = "ran one input at a time, since the file fixes its batch"
            return self._one_at_a_time(x)
        rows = sorted({0, len(x) // 2, len(x) - 1})
        alone = self._one_at_a_time(x[rows])
        if self._same({name: value[rows] for name, value in found.items()}, alone):
            return found
        self._batched = None
        self.remark = "ran one input at a time, since a batch gave other integers"
        return self._one_at_a_time(x)

    def _same(self, a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> bool:
        """Whether all integers, and the outputs up to rounding, are the same."""
        for layer in self.source.layers:
            if layer.tensor not in a:  # only the output is observed
                continue
            meaning = layer.meaning
            one, other = (
                in_integers(
                    found[layer.tensor].reshape(len(found[layer.tensor]), -1),
                    meaning.scale,
                    meaning.offset,
                )
                for found in (a, b)
            )
            if not np.array_equal(np.rint(one), np.rint(other)):
                return False
        name = self.source.output_tensor
        return bool(np.allclose(a[name], b[name], rtol=1e-5, atol=1e-6))

    def _one_at_a_time(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        found = [self._execute(self._single, row[None]) for row in x]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def _many(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """All rows at once; fewer than a batch are filled up with the last."""
        missing = self.most - len(x)
        full = np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) if missing else x
        found = self._execute(self._batched, full)
        return {name: value[: len(x)] for name, value in found.items()}


class OnnxRuntime(OnnxRunner):
    """An ONNX file in onnxruntime, without its graph optimisations.

    They would replace groups of nodes by kernels that round elsewhere; without them the nodes are
    the standard's. ``optimised`` turns them on.
    """

    def __init__(self, source: Source, *, optimised: bool = False) -> None:
        self._optimised = optimised
        super().__init__(source)

    @property
    def tensors(self) -> tuple[str, ...]:
        """See ``Runner``. What is observed is not fused, so only the output is if optimised."""
        return super().tensors[-1:] if self._optimised else super().tensors

    def load(self, model: Any) -> Any:
        """See ``OnnxRunner``."""
        runtime: Any = importlib.import_module("onnxruntime")
        onnx: Any = importlib.import_module("onnx")
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        present = {value.name for value in copy.graph.output}
        for name in dict.fromkeys(self.tensors):
            if name not in present:
                copy.graph.output.append(onnx.ValueInfoProto(name=name))
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        level = runtime.GraphOptimizationLevel
        options.graph_optimization_level = (
            level.ORT_ENABLE_ALL if self._optimised else level.ORT_DISABLE_ALL
        )
        return runtime.InferenceSession(
            copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def execute(self, loaded: Any, x: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        """See ``OnnxRunner``."""
        names = list(dict.fromkeys(self.tensors))
        values = loaded.run(names, {self.source.input_tensor: x})
        return dict(zip(names, values, strict=True))


class Qonnx(OnnxRunner):
    """A QONNX file in qonnx, which runs node by node and rounds where a tensor is annotated."""

    def load(self, model: Any) -> Any:
        """See ``OnnxRunner``."""
        runtime: Any = importlib.import_module("onnxruntime")
        runtime.set_default_logger_severity(4)
        wrapper: Any = importlib.import_module("qonnx.core.modelwrapper").ModelWrapper
        shapes: Any = importlib.import_module("qonnx.transformation.infer_shapes").InferShapes
        copy = type(model)()
        copy.CopyFrom(model)
        for node in copy.graph.node:
            if node.domain not in _STANDARD:
                # qonnx imports the module that a domain names; these names all mean this one.
                node.domain = "qonnx.custom_op.general"
        loaded = wrapper(copy).transform(shapes())
        annotated = loaded.get_tensor_datatype(self.source.input_tensor)
        if annotated.is_integer():
            self.whole = float(annotated.min()), float(annotated.max())
        return loaded

    def execute(self, loaded: Any, x: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        """See ``OnnxRunner``."""
        run: Any = importlib.import_module("qonnx.core.onnx_exec").execute_onnx
        context = run(loaded, {self.source.input_tensor: x}, return_full_exec_context=True)
        return {name: context[name] for name in dict.fromkeys(self.tensors)}


def _of_one_input(model: Any, source: Source) -> Any:
    """The model itself, or a copy for one input where the file names its batch instead of fixing
    it: qonnx takes the shapes of a file literally.
    """
    for value in model.graph.input:
        dimensions = value.type.tensor_type.shape.dim
        if value.name == source.input_tensor and len(dimensions) and not dimensions[0].dim_value:
            return with_batch(model, source, 1)
    return model


def with_batch(model: Any, source: Source, n: int) -> Any:
    """A copy of ``model`` (a ModelProto) for ``n`` inputs at a time.

    The batch is the first dimension of the input and of what depends on it. Constant shapes that
    such a tensor is reshaped to, and that begin with 1, begin with ``n``.
    """
    onnx: Any = importlib.import_module("onnx")
    copy = type(model)()
    copy.CopyFrom(model)
    graph = copy.graph
    del graph.value_info[:]
    depends = {source.input_tensor}
    for node in graph.node:
        if depends & set(node.input):
            depends |= set(node.output)
    for value in (*graph.input, *graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if value.name in depends and len(dimensions):
            dimensions[0].dim_value = n
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    for k, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.input[0] not in depends:
            continue
        constant = constants.get(node.input[1])
        shape = None if constant is None else onnx.numpy_helper.to_array(constant).copy()
        if shape is not None and shape.ndim == 1 and len(shape) and shape[0] == 1:
            shape[0] = n
            name = f"{node.input[1]}, {n} inputs, node {k}"
            graph.initializer.append(onnx.numpy_helper.from_array(shape, name))
            node.input[1] = name
    return copy
