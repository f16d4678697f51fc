"""``ohmbench evaluate``, and judging a network of any family on its own data."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ohmbench.cli import kirchhoff_judging
from ohmbench.cli.common import Json, console_out, print_json, print_whole, say, summary
from ohmbench.cli.finding import Name, PaperFann, PaperKirchhoff, Papers, Stored, load
from ohmbench.digital import Int8Evaluation, StoredInt8, evaluate_int8
from ohmbench.errors import OperandError
from ohmbench.floatgate import Evaluation, StoredNetwork, evaluate
from ohmbench.kirchhoff.store import StoredKirchhoff


def judge_int8(data: StoredInt8) -> tuple[Int8Evaluation, str]:
    """The evaluation of an int8 network on its images, and its summary."""
    images = data.images()
    found = evaluate_int8(data.network, images.x, images.labels)
    return found, summary(found.correct, found.total, found.accuracy, images.source)


def judge_floatgate(data: StoredNetwork) -> tuple[Evaluation, str]:
    """The evaluation of a floating-gate network on its images, and its summary."""
    found = evaluate(data.network, data.v, data.labels)
    return found, summary(found.correct, found.total, found.accuracy, data.images)


def verdict(data: Stored, options: kirchhoff_judging.Options) -> str:
    """What ``evaluate`` says of a network of any family, in one line."""
    if isinstance(data, StoredKirchhoff):
        return kirchhoff_judging.judge(data, options).line
    return judge_int8(data)[1] if isinstance(data, StoredInt8) else judge_floatgate(data)[1]


def _accuracy_json(found: Evaluation | Int8Evaluation) -> dict[str, Any]:
    return {
        "correct": found.correct,
        "total": found.total,
        "accuracy": found.accuracy.value,
        "accuracy_95": [found.accuracy.low, found.accuracy.high],
        "confusion": found.confusion.tolist(),
    }


def evaluate_command(
    name: Name,
    points: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=1_000_000,
            metavar="N",
            help="Densities: fresh points that judge one (default 20000). "
            "Potentials: samples that are judged (default 10000).",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**31 - 1, help="Of those points or samples. Regressions: of the split."
        ),
    ] = None,
    tol: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Solver's tolerance, V. Default: 1e-5 for densities and potentials, else the "
            "configuration's.",
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Classification: only the first N.")
    ] = None,
    as_json: Json = False,
    paper_fann: PaperFann = None,
    paper_kirchhoffnet: PaperKirchhoff = None,
) -> None:
    """How good a network is, on data that its training has not seen.

    Floating-gate networks: accuracy, evaluations outside the fits, currents no array could hold.
    Int8 networks, by their integers: accuracy, hidden values clamped at 255, the largest
    requantisation product.

    KirchhoffNets, by their experiment: negative log-likelihood and gap to the true density;
    KL(q||p) and effective sample size for potentials; squared error and R2; top-1 and top-5. The
    same for baselines. Each estimate with its 95 % interval.

    Example: ohmbench evaluate floatgate-digits

    Example: ohmbench evaluate paper-twomoon --paper-kirchhoffnet FOLDER --json
    """
    if tol is not None and not 0 < tol <= 1:
        raise OperandError(f"--tol {tol:g}: should be positive, at most 1")
    options = kirchhoff_judging.Options(points, seed, tol, images)
    data = load(name, Papers(paper_fann, paper_kirchhoffnet))
    if isinstance(data, StoredKirchhoff):
        _evaluate_kirchhoff(name, data, options, as_json)
        return
    if options.given():
        raise OperandError(f"{options.given()[0]} is for KirchhoffNets, which {name} is not")
    if isinstance(data, StoredInt8):
        _evaluate_int8(name, data, as_json)
    else:
        _evaluate_floatgate(name, data, as_json)


def _evaluate_kirchhoff(
    name: str, data: StoredKirchhoff, options: kirchhoff_judging.Options, as_json: bool
) -> None:
    judgement = kirchhoff_judging.judge(data, options)
    if as_json:
        print_json(kirchhoff_judging.json_of(name, data, judgement))
        return
    say(f"{name}: {data.config.kind} ({data.config.test_bench}), on {judgement.data}")
    table = Table("what", "value [95 % interval]")
    for row in judgement.rows:
        table.add_row(*map(escape, row))
    print_whole(table)
    for remark in judgement.remarks:
        say(remark)


def _evaluate_floatgate(name: str, data: StoredNetwork, as_json: bool) -> None:
    found, line = judge_floatgate(data)
    if as_json:
        ranges_json = {
            c.fitted.label: {"evaluations": c.seen, "below": c.below, "above": c.above}
            for c in found.ranges
        }
        print_json(
            {"name": name, "network": data.network.spec.name, "images": data.images}
            | _accuracy_json(found)
            | data.class_names_json()
            | {
                "out_of_range": ranges_json,
                "by_plain_path": found.ranges.by_plain_path,
                "not_programmable": {k: vars(v) for k, v in found.violations.items()},
            }
        )
        return
    console = console_out()
    say(f"{name}: {line}")
    ranges = Table("curve", "fitted range", "evaluations", "below", "above", title="Fitted ranges")
    for c in found.ranges:
        ranges.add_row(
            c.fitted.label,
            f"{c.fitted.low:.4g} to {c.fitted.high:.4g} {c.fitted.unit}",
            str(c.seen),
            str(c.below),
            str(c.above),
        )
    console.print(ranges)
    if found.ranges.by_plain_path:
        say(
            f"{found.ranges.by_plain_path} cell evaluations by the plain formulas: a voltage or a "
            "weight lies outside the fast path's box"
        )
    held = Table(
        "array",
        "currents",
        "too small",
        "too large",
        "wrong sign",
        "between levels",
        title="Programmability",
    )
    for array, v in found.violations.items():
        row = (v.total, v.too_small, v.too_large, v.negative, v.off_level)
        held.add_row(array, *map(str, row))
    console.print(held)


def _evaluate_int8(name: str, data: StoredInt8, as_json: bool) -> None:
    found, line = judge_int8(data)
    network, inference = data.network, found.inference
    agreeing = None
    if data.predictions is not None:
        agreeing = int((inference.classes == data.predictions).sum())
    if as_json:
        print_json(
            {
                "name": name,
                "network": data.spec.name if data.spec else None,
                "sizes": list(network.sizes),
                "M": network.M,
                "S": network.S,
                "images": data.images().source,
            }
            | _accuracy_json(found)
            | data.class_names_json()
            | {
                "hidden_values": inference.hidden.size,
                "clamped_hidden_values": found.saturated,
                "largest_product": found.largest_product,
                "answers_as_stored": agreeing,
            }
        )
        return
    say(f"{name}: {line}")
    table = Table("integers", "", title="-".join(map(str, network.sizes)))
    table.add_row("requantisation", f"M = {network.M}, S = {network.S}")
    table.add_row("hidden values clamped at 255", f"{found.saturated} of {inference.hidden.size}")
    table.add_row("largest product r * M reached", str(found.largest_product))
    table.add_row("logits", f"{inference.logits.min()} to {inference.logits.max()}")
    if agreeing is not None:
        table.add_row("answers equal to those in the file", f"{agreeing} of {found.total}")
    console_out().print(table)
