"""The functions at the top of the package: for every family, and the same as the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import ohmbench
from ohmbench import api
from ohmbench.errors import FileError, OperandError
from ohmbench.family import DrawOptions
from ohmbench.floatgate import power_per_image

QUIET = Console(quiet=True)
DATA = """x,y,kind
""" + "".join(
    f"{x:.3f},{y:.3f},{'right' if x > 0 else 'left'}\n"
    for x, y in np.random.default_rng(0).normal(size=(60, 2))
)
CONFIGURATION = """family: int8
hidden: 3
data: {file: points.csv, target: kind}
train: {steps: 40}
"""


def test_the_top_has_what_it_says() -> None:
    assert set(ohmbench.__all__) == {"__version__", *api.__all__}
    for name in api.__all__:
        assert getattr(ohmbench, name) is getattr(api, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ohmbench.nothing  # noqa: B018


def test_the_top_alone_loads_no_torch() -> None:
    check = "import sys, ohmbench; ohmbench.__version__; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("floatgate-circles", {}),
        ("int8-digits", {}),
        ("gauss", {"points": 50, "seed": 3, "tol": 1e-3}),
    ],
)
def test_evaluate_is_what_the_command_says(name: str, options: dict[str, Any], run: Any) -> None:
    given = [word for key, value in options.items() for word in (f"--{key}", value)]
    status, out, _ = run("evaluate", name, *given, "--json")
    assert status == 0
    found = ohmbench.evaluate(ohmbench.load(name), **options)
    assert {"name": name, **found.values} == json.loads(out)
    assert ohmbench.evaluate(name, **options).line == found.line


def test_train_and_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "points.csv").write_text(DATA, encoding="utf-8")
    (tmp_path / "net.yaml").write_text(CONFIGURATION, encoding="utf-8")
    made = ohmbench.train(tmp_path / "net.yaml", tmp_path / "net.npz", seed=2, console=QUIET)
    again = ohmbench.load(tmp_path / "net.npz")
    assert made.network.seed == again.network.seed == 2
    for a, b in zip(made.network.network.weight, again.network.network.weight, strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(FileError, match="--force"):
        ohmbench.train(tmp_path / "net.yaml", tmp_path / "net.npz", console=QUIET)
    found = ohmbench.predict(made, 1)
    assert found.class_name(found.answer) in ("0 (left)", "1 (right)")
    assert ohmbench.prove(made).proven
    assert [stage.passed for stage in ohmbench.trace(made, images=3)] == [True, True]
    drawn = ohmbench.draw(made, tmp_path / "figures", title="net")
    assert sorted(p.name for p in drawn) == ["confusion.png", "history.png", "weights.png"]
    assert sorted(tmp_path.glob("figures/*")) == sorted(drawn)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError):
        ohmbench.draw(made, "figures", options=DrawOptions())


def test_power_of_each_sample() -> None:
    loaded = ohmbench.load("floatgate-circles")
    expected = power_per_image(loaded.network.network, loaded.network.v)
    assert torch.equal(ohmbench.power(loaded), expected)
    assert torch.equal(ohmbench.power("floatgate-circles"), expected)


def test_samples_are_seeded() -> None:
    first, again, other = (ohmbench.sample("gauss", 5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, other.x)
    assert first.x.shape == (5, 2)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: ohmbench.power("int8-digits"), "power takes floating-gate networks, not an int8"),
        (lambda: ohmbench.prove("gauss"), "prove takes int8 networks and N-layer"),
        (
            lambda: ohmbench.predict("gauss", 0),
            "predict takes int8 networks, N-layer integer networks and",
        ),
        (lambda: ohmbench.sample("diabete", 3), "a regression has no samples"),
        (lambda: ohmbench.evaluate("int8-digits", tol=0.1), "tol does not apply to an int8"),
        (lambda: ohmbench.train("int8-digits", "x.npz", samples=3), "samples does not apply to an"),
    ],
)
def test_what_a_family_cannot_do_is_refused(call: Any, complaint: str) -> None:
    with pytest.raises(OperandError, match=complaint):
        call()


def test_names_are_those_that_load_takes() -> None:
    assert {"floatgate-digits", "int8-digits", "twomoon"} <= set(ohmbench.names())


@pytest.mark.parametrize(
    ("option", "value"),
    [("resume", True), ("force", True), ("console", QUIET), ("max_minutes", 0.5)],
)
def test_every_option_of_a_training_reaches_it(
    monkeypatch: pytest.MonkeyPatch, option: str, value: Any
) -> None:
    calls: list[dict[str, Any]] = []

    def note(task: Any, out: Any, **options: Any) -> None:
        calls.append({"seed": task.seed, **options})
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "train_to_file", note)
    for options in ({}, {option: value, "seed": 5}):
        with pytest.raises(KeyboardInterrupt):
            ohmbench.train("floatgate-circles", "x.npz", **options)
    usual, other = calls
    assert (usual["seed"], other["seed"]) == (0, 5)
    assert other[option] is value
    assert {**other, "seed": 0, option: usual[option]} == usual
    assert set(usual) - {"seed"} == {"resume", "force", "console", "max_minutes"}


def test_samples_of_a_training_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(api, "train_to_file", lambda task, *_, **__: found.append(task.settings))
    monkeypatch.setattr("ohmbench.kirchhoff.family.KirchhoffFamily.load", lambda *_: None)
    ohmbench.train("gauss", "x.npz", samples=7)
    assert found[0]["samples"] == 7
