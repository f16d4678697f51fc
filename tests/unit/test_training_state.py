"""A training taken to pieces: resumed after each of its steps, by the clock, in several groups.

Clocks are made up: an update takes as many seconds as the test says.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import ohmbench.training
from ohmbench.data.classifier import Own
from ohmbench.digital import configuration as int8
from ohmbench.digital import training as int8_training
from ohmbench.digital.store import load_int8
from ohmbench.floatgate import configuration as floatgate
from ohmbench.floatgate import load_network
from ohmbench.floatgate import training as floatgate_training
from ohmbench.kirchhoff import configuration as kirchhoff
from ohmbench.kirchhoff.samples import OwnSource
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask, with_data
from ohmbench.training import Task, checkpoint_path, finished, fit, train_to_file
from tests.unit.test_network_keys import FLOATGATE, INT8, KIRCHHOFF, table, write

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("tables")
    write(here / "one.csv", table(0))
    return here


# ------------------------------------------------------------------------------------------------
# Step by step


def _floatgate(folder: Path, out: Path, **options: Any) -> Any:
    value = FLOATGATE | {"train": {"steps": 28, "batch": 8, "population": 2}}
    own = Own(*floatgate.with_data(floatgate.config_of(value, "x"), 3, folder=folder))
    train_to_file(floatgate_training.own_task(own, 3), out, console=QUIET, **options)
    return load_network(out)


def _int8(folder: Path, out: Path, **options: Any) -> Any:
    value = INT8 | {"train": {"steps": 28, "batch": 8}}
    own = Own(*int8.with_data(int8.config_of(value, "x"), 3, folder=folder))
    train_to_file(int8_training.own_task(own, 3), out, console=QUIET, **options)
    return load_int8(out)


def _kirchhoff(folder: Path, out: Path, **options: Any) -> Any:
    """Four epochs of seven batches, the last of them of three samples."""
    value = KIRCHHOFF | {"batch_size": 7, "train": {"lr": 0.03, "num_epoch": 4}}
    config, data = with_data(kirchhoff.config_of(value, "x"), 3, folder=folder)
    train_to_file(KirchhoffTask(config, 3, source=OwnSource(data)), out, console=QUIET, **options)
    return load_kirchhoff(out)


FAMILIES: dict[str, tuple[Callable[..., Any], int]] = {
    "floatgate": (_floatgate, 25),
    "int8": (_int8, 25),
    "kirchhoff": (_kirchhoff, 1),
}
"""A training of 28 steps, and how many of them a row of its history is for."""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_in_pieces_ends_in_the_same_bits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """About its beginning, its end and a full row of its history, step by step; each piece says how
    far it got, in a history as long as that asks for."""
    train, every = FAMILIES[family]
    whole, out = tmp_path / "whole.npz", tmp_path / "out.npz"
    expected = train(folder, whole).history
    assert [int(row[0]) for row in expected] == [*range(every, 28, every), 28]
    # A minute for each update, which asks for its generator once.
    now, generator_of = itertools.count(1), ohmbench.training.step_generator
    time = SimpleNamespace(minutes=0, monotonic=lambda: 60.0 * time.minutes)

    def timed(seed: int, step: int) -> torch.Generator:
        time.minutes = next(now)
        return generator_of(seed, step)

    monkeypatch.setattr(ohmbench.training, "time", time)
    monkeypatch.setattr(ohmbench.training, "step_generator", timed)
    step = 0
    for piece in (1, 1, 22, 1, 1, 1):
        found = train(folder, out, resume=step > 0, max_minutes=piece)
        step += piece
        recipe = json.loads(found.recipe)
        assert recipe["steps" if family == "kirchhoff" else "ended_at"] == step
        assert len(found.history) == -(-step // every)
        assert found.history[-1, 0] == step
        complete = step // every
        assert np.array_equal(found.history[:complete], expected[:complete])
        assert checkpoint_path(out).exists()
    train(folder, out, resume=True)
    assert not checkpoint_path(out).exists()
    assert out.read_bytes() == whole.read_bytes()


# ------------------------------------------------------------------------------------------------
# The loop alone


class Groups(Task):
    """A plane in two groups of parameters, whose optimiser each has its own options for."""

    name = "groups"
    seed = 4
    history_every = 4

    def __init__(self, steps: int = 10) -> None:
        self.steps = steps
        self.module = torch.nn.Linear(3, 2)
        with torch.no_grad():
            for k, p in enumerate(self.module.parameters()):
                p.copy_(torch.linspace(0.1, 1 + k, p.numel()).view(p.shape))
        weight, bias = self.module.parameters()
        self.optimizer = torch.optim.AdamW([{"params": [weight], "weight_decay": 0.1},
                                            {"params": [bias], "weight_decay": 0.0}])  # fmt: skip
        self.losses: list[float] = []
        self.rates: list[list[float]] = []

    @property
    def settings(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def write(self, out: Any, history: Any, *, overwrite: bool) -> None:
        raise NotImplementedError("only the loop is looked at")

    def learning_rate(self, step: int) -> float:
        return 0.1 / (step + 2)

    def update(self, step: int, generator: torch.Generator) -> float:
        self.rates.append([group["lr"] for group in self.optimizer.param_groups])
        x = torch.randn(5, 3, generator=generator)
        loss = (self.module(x) - x[:, 1:]).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        return loss.item()


class _EndedError(Exception):
    pass


class Ending(Groups):
    """Ends when update number ``after`` is to be made."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after

    def update(self, step: int, generator: torch.Generator) -> float:
        if step == self._after:
            raise _EndedError
        return super().update(step, generator)


def test_every_group_of_parameters_has_the_rate(tmp_path: Path) -> None:
    task = Groups()
    fit(task, tmp_path / "a.npz", console=QUIET)
    assert task.rates == [[0.1 / (step + 2)] * 2 for step in range(10)]


@pytest.mark.parametrize("step", range(1, 11))
def test_groups_are_resumed_after_every_step(tmp_path: Path, step: int) -> None:
    """The last among them: then nothing is left but to hand the result over."""
    whole = Groups()
    expected = fit(whole, tmp_path / "a.npz", console=QUIET)
    with pytest.raises(_EndedError) if step < 10 else nullcontext():
        fit(Ending(step), tmp_path / "b.npz", console=QUIET)
    again = Groups()
    found = fit(again, tmp_path / "b.npz", console=QUIET, resume=True)
    assert len(again.losses) == 10 - step
    assert np.array_equal(found, expected)
    assert finished(again, found)
    for a, b in zip(again.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_row_of_the_history_is_of_its_steps_alone(tmp_path: Path) -> None:
    """The last row has fewer of them than the others."""
    for steps, last in ((10, [4, 8, 10]), (9, [4, 8, 9]), (8, [4, 8]), (3, [3]), (1, [1])):
        task = Groups(steps)
        found = fit(task, tmp_path / f"{steps}.npz", console=QUIET)
        assert found[:, 0].tolist() == last
        starts = [0, *last[:-1]]
        means = [np.mean(task.losses[a:b]) for a, b in zip(starts, last, strict=True)]
        assert found[:, 1] == pytest.approx(means)
        assert found[:, 2].tolist() == [0.1 / (end + 1) for end in last]


class Clock:
    """Seconds that pass in updates alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now, self.saved = 1000.0, []
        monkeypatch.setattr(ohmbench.training, "time", SimpleNamespace(monotonic=lambda: self.now))
        write = ohmbench.training.write_npz

        def noted(path: Any, arrays: Any, **options: Any) -> None:
            self.saved.append(int(arrays["step"]))
            write(path, arrays, **options)

        monkeypatch.setattr(ohmbench.training, "write_npz", noted)
        update = Groups.update

        def slow(task: Groups, step: int, generator: torch.Generator) -> float:
            self.now += seconds
            return update(task, step, generator)

        monkeypatch.setattr(Groups, "update", slow)


@pytest.mark.parametrize(("minutes", "steps"), [(0.0, 1), (0.1, 1), (0.5, 3), (1.0, 6), (9, 10)])
def test_a_time_limit_counts_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, steps: int
) -> None:
    """Of updates of ten seconds; the one that it falls into is finished."""
    Clock(monkeypatch, 10.0)
    task = Groups()
    found = fit(task, tmp_path / "a.npz", console=QUIET, max_minutes=minutes)
    assert found[-1, 0] == len(task.losses) == steps
    assert finished(task, found) is (steps == 10)


@pytest.mark.parametrize(("seconds", "steps"), [
    (1.0, [5, 10, 10]), (2.0, [3, 6, 9, 10]), (0.4, [10]), (5.0, [*range(1, 11), 10]),
])  # fmt: skip
def test_checkpoints_are_five_seconds_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, steps: list[int]
) -> None:
    """And one at the end; no more, as each holds the disk up."""
    clock = Clock(monkeypatch, seconds)
    fit(Groups(), tmp_path / "a.npz", console=QUIET)
    assert clock.saved == steps


def test_a_checkpoint_is_not_changed_by_later_updates(tmp_path: Path) -> None:
    """What is kept for an interrupt is a copy: an update that fails halfway leaves no trace."""
    out = tmp_path / "a.npz"
    whole = Groups()
    expected = fit(whole, tmp_path / "b.npz", console=QUIET)

    class Failing(Groups):
        def update(self, step: int, generator: torch.Generator) -> float:
            loss = super().update(step, generator)
            if step == 6:
                with torch.no_grad():
                    for p in self.module.parameters():
                        p.mul_(2)
                raise _EndedError
            return loss

    with pytest.raises(_EndedError):
        fit(Failing(), out, console=QUIET)
    again = Groups()
    found = fit(again, out, console=QUIET, resume=True)
    assert len(again.losses) == 4
    assert np.array_equal(found, expected)
