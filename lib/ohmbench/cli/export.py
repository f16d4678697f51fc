"""``ohmbench export``."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from ohmbench.cli.common import Force, Json, check_not_input, print_json, say
from ohmbench.cli.naming import Name, PaperFann
from ohmbench.errors import FileError


def export(
    name: Name,
    out: Annotated[
        str,
        typer.Argument(metavar="MODEL.onnx", help="The ONNX file to write.", show_default=False),
    ],
    force: Force = False,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Write an integer network as ONNX that onnxruntime runs to exactly the same integers.

    The file has QuantizeLinear, DequantizeLinear and Gemm in floating point. For every sum that
    inputs can reach, its rounded arithmetic is proven to give the network's integers; otherwise
    nothing is written.

    Example: ohmbench export int8-digits digits.onnx
    """
    from ohmbench import api
    from ohmbench.families import Papers, load_able
    from ohmbench.files import check_writable

    check_not_input(out, name)
    if os.path.splitext(out)[1].lower() != ".onnx":
        raise FileError(out, "not the name of an ONNX file", remedy="end the name in .onnx")
    check_writable(out, overwrite=force)
    written = api.export(load_able(name, Papers(paper_fann), "export"), out, force=force)
    if as_json:
        print_json(_json(name, written))
        return
    say(f"{name}: {written.line}")
    say(written.ports)
    for note in written.notes:
        say(note)
    say(f"wrote {out}")


def _json(name: str, written: Any) -> dict[str, Any]:
    plan, certificate = written.plan, written.certificate
    return {
        "name": name,
        "file": written.path,
        "exact": certificate.exact,
        "sums_compared": certificate.sums,
        "real_inputs_compared": certificate.reals,
        "input": "integers" if plan.input_scale is None else "reals",
        "input_type": plan.input.kind,
        "input_scale": plan.input_scale,
        "output": "reals" if plan.output.real else "integers",
        "output_scale": plan.output.scale.tolist(),
        "output_zero": plan.output.zero.tolist(),
        "notes": list(written.notes),
    }
