"""Write an integer network as ONNX, once it is proven that onnxruntime computes its integers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ohmbench.digital.exporting.checking import Certificate, check_plan
from ohmbench.digital.exporting.graph import build_model
from ohmbench.digital.exporting.plan import Plan
from ohmbench.digital.exporting.planning import make_plan
from ohmbench.digital.exporting.text import KEY, MAX_TEXT, to_text
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.errors import FileError, RangeError
from ohmbench.files import check_writable, write_bytes

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_WEIGHTS = 2**30
"""A protobuf message has less than 2 GiB."""


@dataclass(frozen=True)
class Exported:
    """What was written to ``path``, and what was proven of it.

    ``notes``: sentences on what was decided.
    """

    path: str
    plan: Plan
    certificate: Certificate
    notes: tuple[str, ...]

    @property
    def line(self) -> str:
        """One sentence on what was proven."""
        layers, reals = len(self.plan.layers), self.certificate.reals
        compared = f"{self.certificate.sums} sums" + (f" and {reals} real inputs" if reals else "")
        return (
            "exact: every input gives the network's integers; "
            f"{compared} decide that for {layers} layer{'s' * (layers != 1)}"
        )

    @property
    def ports(self) -> str:
        """One sentence on what goes in and comes out."""
        scale, output = self.plan.input_scale, self.plan.output
        reads = f"{self.plan.input.kind} integers" if scale is None else f"reals, scale {scale:.9g}"
        gives = "the network's integers"
        if output.real:
            shared = len(output.scale) == 1
            gives = f"reals, scale {output.scale[0]:.9g}" if shared else "reals, scale per channel"
        return f"input: {reads}; output: {gives}"


def exact_model(
    plan: Plan, network: IntegerNetwork, text: str | None = None
) -> tuple[ModelProto, Certificate]:
    """The model of ``plan``, with ``text`` about the network.

    Raises RangeError unless the plan is proven to compute ``network``.
    """
    certificate = check_plan(plan, network)
    if not certificate.exact:
        raise RangeError(f"{certificate.faults[0]}; this is a fault of ohmbench: report it")
    return build_model(plan, {} if text is None else {KEY: text}), certificate


def export_network(
    network: IntegerNetwork, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Exported:
    """Write ``network`` to ``path`` as ONNX that onnxruntime runs to the same integers.

    The file is written only if this is proven (``checking``) and onnx's checker accepts it, whole
    or not at all. Raises FileError if it cannot be written or onnx is missing, RangeError for a
    network that has no such file.
    """
    name = os.fspath(path)
    check_writable(name, overwrite=overwrite)
    if find_spec("onnx") is None:
        raise FileError(
            name, "writing ONNX needs the package onnx", remedy="install ohmbench[onnx]"
        )
    import onnx

    weights = sum(layer.weight.size for layer in network.layers)
    if weights > MOST_WEIGHTS:
        raise RangeError(f"{weights} weights do not fit an ONNX file; split the network")
    plan = make_plan(network)
    notes, text = plan.notes, to_text(network)
    stored = text if len(text) <= MAX_TEXT else None
    if stored is None:
        notes = (*notes, "M, R, S and tables are too long to be stored: import finds its own")
    model, certificate = exact_model(plan, network, stored)
    onnx.checker.check_model(model, full_check=True)
    write_bytes(name, model.SerializeToString(deterministic=True), overwrite=overwrite)
    return Exported(name, plan, certificate, notes)
