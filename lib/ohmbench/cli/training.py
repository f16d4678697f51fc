"""``ohmbench train``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from ohmbench.cli import kirchhoff_judging
from ohmbench.cli.common import Force, check_not_input, fail, say
from ohmbench.cli.evaluation import verdict
from ohmbench.cli.finding import load_file
from ohmbench.digital import configuration as int8
from ohmbench.digital.store import Own as Int8Own
from ohmbench.digital.training import INT8_RECIPES, train_int8
from ohmbench.digital.training import train_own as train_own_int8
from ohmbench.errors import FileError, OhmbenchError, OperandError, one_line
from ohmbench.fields import found
from ohmbench.files import read_yaml
from ohmbench.floatgate import configuration as floatgate
from ohmbench.floatgate.store import Own as FloatgateOwn
from ohmbench.floatgate.training import RECIPES, train_network
from ohmbench.floatgate.training import train_own as train_floatgate
from ohmbench.kirchhoff.configuration import Config, config_of
from ohmbench.kirchhoff.recipes import CONFIG_NAMES, own_config
from ohmbench.kirchhoff.training import train_kirchhoff, with_data
from ohmbench.paper import KIRCHHOFF_CONFIG
from ohmbench.train import checkpoint_path

TRAINABLE = (*RECIPES, *INT8_RECIPES, *CONFIG_NAMES)

_IMAGES_AFTER_TRAINING = 1000  # of a classification: all of MNIST's take minutes


class _Plan(NamedTuple):
    """A training that can begin: ``run(path, **common)`` does it.

    ``reads`` are the user's files. ``options`` are those of judging what comes out. KirchhoffNets
    alone take ``--samples``.
    """

    run: Callable[..., object]
    reads: Sequence[str] = ()
    options: kirchhoff_judging.Options = kirchhoff_judging.Options()
    takes_samples: bool = False


def _is_path(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in (".yaml", ".yml") or os.path.exists(name)


def _plan(name: str, seed: int, samples: int | None) -> _Plan:
    """The training that ``name`` stands for.

    Raises OperandError for a name that stands for nothing, FileError for a file that is no
    configuration, or whose data are not there.
    """
    if name in RECIPES:
        return _Plan(lambda path, **common: train_network(name, seed, path, **common))
    if name in INT8_RECIPES:
        return _Plan(lambda path, **common: train_int8(name, seed, path, **common))
    if name in CONFIG_NAMES:
        return _kirchhoff_plan(own_config(name), None, seed, samples)
    if _is_path(name):
        file = os.path.join(name, KIRCHHOFF_CONFIG) if os.path.isdir(name) else name
        return _file_plan(file, seed, samples)
    raise OperandError(
        f"no training for {name!r}; there is one for: {', '.join(TRAINABLE)}, "
        "and for any configuration (FILE.yaml)"
    )


def _file_plan(file: str, seed: int, samples: int | None) -> _Plan:
    """By the family that the file names; the paper's own files of KirchhoffNets name none."""
    value = read_yaml(file)
    if not isinstance(value, dict) or "family" not in value:
        return _kirchhoff_plan(config_of(value, file), file, seed, samples)
    family, folder = value["family"], os.path.dirname(file)
    if family == floatgate.FAMILY:
        fg = floatgate.config_of(value, file)
        fg_own = FloatgateOwn(*floatgate.with_data(fg, seed, folder=folder, source=file))
        files = [file, os.path.join(folder, fg.card), *fg.data.files(folder)]
        return _Plan(lambda path, **common: train_floatgate(fg_own, seed, path, **common), files)
    if family == int8.FAMILY:
        config = int8.config_of(value, file)
        own = Int8Own(*int8.with_data(config, seed, folder=folder, source=file))
        files = [file, *config.data.files(folder)]
        return _Plan(lambda path, **common: train_own_int8(own, seed, path, **common), files)
    raise FileError(
        file,
        f"expected {floatgate.FAMILY} or {int8.FAMILY}, found {found(family)}",
        field="family",
        remedy="leave it out for a KirchhoffNet",
    )


def _kirchhoff_plan(config: Config, file: str | None, seed: int, samples: int | None) -> _Plan:
    folder = os.path.dirname(file or "")
    config, data = with_data(config, seed, folder=folder, source=file or config.test_bench)
    images = _IMAGES_AFTER_TRAINING if config.kind == "classification" else None
    return _Plan(
        lambda path, **common: train_kirchhoff(
            config, seed, path, data=data, samples=samples, **common
        ),
        [] if file is None else [file, *(config.data.files(folder) if config.data else ())],
        kirchhoff_judging.Options(images=images),
        takes_samples=True,
    )


def _stem(name: str) -> str:
    """What the output is called after: a folder's configuration all bear the same name."""
    path = os.path.normpath(name)
    stem, ending = os.path.splitext(os.path.basename(path))
    return stem if ending.lower() in (".yaml", ".yml") else os.path.basename(path)


def train(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|CONFIG",
            help=f"One of: {', '.join(TRAINABLE)}. Or a network of your own (YAML).",
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Split, start and noise.")] = 0,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Default: NAME-seedN.npz here.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an unfinished training of the same output.")
    ] = False,
    force: Force = False,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            "--max-minutes",
            metavar="M",
            help="End after M minutes and write what there is; --resume goes on from there.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="KirchhoffNets: only the first N of the training samples."
        ),
    ] = None,
) -> None:
    """Train a network from nothing: under its device's constraints, or by its configuration.

    A progress bar shows the time left. The state is saved every few seconds beside the output
    (FILE.checkpoint.npz); a training that was killed, or ended by --max-minutes, continues with
    --resume and ends in the same bits as one that was not.

    A YAML file is a network of your own: with family: floatgate or family: int8 of these, without
    that key a KirchhoffNet in the paper's own schema. The key data names a CSV or npz file of your
    own (see "Your own data" in the README). The last line says what 'ohmbench evaluate' finds.

    Example: ohmbench train floatgate-digits --seed 3 --out digits3.npz

    Example: ohmbench train twomoon --max-minutes 15
    """
    if resume and force:
        raise OperandError("--resume continues and --force starts over: give one of them")
    if max_minutes is not None and not 0 < max_minutes < float("inf"):
        raise OperandError(f"--max-minutes {max_minutes:g}: should be positive and finite")
    plan = _plan(name, seed, samples)
    if samples is not None and not plan.takes_samples:
        raise OperandError(f"--samples is for KirchhoffNets, which {name} is not")
    path = out if out is not None else f"{_stem(name)}-seed{seed}.npz"
    check_not_input(path, *plan.reads)
    check_not_input(os.fspath(checkpoint_path(path)), *plan.reads)
    if resume and not (os.path.lexists(checkpoint_path(path)) or os.path.lexists(path)):
        sys.stderr.write(f"{one_line(path)}: nothing to resume, starting at the beginning\n")
    common: dict[str, Any] = {
        "resume": resume,
        "force": force,
        "console": Console(stderr=True),
        "max_minutes": max_minutes,
    }
    try:
        plan.run(path, **common)
    except KeyboardInterrupt:
        fail(f"interrupted; continue with --resume ({one_line(str(checkpoint_path(path)))})", 130)
    _say_what_it_is(path, plan.options)
    if os.path.lexists(checkpoint_path(path)):
        say(f"{path}: ended by --max-minutes; the same command with --resume goes on")


def _say_what_it_is(path: str, options: kirchhoff_judging.Options) -> None:
    """Where the network went and how good it is; the first also where the second fails."""
    try:
        line = verdict(load_file(path), options)
    except OhmbenchError:
        say(f"wrote {path}")
        raise
    say(f"wrote {path}: {line}")
