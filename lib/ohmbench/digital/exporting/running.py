"""Run an exported file by onnxruntime."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.exporting.graph import INPUT
from ohmbench.digital.exporting.plan import Plan
from ohmbench.digital.exporting.planning import make_plan
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.integer.reals import examples
from ohmbench.errors import FileError
from ohmbench.files import read_bytes


@dataclass(frozen=True)
class Run:
    """The integers of a run: ``h[k]`` of each layer that was asked for, and ``outputs``.

    int64 (n, channels) each.
    """

    h: tuple[Int64[NDArray[np.int64], "n _"], ...]
    outputs: Int64[NDArray[np.int64], "n channels"]


def run_exported(
    path: str | os.PathLike[str],
    network: IntegerNetwork,
    x: NDArray[Any],
    *,
    optimise: bool = True,
    hidden: bool = False,
) -> Run:
    """Run the file that ``network`` was exported to on ``x`` (n, inputs), by onnxruntime.

    The rest is as for ``run_model``. Raises FileError if the file cannot be read or run.
    """
    name = os.fspath(path)
    model, plan = read_bytes(name, max_bytes=2**31), make_plan(network)
    if find_spec("onnxruntime") is None:
        raise FileError(name, "running ONNX needs onnxruntime", remedy="install ohmbench[runtimes]")
    return run_model(model, plan, network, x, optimise=optimise, hidden=hidden)


def run_model(
    model: bytes,
    plan: Plan,
    network: IntegerNetwork,
    x: NDArray[Any],
    *,
    optimise: bool = True,
    hidden: bool = False,
) -> Run:
    """Run the model of ``plan`` on ``x`` (n, inputs).

    Integers are given to a graph that takes reals as real values that become these integers.
    ``optimise`` is onnxruntime's optimisation of graphs, ``hidden`` also asks for the integers of
    the quantised layers.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    asked = [k for k, layer in enumerate(plan.layers) if hidden and layer.out is not None]
    if asked:
        opened = onnx.load_from_string(model)
        opened.graph.output.extend(onnx.ValueInfoProto(name=f"layer_{k}") for k in asked)
        model = opened.SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {INPUT: _fed(plan, network, x)})
    h = tuple(
        values.astype(np.int64) - (layer.out.shift if layer.out is not None else 0)
        for k, values in zip(asked, found[1:], strict=True)
        for layer in (plan.layers[k],)
    )
    return Run(h, plan.output.integers(found[0]))


def _fed(plan: Plan, network: IntegerNetwork, x: NDArray[Any]) -> NDArray[Any]:
    if plan.input_scale is None:
        return x.astype(plan.input.kind)
    if x.dtype.kind == "f":
        return x.astype(np.float32)
    fed: NDArray[np.float32] = examples(network.input)[x - network.input.lo]
    return fed
