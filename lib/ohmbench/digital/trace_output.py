"""What a trace says, of networks of any number of layers: a table, lines and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from ohmbench.digital.stages import Stage
from ohmbench.family import Outcome, Table

_COLUMNS = ("stage", "layer", "quantity", "values", "largest difference", "tolerance")


def outcome(
    name: str, images: range, stages: Sequence[Stage], remarks: Sequence[str] = ()
) -> Outcome:
    """``stages`` of the inputs numbered ``images``; ``remarks`` go before the verdict."""
    rows = [
        (
            stage.name,
            str(part.layer),
            part.quantity,
            str(part.compared),
            f"{part.largest:.6g} LSB",
            f"at most {part.tolerance:.6g} LSB" if part.tolerance else "exact",
        )
        for stage in stages
        for part in stage.parts
    ]
    lines = [
        f"{stage.name}: {'within tolerance' if stage.passed else 'DEPARTS'}; {stage.note}"
        for stage in stages
    ]
    lines += [*remarks, _verdict(name, images, stages)]
    return Outcome(
        holds=all(stage.passed for stage in stages),
        tables=[Table(_COLUMNS, rows)],
        lines=lines,
        values={
            "name": name,
            "images": len(images),
            "stages": [
                {
                    "name": stage.name,
                    "note": stage.note,
                    "failure": stage.failure,
                    "parts": [vars(part) for part in stage.parts],
                    "departure": None
                    if stage.departure is None
                    else vars(stage.departure) | {"image": images.start + stage.departure.image},
                }
                for stage in stages
            ],
        },
        found=list(stages),
    )


def _verdict(name: str, images: range, stages: Sequence[Stage]) -> str:
    """The first departure or failure, or that there is none."""
    which = f"image {images.start}" if len(images) == 1 else f"{len(images)} images"
    for stage in stages:
        if stage.departure is not None:
            return f"{name}: {stage.name}: {stage.departure.describe(images.start)}"
        if stage.failure is not None:
            return f"{name}, {which}: {stage.name}: {stage.failure}"
    return f"{name}, {which}: every stage within its tolerance"
