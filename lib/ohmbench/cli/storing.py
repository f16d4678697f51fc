"""``ohmbench store``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ohmbench.cli import kirchhoff_judging
from ohmbench.cli.common import Force, say
from ohmbench.cli.evaluation import judge_floatgate, judge_int8
from ohmbench.cli.finding import PAPER_NAMES, Stored, load_file
from ohmbench.digital import StoredInt8
from ohmbench.digital.store import INT8_SCHEMA
from ohmbench.errors import FileError, OperandError
from ohmbench.files import check_writable, read_npz, write_npz
from ohmbench.floatgate import StoredNetwork, power_per_image
from ohmbench.floatgate.store import FLOATGATE_SCHEMA
from ohmbench.kirchhoff.recipes import name_of
from ohmbench.kirchhoff.store import StoredKirchhoff, save_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask
from ohmbench.weights import WEIGHTS_FOLDER, describe, register

AnyValue = TypeVar("AnyValue")


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


@dataclass(frozen=True)
class _Entry:
    """What the store needs to know of a file: how it came about, how good it is, how to copy it."""

    command: str
    seed: int
    recipe: dict[str, Any]
    line: str
    metrics: dict[str, float]
    write: Callable[[Path, bool], None]


def _present(file: Path, field: str, value: AnyValue | None) -> AnyValue:
    if value is None:
        raise FileError(
            file, "missing", field=field, remedy="store only what 'ohmbench train' wrote"
        )
    return value


def _unfinished(file: Path, step: int) -> FileError:
    return FileError(
        file,
        f"its training ended early, after step {step}",
        field="recipe",
        remedy="finish it ('ohmbench train' with --resume): its command has to make it again",
    )


def _fixed_entry(file: Path, data: StoredNetwork | StoredInt8) -> _Entry:
    """Of a network with a recipe in this package, floating-gate or int8."""
    if data.own is not None:
        raise FileError(
            file,
            "is a network of data that are not ohmbench's",
            field="config",
            remedy="store what 'ohmbench train' wrote for one of its names",
        )
    seed = _present(file, "seed", data.seed)
    recipe = _json_object(file, _present(file, "recipe", data.recipe))
    if isinstance(data, StoredInt8):
        network = _present(file, "network", data.spec).name
    else:
        network = data.network.spec.name
    if "ended_at" in recipe:
        raise _unfinished(file, recipe["ended_at"])
    found, line = judge_int8(data) if isinstance(data, StoredInt8) else judge_floatgate(data)
    metrics = {
        "accuracy": found.accuracy.value,
        "correct": float(found.correct),
        "total": float(found.total),
    }
    if isinstance(data, StoredNetwork):
        metrics["mean_power_W"] = float(power_per_image(data.network, data.v).mean())
    schema = INT8_SCHEMA if isinstance(data, StoredInt8) else FLOATGATE_SCHEMA

    def write(target: Path, overwrite: bool) -> None:
        write_npz(target, read_npz(file, schema), overwrite=overwrite)

    return _Entry(f"ohmbench train {network} --seed {seed}", seed, recipe, line, metrics, write)


def _kirchhoff_entry(file: Path, data: StoredKirchhoff) -> _Entry:
    """Of a network whose configuration comes with this package, so that its name makes it again."""
    seed = _present(file, "seed", data.seed)
    text = _present(file, "recipe", data.recipe)
    history = _present(file, "history", data.history)
    recipe = _json_object(file, text)
    name = name_of(data.config)
    if name is None:
        raise FileError(
            file,
            "is none of the configurations that come with ohmbench",
            field="config",
            remedy=f"store what 'ohmbench train {data.config.test_bench}' wrote",
        )
    samples = recipe.get("samples")
    steps = KirchhoffTask(data.config, seed, samples).steps
    if len(history) == 0 or history[-1, 0] < steps:
        raise _unfinished(file, 0 if len(history) == 0 else int(history[-1, 0]))
    judgement = kirchhoff_judging.judge(data, kirchhoff_judging.Options())
    command = f"ohmbench train {name} --seed {seed}"
    command += "" if samples is None else f" --samples {samples}"

    def write(target: Path, overwrite: bool) -> None:
        save_kirchhoff(
            target, data.model, seed=seed, recipe=text, history=history, overwrite=overwrite
        )

    return _Entry(command, seed, recipe, judgement.line, judgement.metrics, write)


def _entry(file: Path, data: Stored) -> _Entry:
    if isinstance(data, StoredKirchhoff):
        return _kirchhoff_entry(file, data)
    return _fixed_entry(file, data)


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
    target = WEIGHTS_FOLDER / f"{name}.npz"
    check_writable(target, overwrite=force)
    new = _entry(file, load_file(file))
    new.write(target, force)
    entry = describe(
        target, command=new.command, seed=new.seed, recipe=new.recipe, metrics=new.metrics
    )
    register(name, entry)
    say(f"stored {name}: {new.line}")
