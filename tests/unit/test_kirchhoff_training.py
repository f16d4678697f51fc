"""Training KirchhoffNets and baselines: losses fall, and no kill or time limit changes a bit."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from ohmbench import training as loop
from ohmbench.data.energies import ENERGIES
from ohmbench.errors import FileError, OperandError
from ohmbench.files import write_npz
from ohmbench.kirchhoff import samples, training
from ohmbench.kirchhoff.configuration import Config
from ohmbench.kirchhoff.flows import log_normal, pull_back, push_forward
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.samples import Labelled
from ohmbench.kirchhoff.store import StoredKirchhoff, load_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask
from ohmbench.training import checkpoint_path, fit, step_generator, train_to_file
from tests.unit.circuits import (
    baseline_config,
    classifier_config,
    config,
    mixed,
    regression_config,
)
from tests.unit.forkserver import Server, say, serve
from tests.unit.kernel_checks import check_fused_slice

QUIET = Console(quiet=True)
SAMPLES = 96
"""Of each data set; 3 updates of 32 an epoch."""


def images(bench: str, seed: int) -> Labelled:
    """In place of a user's data: bright squares, the class is the row they stand in."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, SAMPLES)
    x = 0.1 * rng.random((SAMPLES, 28, 28))
    for k, label in enumerate(y):
        x[k, 2 * label + 4 : 2 * label + 8, 8:20] = 1.0
    pictures, labels = torch.from_numpy(x.reshape(SAMPLES, -1)).float(), torch.from_numpy(y)
    return Labelled(pictures, labels, pictures, labels)


def points(bench: str, seed: int) -> torch.Tensor:
    """In place of the digits: grey levels k / 255."""
    levels = torch.randint(0, 256, (SAMPLES, 784), generator=torch.Generator().manual_seed(seed))
    return (levels / 255).float()


_TRAINING_POINTS = samples.training_points


def with_made_data() -> None:
    """Images come from here, not from files that a user has."""
    labelled = samples.labelled
    samples.labelled = lambda b, seed: (images if b == "mnist" else labelled)(b, seed)
    samples.training_points = lambda b, seed: (
        points if b == "genmnist" else _TRAINING_POINTS
    )(b, seed)  # fmt: skip


@pytest.fixture(autouse=True)
def _made_data(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("labelled", "training_points"):
        monkeypatch.setattr(samples, name, getattr(samples, name))
    with_made_data()


_SHORT = {"batch_size": 32, "train__num_epoch": 5, "train__lr": 0.02}
CONFIGS: dict[str, Config] = {
    "generation": config("twomoon", **_SHORT),
    "generation-fresh": config("gauss", **_SHORT, train__resample=True),
    "generation-adaptive": config(
        "8gaussians", **_SHORT, simulation__method="dopri5", network__adjoint=True
    ),
    "matching": config("potential1", **_SHORT),
    "regression": regression_config(**_SHORT, network__projector="mlp_7_1"),
    "classification": classifier_config(**{**_SHORT, "train__lr": 0.003}),
    "feed-forward": baseline_config("toyregress", **_SHORT),
    "hyper-network": baseline_config("twomoon", **_SHORT),
}
each_config = pytest.mark.parametrize("name", CONFIGS)
STEPS = 15


def trained(name: str, out: Path, **options: Any) -> StoredKirchhoff:
    options = {"samples": SAMPLES, "console": QUIET, **options}
    task = KirchhoffTask(CONFIGS[name], options.pop("seed", 0), options.pop("samples"))
    return train_to_file(task, out, **options)


def contents(out: Path) -> dict[str, np.ndarray]:
    with np.load(out) as stored:
        return {name: stored[name] for name in stored.files}


def assert_same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in found.items():
        assert array.dtype == expected[name].dtype
        same = array.tobytes() == expected[name].tobytes()
        assert same, f"{name} differs"  # not of the bytes: pytest would search their difference


# ------------------------------------------------------------------------------------------------
# Losses fall


EPOCHS = {"classification": 6, "generation-adaptive": 8}


@each_config
def test_loss_falls(tmp_path: Path, name: str) -> None:
    configuration = CONFIGS[name]
    epochs = EPOCHS.get(name, 25)
    longer = configuration.train.model_copy(update={"num_epoch": epochs})
    task = KirchhoffTask(configuration.model_copy(update={"train": longer}), 0, SAMPLES)
    history = fit(task, tmp_path / "out.npz", console=QUIET)
    losses = history[:, 1]
    assert len(losses) == 3 * epochs
    first, last = losses[:3].mean(), losses[-9:].mean()
    assert last < first, f"loss went from {first} to {last}"
    # Well beyond the scatter of single updates at the end.
    assert first - last > 2 * losses[-9:].std() / 3, f"loss {first} to {last} is no fall"


def test_training_that_climbs_is_noticed(tmp_path: Path, monkeypatch) -> None:
    update = KirchhoffTask.update

    def climbing(self, step, generator):
        loss = update(self, step, generator)
        with torch.no_grad():
            for p in self.model.parameters():
                p += 2 * self.learning_rate(step) * p.grad.sign()
        return loss

    monkeypatch.setattr(KirchhoffTask, "update", climbing)
    with pytest.raises(AssertionError, match="loss went from"):
        test_loss_falls(tmp_path, "regression")


# ------------------------------------------------------------------------------------------------
# What one update does


def expected_loss(name: str, model: Any, task: KirchhoffTask) -> float:
    """Of update 0, written out."""
    bench, generator = CONFIGS[name].test_bench, step_generator(0, 0)
    order = torch.randperm(SAMPLES, generator=step_generator(0, (1 << 41)))[:32]
    if name == "matching":
        z = torch.randn(32, 2, generator=generator)
        found = push_forward(model, z)
        return float((found.log_density + ENERGIES[bench](found.x)).mean())
    if name.startswith("generation") or name == "hyper-network":
        if name == "generation-fresh":
            x = samples.resampled(bench, 32, generator)
        else:
            x = _TRAINING_POINTS(bench, 0)[order]
        found = pull_back(model, x)
        return -float((log_normal(found.z) + found.log_density - log_normal(found.z)).mean())
    data = samples.labelled(bench, 0)
    x, y = data.train_x[order], data.train_y[order]
    if name == "classification":
        distort = training._augmentation(28)
        logits = model(distort(x, generator))
        return float(-torch.log_softmax(logits, 1)[torch.arange(32), y].mean())
    return float((model(x)[:, 0] - y).square().mean())


@each_config
def test_first_loss_is_the_one_documented(name: str) -> None:
    task = KirchhoffTask(CONFIGS[name], 0, SAMPLES)
    with torch.no_grad():
        model = build(CONFIGS[name], step_generator(0, 1 << 40))
        expected = expected_loss(name, model, task)
    found = task.update(0, step_generator(0, 0))
    assert found == pytest.approx(expected, rel=1e-5)
    assert any(not torch.equal(a, b) for a, b in zip(
        task.model.parameters(), model.parameters(), strict=True))  # fmt: skip


@each_config
def test_nothing_but_the_loss_moves_a_parameter(name: str) -> None:
    """No decay: it would pull conductances and thresholds towards 0."""
    task = KirchhoffTask(CONFIGS[name], 0, SAMPLES)
    before = [p.detach().clone() for p in task.model.parameters()]
    task._loss = lambda step, generator: 0 * sum(p.sum() for p in task.model.parameters())
    task.update(0, step_generator(0, 0))
    for old, new in zip(before, task.model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_digits_are_dequantised_anew_in_each_update() -> None:
    tiny = config(
        "genmnist", batch_size=32, network__net_struct=[mixed(28, 2, 0)],
        simulation__t_end=[0.0, 1.0], simulation__step_size=0.5,
    )  # fmt: skip
    task = KirchhoffTask(tiny, 0)
    assert task.steps == 3
    with torch.no_grad():
        one, same, other = (
            float(task._loss(0, step_generator(0, step)).detach()) for step in (0, 0, 1)
        )
        assert one == same != other
        x = points("genmnist", 0)[torch.randperm(96, generator=step_generator(0, 1 << 41))[:32]]
        u = torch.rand(x.shape, generator=step_generator(0, 0))
        expected = -pull_back(task.model, ((x * 255).round() + u) / 256).log_density.mean()
    assert one == pytest.approx(float(expected), rel=1e-6)


def test_every_sample_is_taken_once_an_epoch() -> None:
    task = KirchhoffTask(config("twomoon", batch_size=40), 0, 100)
    epochs = [torch.cat([task._batch(3 * e + k) for k in range(3)]) for e in range(3)]
    for order in epochs:
        assert sorted(order.tolist()) == list(range(100))
    assert not torch.equal(epochs[0], epochs[1])
    assert torch.equal(task._batch(4), epochs[1][40:80])
    assert len(task._batch(2)) == 20
    assert task.steps == 3


@pytest.mark.parametrize(
    ("bench", "samples", "steps"),
    [("twomoon", None, 64), ("gauss", None, 64), ("potential1", None, 64),
     ("potential1", 1000, 16), ("twomoon", 10**6, 64)],
)  # fmt: skip
def test_an_epoch_is_4096_points_or_as_many_as_asked_for(bench, samples, steps) -> None:
    task = KirchhoffTask(config(bench, train__num_epoch=3), 0, samples)
    assert task.steps == 3 * steps


def test_small_circuits_are_trained_by_one_thread() -> None:
    assert KirchhoffTask(config(), 0).threads == 1
    large = classifier_config(network__net_struct=[mixed(28, 4, 50)],
                              network__model={"name": "ShiftRelu1", "args": {}})  # fmt: skip
    assert KirchhoffTask(large, 0).threads is None


# ------------------------------------------------------------------------------------------------
# Learning rates


def rates(scheduler: str | None, epochs: int) -> list[float]:
    task = KirchhoffTask(
        config(batch_size=2048, train__scheduler=scheduler, train__num_epoch=epochs), 0
    )
    found = [task.learning_rate(step) for step in range(task.steps)]
    assert found[::2] == found[1::2], "two updates an epoch, with one rate"
    return found[::2]


def by_torch(make: Any, epochs: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = make(optimizer)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_constant_rate() -> None:
    assert rates(None, 7) == [0.01] * 7


def test_step_schedule_in_closed_form_and_as_torchs() -> None:
    found = rates("steplr_3_0.5", 10)
    assert found == pytest.approx([0.01 * 0.5 ** (epoch // 3) for epoch in range(10)])
    assert found == pytest.approx(
        by_torch(lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5), 10)
    )


def test_cosine_schedule_in_closed_form_and_as_torchs() -> None:
    """Down in T epochs and up again in as many: the paper's files set T far below the epochs."""
    found = rates("cosinelr_5_0.001", 21)
    closed = [0.001 + 0.009 * math.cos(math.pi * epoch / 10) ** 2 for epoch in range(21)]
    assert found == pytest.approx(closed)
    assert (found[0], found[10]) == pytest.approx((0.01, 0.01))
    assert found[5] == pytest.approx(0.001)
    assert found == pytest.approx(
        by_torch(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 5, 0.001), 21), rel=1e-6
    )


def test_the_history_holds_the_rates(tmp_path: Path) -> None:
    scheduled = config(batch_size=32, train__scheduler="steplr_2_0.1", train__num_epoch=4)
    found = train_to_file(KirchhoffTask(scheduled, 0, SAMPLES), tmp_path / "a.npz", console=QUIET)
    assert found.history is not None
    assert found.history[:, 0].tolist() == list(range(1, 13))
    assert found.history[:, 2] == pytest.approx([0.01] * 6 + [0.001] * 6)


# ------------------------------------------------------------------------------------------------
# What is written


@each_config
def test_same_seed_same_file_other_seed_other_file(tmp_path: Path, name: str) -> None:
    found = trained(name, tmp_path / "a.npz")
    assert not checkpoint_path(tmp_path / "a.npz").exists()
    trained(name, tmp_path / "b.npz")
    assert_same_bits(contents(tmp_path / "b.npz"), contents(tmp_path / "a.npz"))
    trained(name, tmp_path / "c.npz", seed=1)
    with pytest.raises(AssertionError, match="differs"):
        assert_same_bits(contents(tmp_path / "c.npz"), contents(tmp_path / "a.npz"))
    stored = load_kirchhoff(tmp_path / "a.npz")
    assert stored.config == CONFIGS[name]
    for key, p in stored.model.state_dict().items():
        assert torch.equal(p, found.model.state_dict()[key])
    assert stored.recipe is not None
    recipe = json.loads(stored.recipe)
    assert (stored.seed, recipe["seed"], recipe["samples"]) == (0, 0, SAMPLES)
    assert stored.history is not None
    assert stored.history[-1, 0] == STEPS


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path, monkeypatch) -> None:
    """And the checkpoint holds the last update before it: a lower rate can go on from there."""
    sound = KirchhoffTask._squared_error

    def poisoned(self, step, generator):
        return sound(self, step, generator) * (math.nan if step == 3 else 1.0)

    monkeypatch.setattr(KirchhoffTask, "_squared_error", poisoned)
    out = tmp_path / "out.npz"
    with pytest.raises(OperandError, match=r"the loss of update 3 is nan; lower train\.lr"):
        trained("regression", out)
    assert not out.exists()
    left = contents(checkpoint_path(out))
    assert int(left["step"]) == 3
    assert all(np.isfinite(a).all() for a in left.values() if a.dtype.kind == "f")


def test_an_existing_file_needs_force(tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    trained("regression", out)
    before = out.read_bytes()
    with pytest.raises(FileError, match="exists"):
        trained("regression", out, seed=1)
    assert out.read_bytes() == before
    trained("regression", out, seed=1, force=True)
    assert out.read_bytes() != before


# ------------------------------------------------------------------------------------------------
# Time limits and interrupts


@pytest.mark.parametrize("name", ["generation", "classification", "feed-forward"])
def test_a_time_limit_ends_early_and_resumes_to_the_same_bits(tmp_path: Path, name: str) -> None:
    trained(name, tmp_path / "whole.npz")
    out = tmp_path / "out.npz"
    for reached in (1, 2, 3, 4):
        part = trained(name, out, max_minutes=0.0, resume=True)
        assert part.history is not None
        assert part.history[-1, 0] == reached
        assert checkpoint_path(out).exists()
        if reached in (1, 3):
            assert load_kirchhoff(out).history[-1, 0] == reached  # type: ignore[index]
            with pytest.raises(FileError, match=r"unfinished training.*--resume continues it"):
                trained(name, out)
    trained(name, out, resume=True)
    assert not checkpoint_path(out).exists()
    assert_same_bits(contents(out), contents(tmp_path / "whole.npz"))


def test_a_time_limit_is_kept(tmp_path: Path, monkeypatch) -> None:
    update = KirchhoffTask.update

    def slow(self, step, generator):
        time.sleep(0.05)
        return update(self, step, generator)

    monkeypatch.setattr(KirchhoffTask, "update", slow)
    found = trained("regression", tmp_path / "out.npz", max_minutes=0.2 / 60)
    assert found.history is not None
    assert 1 <= found.history[-1, 0] <= 5


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    trained("regression", out, max_minutes=0.0)
    for name, options, complaint in (
        ("regression", {"seed": 1}, "other settings"),
        ("regression", {"samples": 50}, "other settings"),
        ("feed-forward", {}, "other settings"),
    ):
        with pytest.raises(FileError, match=complaint):
            trained(name, out, resume=True, **options)


# ------------------------------------------------------------------------------------------------
# Kills


class Telling(KirchhoffTask):
    """In the killed child: slow enough to be hit, and tells each update as it begins."""

    def update(self, step: int, generator: torch.Generator) -> float:
        say(step=step)
        time.sleep(0.001)
        return super().update(step, generator)


class Forgetful(Telling):
    """Planted fault: the order of an epoch's samples depends on where the process began."""

    def _batch(self, step: int) -> torch.Tensor:
        if self._epoch < 0:
            self._epoch = step // self._steps_per_epoch
            generator = step_generator(self.seed, step + 1)
            self._order = torch.randperm(self._count, generator=generator)
        return super()._batch(step)


def do_train(name: str, out: str, fault: bool = False) -> None:
    torch.set_num_threads(1)
    with_made_data()
    loop.fit = partial(fit, checkpoint_every_s=0.0)
    task = (Forgetful if fault else Telling)(CONFIGS[name], 0, SAMPLES)
    train_to_file(task, out, resume=True, console=QUIET)


JOBS = {"train": do_train}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    check_fused_slice()  # compiles, and keeps on disk, what the server would take a minute for
    with Server(__name__) as running:
        yield running


def judge_kills(server: Server, folder: Path, name: str, kills: int, seed: int, fault: bool) -> int:
    """Kill a training ``kills`` times at random instants; return how many left a checkpoint."""
    rng = random.Random(seed)
    job = {"name": name, "fault": fault}
    server.send("train", out=str(folder / "whole.npz"), **job)
    assert server.until_end()[0] == 0
    whole, out, midway = contents(folder / "whole.npz"), folder / "out.npz", 0
    for kill in range(kills):
        pid = server.send("train", out=str(out), **job)
        for _ in range(rng.randrange(1, 6)):
            assert "ended" not in server.hear(), f"too few updates for {kills} kills"
        time.sleep(rng.uniform(0.0, 0.006))
        os.kill(pid, signal.SIGKILL)
        ended, _ = server.until_end()
        if ended == 0:
            break
        assert ended == -signal.SIGKILL, f"kill {kill} [seed={seed}]: ended with {ended}"
        midway += checkpoint_path(out).exists()
    server.send("train", out=str(out), **job)
    assert server.until_end()[0] == 0
    assert_same_bits(contents(out), whole)
    left = sorted(p.name for p in folder.iterdir())
    assert left == ["out.npz", "whole.npz"], f"left beside the results: {left}"
    return midway


@each_config
def test_killed_at_random_instants_ends_in_the_same_bits(
    server: Server, tmp_path: Path, name: str
) -> None:
    assert judge_kills(server, tmp_path, name, 3, 0, False) >= 1


def test_a_training_that_forgets_is_noticed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="differs"):
        judge_kills(server, tmp_path, "generation", 3, 1, True)


def test_the_checkpoint_holds_every_parameter(tmp_path: Path) -> None:
    """A state that forgets a slice does not go unnoticed."""
    out = tmp_path / "out.npz"
    trained("generation", out, max_minutes=0.0)
    with np.load(checkpoint_path(out)) as stored:
        kept = {k: stored[k] for k in stored.files if k != "module.slices.1.param"}
    write_npz(checkpoint_path(out), kept, overwrite=True)
    with pytest.raises(FileError, match=r"slices\.1\.param"):
        trained("generation", out, resume=True)


if __name__ == "__main__":
    with_made_data()
    for _name in CONFIGS:  # compiled and imported once, for all children
        KirchhoffTask(CONFIGS[_name], 0, SAMPLES).update(0, step_generator(0, 0))
    serve(JOBS)
