"""Outputs: whether they can be written is known before any work; what is there is never lost."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import ohmbench
from ohmbench.benchmarks.records import Baseline, write_baseline
from ohmbench.claims.html.render import write_report
from ohmbench.claims.outcomes import StoredRun, write_csv, write_outcomes
from ohmbench.cli.common import check_not_input
from ohmbench.digital import save_int8
from ohmbench.digital.exporting import export_network
from ohmbench.digital.integer.store import save_integer
from ohmbench.eda.cache import keep_text
from ohmbench.eda.synthesis.result import Cost, write_record
from ohmbench.errors import FileError, OhmbenchError
from ohmbench.files import (
    atomic_write,
    check_writable,
    write_bytes,
    write_json,
    write_npz,
    write_pth,
)
from ohmbench.floatgate import SPECS, save_network
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.store import save_kirchhoff
from ohmbench.report.figures import save_figure, save_figures
from ohmbench.weights import describe, register
from tests.unit.circuits import regression_config
from tests.unit.int8_networks import random_scaled
from tests.unit.integer_networks import random_integer
from tests.unit.networks import random_network
from tests.unit.option_rows import (
    HISTORY,
    MINE,
    Seen,
    drawn_as_text,
    every_option,
    see,
    stand_ins,
    world,
)

__all__ = ["drawn_as_text", "see", "stand_ins", "world"]

# ------------------------------------------------------------------------------------------------
# Functions that save


def writers() -> dict[str, Callable[..., Any]]:
    """The public functions of the library that take ``overwrite``, by name."""
    found: dict[str, Callable[..., Any]] = {}
    for module in pkgutil.walk_packages(ohmbench.__path__, "ohmbench."):
        if module.name.startswith(("ohmbench.repro", "ohmbench.hdl", "ohmbench.__main__")):
            continue
        loaded = importlib.import_module(module.name)
        for name, value in vars(sys.modules[loaded.__name__]).items():
            own = inspect.isfunction(value) and value.__module__ == module.name
            if own and "overwrite" in inspect.signature(value).parameters and name[0] != "_":
                found[name] = value
    return found


def _network(path: Path, **options: Any) -> None:
    network = random_network(SPECS["floatgate-circles"], seed=0)
    save_network(path, network, seed=0, recipe="{}", history=HISTORY, **options)


SAVES: dict[str, Callable[..., None]] = {
    "atomic_write": lambda path, **o: atomic_write(path, lambda file: file.write(b"new"), **o),
    "check_writable": check_writable,
    "write_bytes": lambda path, **o: write_bytes(path, b"new", **o),
    "write_json": lambda path, **o: write_json(path, [1], **o),
    "write_npz": lambda path, **o: write_npz(path, {"a": np.ones(2)}, **o),
    "write_pth": lambda path, **o: write_pth(path, {"a": torch.ones(2)}, **o),
    "write_report": lambda path, **o: write_report(path, StoredRun({}, {}), **o),
    "write_record": lambda path, **o: write_record(path, Cost(wall_s=1, peak_memory_MiB=1), **o),
    "save_figure": lambda path, **o: save_figure(Figure(figsize=(1, 1)), path, **o),
    "save_figures": lambda path, **o: save_figures(
        {path.name: lambda: Figure(figsize=(1, 1))}, path.parent, **o
    ),
    "save_network": _network,
    "save_int8": lambda path, **o: save_int8(path, random_scaled(0)[0], **o),
    "save_integer": lambda path, **o: save_integer(path, random_integer(0), **o),
    "export_network": lambda path, **o: export_network(random_integer(0, (2, 2, 2)), path, **o),
    "save_kirchhoff": lambda path, **o: save_kirchhoff(
        path, build(regression_config()), seed=0, recipe="{}", history=HISTORY, **o
    ),
}


def test_every_function_that_saves_has_a_row() -> None:
    assert set(writers()) == set(SAVES)


@pytest.mark.parametrize("name", SAVES)
def test_only_overwrite_replaces(name: str, tmp_path: Path) -> None:
    path = tmp_path / "there.png"
    path.write_bytes(MINE)
    for options in ({}, {"overwrite": False}):
        with pytest.raises(FileError, match=r"there\.png: exists already"):
            SAVES[name](path, **options)
        assert path.read_bytes() == MINE
    SAVES[name](path, overwrite=True)
    assert (path.read_bytes() == MINE) == (name == "check_writable")
    assert [entry.name for entry in tmp_path.iterdir()] == ["there.png"]


def _stored(path: Path) -> None:
    (path.parent / "x.npz").touch()
    entry = describe(path.parent / "x.npz", command="c", seed=0, recipe={}, metrics={})
    register("x", entry, manifest=path)


REPLACES: dict[str, Callable[[Path], None]] = {
    "write_outcomes": lambda path: write_outcomes(path, {"a": []}),
    "write_csv": lambda path: write_csv(path, []),
    "write_baseline": lambda path: write_baseline(path, Baseline({})),
    "keep_text": lambda path: keep_text(path, "new"),
    "register": _stored,
    **{name: partial(save, overwrite=True) for name, save in SAVES.items()},
}


@pytest.mark.parametrize("name", [name for name in REPLACES if name != "check_writable"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_fails_leaves_what_was_there(
    name: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """... and nothing else, and names the file."""
    path = tmp_path / "there.png"
    REPLACES[name](path)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{step}", fails)
        with pytest.raises(OhmbenchError, match=r"there\.png: cannot write: no space left"):
            REPLACES[name](path)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


# ------------------------------------------------------------------------------------------------
# Commands that write

# What each does first that takes long, which must not begin.
WORK = {
    "train {short} --samples 32 --out there": "ohmbench.training:train_to_file",
    "plot {regression} --out .": "ohmbench.kirchhoff.drawing:_regression",
    "sample {flow} -n 3 --plot there.png": "ohmbench.kirchhoff.drawing:sampled",
    "sample {flow} -n 3 --out there.npz": "ohmbench.kirchhoff.drawing:sampled",
    "sample {flow} -n 3 --plot new.png --out there.npz": "ohmbench.kirchhoff.drawing:sampled",
    "predict {int8} --image 3 --plot there.png": "ohmbench.families:load_able",
    "export {int8} there.onnx": "ohmbench.families:load_able",
    "claims {ledger} --json there": "ohmbench.claims.running:run_ledger",
    "claims {ledger} --json new --csv there": "ohmbench.claims.running:run_ledger",
    "report {ledger} --out there": "ohmbench.claims.running:run_ledger",
    "synth 64-100-10 --out .": "ohmbench.eda.synthesis.flows:synthesise",
    "synth sweep 64-100-10 --plot there.png": "ohmbench.eda.synthesis.sweep:sweep",
    "bench plot {before} --out there.png": "ohmbench.report.benchmark_figures:history_figure",
    "import {dense} --out there.npz": "ohmbench.digital.importing.importer:import_network",
    "store {circles} --name there": "ohmbench.families:load_file",
    "quantize {mlp} --data {points} --out there": ("ohmbench.data.parts:load_parts"),
}
NAMES = ("there", "there.png", "there.npz", "there.onnx", "voltages.png", "store/there.npz")


def test_every_command_with_force_is_among_them() -> None:
    commands = {name.removesuffix(" --force") for name in every_option() if "--force" in name}
    commands = {name.removesuffix(" run") for name in commands}
    assert {c for c in commands if not any(f"{w} ".startswith(f"{c} ") for w in WORK)} == set()


@pytest.mark.parametrize("words", WORK)
def test_what_cannot_be_written_is_known_before_any_work(
    words: str, see: Callable[..., Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, function = WORK[words].partition(":")
    begun: list[str] = []
    real = getattr(importlib.import_module(module), function)

    def watched(*arguments: Any, **options: Any) -> Any:
        begun.append(function)
        return real(*arguments, **options)

    monkeypatch.setattr(importlib.import_module(module), function, watched)
    before = dict.fromkeys(NAMES, MINE)
    seen = see(words, before)
    assert (seen.status, seen.out) == (2, "")
    assert seen.files == before
    # A training looks at what is there itself, before its first step.
    assert begun == ([] if function != "train_to_file" else [function])
    assert "there" in seen.err or "voltages" in seen.err or "holds something else" in seen.err


# The others make their folder, or have one of their own.
IN_A_FOLDER = [words for words in WORK if "--out ." not in words and "store" not in words]


@pytest.mark.parametrize("words", IN_A_FOLDER)
def test_a_folder_that_is_not_there_is_known_before_any_work(
    words: str, see: Callable[..., Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file can only be written where there is a folder for it."""
    module, _, function = WORK[words].partition(":")
    if function != "train_to_file":
        loaded = importlib.import_module(module)
        monkeypatch.setattr(loaded, function, lambda *_, **__: pytest.fail("work has begun"))
    seen = see(words.replace("there", "missing/there"))
    assert (seen.status, seen.out, seen.files) == (2, "", {})
    assert "missing/there" in seen.err


@pytest.mark.parametrize("ending", ["PNG", "Pdf", "svg"])
def test_an_ending_in_capitals_is_the_same_format(ending: str, see: Callable[..., Seen]) -> None:
    seen = see(f"predict {{int8}} --image 3 --plot x.{ending}")
    assert (seen.status, [*seen.files]) == (0, [f"x.{ending}"])


def another_name(kind: str, path: Path) -> str:
    """Of the file ``path``."""
    other = path.with_name("other.npz")
    if kind == "relative":
        return os.path.relpath(path)
    if kind == "through a folder":
        return os.fspath(path.parent / ".." / path.parent.name / path.name)
    if kind == "linked folder":
        (path.parent / "folder").symlink_to(path.parent)
        return os.fspath(path.parent / "folder" / path.name)
    other.symlink_to(path) if kind == "symbolic link" else os.link(path, other)
    return os.fspath(other)


@pytest.mark.parametrize(
    "kind", ["relative", "through a folder", "linked folder", "symbolic link", "hard link"]
)
def test_an_input_is_not_written_by_another_of_its_names(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(MINE)
    check_not_input(os.fspath(tmp_path / "new.npz"), os.fspath(path))
    with pytest.raises(FileError, match="is what this command reads"):
        check_not_input(another_name(kind, path), os.fspath(tmp_path / "none"), os.fspath(path))
