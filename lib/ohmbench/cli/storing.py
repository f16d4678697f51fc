"""``ohmbench store``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from ohmbench.cli.common import PAPER_NAMES, Force, load_file, say
from ohmbench.cli.evaluation import judged
from ohmbench.digital import StoredInt8
from ohmbench.digital.store import INT8_SCHEMA
from ohmbench.errors import FileError, OperandError
from ohmbench.files import check_writable, read_npz, write_npz
from ohmbench.floatgate import StoredNetwork, power_per_image
from ohmbench.floatgate.store import FLOATGATE_SCHEMA
from ohmbench.weights import WEIGHTS_FOLDER, describe, register


def _json_object(file: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        # NaN is read but is no JSON: find out before anything is written.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FileError(
            file, "is no JSON object", field="recipe", remedy="store what 'ohmbench train' wrote"
        )
    return value


def _name_of(data: StoredNetwork | StoredInt8) -> str | None:
    if isinstance(data, StoredInt8):
        return data.spec.name if data.spec is not None else None
    return data.network.spec.name


def store(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'ohmbench train' wrote.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Under which name to store it.")],
    force: Force = False,
) -> None:
    """Put trained weights into this checkout's store, with their manifest entry (maintainers).

    The entry holds SHA-256, the training command, seed, versions and the metrics measured now.

    Example: ohmbench store floatgate-digits-seed0.npz --name floatgate-digits
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise OperandError(f"--name {name}: use letters, digits, '.', '_' and '-' only")
    if name in PAPER_NAMES:
        raise OperandError(f"--name {name}: stands for the paper's own file")
    data = load_file(file)
    network = _name_of(data)
    for field, value in (("seed", data.seed), ("recipe", data.recipe), ("network", network)):
        if value is None:
            raise FileError(
                file, "missing", field=field, remedy="store only what 'ohmbench train' wrote"
            )
    assert data.seed is not None
    assert data.recipe is not None
    recipe = _json_object(file, data.recipe)
    target = WEIGHTS_FOLDER / f"{name}.npz"
    check_writable(target, overwrite=force)
    found, line = judged(data)
    metrics = {
        "accuracy": found.accuracy.value,
        "correct": float(found.correct),
        "total": float(found.total),
    }
    if isinstance(data, StoredNetwork):
        metrics["mean_power_W"] = float(power_per_image(data.network, data.v).mean())
    schema = INT8_SCHEMA if isinstance(data, StoredInt8) else FLOATGATE_SCHEMA
    write_npz(target, read_npz(file, schema), overwrite=force)
    entry = describe(
        target,
        command=f"ohmbench train {network} --seed {data.seed}",
        seed=data.seed,
        recipe=recipe,
        metrics=metrics,
    )
    register(name, entry)
    say(f"stored {name}: {line}")
