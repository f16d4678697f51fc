"""``ohmbench evaluate``, and judging a network of either family on its images."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from ohmbench.cli.common import Json, Name, PaperFann, console_out, load, print_json, say, summary
from ohmbench.digital import Int8Evaluation, StoredInt8, evaluate_int8
from ohmbench.floatgate import Evaluation, StoredNetwork, evaluate


def judge_int8(data: StoredInt8) -> tuple[Int8Evaluation, str]:
    """The evaluation of an int8 network on its images, and its summary."""
    images = data.images()
    found = evaluate_int8(data.network, images.x, images.labels)
    return found, summary(found.correct, found.total, found.accuracy, images.source)


def judge_floatgate(data: StoredNetwork) -> tuple[Evaluation, str]:
    """The evaluation of a floating-gate network on its images, and its summary."""
    found = evaluate(data.network, data.v, data.labels)
    return found, summary(found.correct, found.total, found.accuracy, data.images)


def judged(data: StoredNetwork | StoredInt8) -> tuple[Evaluation | Int8Evaluation, str]:
    """The evaluation of a network of either family, and its summary."""
    return judge_int8(data) if isinstance(data, StoredInt8) else judge_floatgate(data)


def _accuracy_json(found: Evaluation | Int8Evaluation) -> dict[str, Any]:
    return {
        "correct": found.correct,
        "total": found.total,
        "accuracy": found.accuracy.value,
        "accuracy_95": [found.accuracy.low, found.accuracy.high],
        "confusion": found.confusion.tolist(),
    }


def evaluate_command(name: Name, as_json: Json = False, paper_fann: PaperFann = None) -> None:
    """Accuracy on held-out images, and how the network uses its device.

    Floating-gate networks: evaluations outside the fits, currents no array could hold. Int8
    networks, by their integers: hidden values clamped at 255, the largest requantisation product.

    Example: ohmbench evaluate floatgate-digits
    """
    data = load(name, paper_fann)
    if isinstance(data, StoredInt8):
        _evaluate_int8(name, data, as_json)
    else:
        _evaluate_floatgate(name, data, as_json)


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
            | {
                "out_of_range": ranges_json,
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
