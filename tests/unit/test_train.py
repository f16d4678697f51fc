"""The training loop: same seed, same bits; killed and resumed, same bits; nothing lost."""

import io
import itertools
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import ohmbench.training
from ohmbench.errors import FileError
from ohmbench.files import ArraySpec, only_writer, read_npz, write_npz
from ohmbench.training import (
    HISTORY_COLUMNS,
    Task,
    checkpoint_path,
    discard_checkpoint,
    fit,
    step_generator,
)
from tests.unit.forkserver import Server, say, serve

QUIET = Console(quiet=True)


class Toy(Task):
    """Fits a plane to noise drawn anew each step: every step depends on all before it."""

    name = "toy"

    def __init__(self, seed: int = 0, steps: int = 40, pause_s: float = 0.0) -> None:
        self.seed, self.steps, self.history_every, self.pause_s = seed, steps, 7, pause_s
        torch.manual_seed(seed)
        self.module = torch.nn.Linear(3, 2)
        self.module.register_buffer("average", torch.zeros(2))
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=0.05)

    @property
    def settings(self):
        return {"seed": self.seed, "steps": self.steps}

    def write(self, out, history, *, overwrite):
        raise NotImplementedError("the tests write what they look at")

    def learning_rate(self, step):
        return 0.05 / (step + 1)

    def update(self, step, generator):
        time.sleep(self.pause_s)
        x = torch.randn(8, 3, generator=generator)
        loss = (self.module(x) - x[:, :2]).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.module.average.lerp_(self.module.bias, 0.1)
        return loss.item()


def finish(task: Toy, out, **options) -> dict[str, np.ndarray]:
    """Train, write the result the way a family does, and hand it back."""
    history = fit(task, out, console=QUIET, **options)
    arrays = {name: t.detach().numpy() for name, t in task.module.state_dict().items()}
    arrays["history"] = history
    write_npz(out, arrays, overwrite=True)
    discard_checkpoint(out)
    return arrays


def assert_same_bits(mine, other):
    assert mine.keys() == other.keys()
    for name, array in mine.items():
        assert array.tobytes() == other[name].tobytes(), f"{name} differs"


def test_same_seed_same_bits_other_seed_other_bits(tmp_path):
    one, two = (finish(Toy(0), tmp_path / f"{k}.npz") for k in "ab")
    assert_same_bits(one, two)
    with pytest.raises(AssertionError, match="differs"):
        assert_same_bits(one, finish(Toy(1), tmp_path / "c.npz"))


def test_history_holds_mean_losses(tmp_path):
    losses = []

    class Recording(Toy):
        def update(self, step, generator):
            losses.append(super().update(step, generator))
            return losses[-1]

    history = finish(Recording(), tmp_path / "a.npz")["history"]
    assert history.shape == (6, len(HISTORY_COLUMNS))
    assert history[:, 0].tolist() == [7, 14, 21, 28, 35, 40]
    means = [np.mean(losses[k : k + 7]) for k in range(0, 40, 7)]
    assert history[:, 1] == pytest.approx(means)
    assert history[-1, 2] == 0.05 / 40


class Stopped(Exception):
    pass


def stop_at(step_to_stop: int, *, halfway: bool = False):
    class Stopping(Toy):
        def update(self, step, generator):
            if step == step_to_stop and not halfway:
                raise Stopped
            loss = super().update(step, generator)
            if step == step_to_stop:
                raise Stopped
            return loss

    return Stopping()


@pytest.mark.parametrize("halfway", [False, True], ids=["before", "within"])
@pytest.mark.parametrize("step", [1, 6, 7, 8, 39])
def test_interrupted_anywhere_resumes_to_the_same_bits(tmp_path, step, halfway):
    """Also in the midst of an update, whose half must not get into the checkpoint."""
    whole = finish(Toy(), tmp_path / "whole.npz")
    with pytest.raises(Stopped):
        fit(stop_at(step, halfway=halfway), tmp_path / "out.npz", console=QUIET)
    assert checkpoint_path(tmp_path / "out.npz").exists()
    assert_same_bits(finish(Toy(), tmp_path / "out.npz", resume=True), whole)
    assert not checkpoint_path(tmp_path / "out.npz").exists()


def test_a_state_that_forgets_the_moments_is_noticed(tmp_path, monkeypatch):
    whole = finish(Toy(), tmp_path / "whole.npz")
    with pytest.raises(Stopped):
        fit(stop_at(20), tmp_path / "out.npz", console=QUIET)
    monkeypatch.setattr("ohmbench.training._ADAM_MOMENTS", ())
    task = Toy()
    checkpoint = checkpoint_path(tmp_path / "out.npz")
    with np.load(checkpoint) as stored:
        kept = {k: stored[k] for k in stored.files if not k.startswith("optimizer.")}
    write_npz(checkpoint, kept, overwrite=True)
    task.optimizer = torch.optim.SGD(task.module.parameters(), lr=0.05)
    with pytest.raises(AssertionError, match="differs"):
        assert_same_bits(finish(task, tmp_path / "out.npz", resume=True), whole)


class TestRefusals:
    def test_unfinished_training_needs_resume_or_force(self, tmp_path):
        out = tmp_path / "out.npz"
        with pytest.raises(Stopped):
            fit(stop_at(5), out, console=QUIET)
        with pytest.raises(FileError, match=r"unfinished training.*--resume.*--force"):
            fit(Toy(), out, console=QUIET)
        assert_same_bits(finish(Toy(), out, force=True), finish(Toy(), tmp_path / "b.npz"))

    def test_finished_output_needs_force(self, tmp_path):
        out = tmp_path / "out.npz"
        finish(Toy(), out)
        before = out.read_bytes()
        with pytest.raises(FileError, match="exists"):
            fit(Toy(), out, console=QUIET)
        assert out.read_bytes() == before

    @pytest.mark.parametrize("option", ["neither", "resume", "force"])
    @pytest.mark.parametrize("unfinished", [False, True])
    @pytest.mark.parametrize("finished", [False, True])
    def test_what_an_option_gives_leave_for(self, tmp_path, finished, unfinished, option):
        """``force``: to replace anything. ``resume``: to go on where a checkpoint is, and then to
        replace what lies beside it; without one it gives no leave."""
        out = tmp_path / "out.npz"
        if unfinished:
            with pytest.raises(Stopped):
                fit(stop_at(5), out, console=QUIET)
        if finished:
            out.write_bytes(b"mine")
        leave = option == "force" or (option == "resume" and unfinished)
        options = {} if option == "neither" else {option: True}
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        if leave or not before:
            assert_same_bits(finish(Toy(), out, **options), finish(Toy(), tmp_path / "b.npz"))
            return
        with pytest.raises(FileError, match="unfinished" if unfinished else "exists"):
            fit(Toy(), out, console=QUIET, **options)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_checkpoint_of_other_settings(self, tmp_path):
        with pytest.raises(Stopped):
            fit(stop_at(5), tmp_path / "out.npz", console=QUIET)
        with pytest.raises(FileError, match="settings: was written by a training with other"):
            fit(Toy(seed=1), tmp_path / "out.npz", resume=True, console=QUIET)

    def test_damaged_checkpoint(self, tmp_path):
        checkpoint_path(tmp_path / "out.npz").write_bytes(b"PK\x03\x04 not really")
        with pytest.raises(FileError):
            fit(Toy(), tmp_path / "out.npz", resume=True, console=QUIET)

    def test_missing_folder_is_found_before_training(self, tmp_path):
        with pytest.raises(FileError, match="missing"):
            fit(Toy(), tmp_path / "missing" / "out.npz", console=QUIET)

    def test_resume_without_checkpoint_starts_at_the_beginning(self, tmp_path):
        fresh = finish(Toy(), tmp_path / "a.npz")
        assert_same_bits(finish(Toy(), tmp_path / "b.npz", resume=True), fresh)


def test_generators_are_independent_of_each_other():
    drawn = {
        (seed, step): float(torch.rand((), generator=step_generator(seed, step)))
        for seed in range(20)
        for step in range(20)
    }
    assert len(set(drawn.values())) > 395  # 400 float32 draws: a chance collision is rare
    assert float(torch.rand((), generator=step_generator(3, 4))) == drawn[3, 4]


def test_generators_have_seeds_of_64_bits():
    """Of half as many, trainings of some ten thousand steps would meet the same stream twice."""
    seeds = [step_generator(seed, step).initial_seed() for seed in range(9) for step in range(30)]
    assert len({seed & 0xFFFF_FFFF for seed in seeds}) == len(seeds)
    assert len({seed >> 32 & 0xFFFF_FFFF for seed in seeds}) == len(seeds)


def test_settings_travel_as_json(tmp_path):
    with pytest.raises(Stopped):
        fit(stop_at(5), tmp_path / "out.npz", console=QUIET)
    with np.load(checkpoint_path(tmp_path / "out.npz")) as stored:
        assert json.loads(str(stored["settings"])) == {"seed": 0, "steps": 40}


# ------------------------------------------------------------------------------------------------
# Kills

STEPS = 25


class Telling(Toy):
    """Toy in the killed child: slow enough to be hit, and tells each step as it begins."""

    def __init__(self) -> None:
        super().__init__(steps=STEPS, pause_s=0.001)

    def update(self, step, generator):
        say(step=step)
        return super().update(step, generator)


class Forgetful(Telling):
    """Planted fault: what an update does depends on a state that no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.updates = 0

    def learning_rate(self, step):
        return 0.05 / (self.updates + 1)

    def update(self, step, generator):
        self.updates += 1
        return super().update(step, generator)


def write_in_place(path, arrays, *, overwrite):
    """Planted fault: a checkpoint that can be seen half written."""
    whole = io.BytesIO()  # not through the disk: a slow one would take all the time before a kill
    np.savez(whole, **arrays)
    data = whole.getvalue()
    with open(path, "wb", buffering=0) as file:
        file.write(data[:1000])
        time.sleep(0.002)  # as a busy disk would
        file.write(data[1000:])


def do_train(out: str, fault: str = "") -> None:
    torch.set_num_threads(1)
    if fault == "in-place":
        ohmbench.training.write_npz = write_in_place
    task = Forgetful() if fault == "forgetful" else Telling()
    finish(task, out, resume=True, checkpoint_every_s=0.0)


JOBS = {"train": do_train}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(__name__) as running:
        yield running


def assert_finished(out: Path, whole: dict[str, np.ndarray]) -> None:
    with np.load(out) as stored:
        assert_same_bits({name: stored[name] for name in stored.files}, whole)
    others = sorted(p.name for p in out.parent.iterdir() if p != out)
    assert others == [], f"left beside the result: {others}"


def step_in_checkpoint(out: Path) -> int:
    """Updates in the checkpoint of ``out``, 0 without one; a part of one is a failure."""
    if not checkpoint_path(out).exists():
        return 0
    try:
        stored = read_npz(
            checkpoint_path(out), [ArraySpec("step", (), ("int64",))], allow_extra=True
        )
    except FileError as error:
        raise AssertionError(f"the checkpoint is not complete: {error}") from None
    return int(stored["step"])


def judge_kills(server: Server, folder: Path, kills: int, seed: int, fault: str = "") -> list[int]:
    """Kill trainings at random instants, resume each to its end; return updates saved per kill.

    The instants lie anywhere after the child has begun: before its first update, or up to a few
    milliseconds after an update began, which reaches over checkpoints and the final save.
    """
    rng = random.Random(seed)
    (folder / "whole").mkdir()
    server.send("train", out=str(folder / "whole" / "out.npz"), fault=fault)
    assert server.until_end()[0] == 0
    with np.load(folder / "whole" / "out.npz") as stored:
        whole = {name: stored[name] for name in stored.files}
    saved: list[int] = []
    runs = 0
    while len(saved) < kills:
        out = folder / f"run{runs}" / "out.npz"
        out.parent.mkdir(exist_ok=True)
        pid = server.send("train", out=str(out), fault=fault)
        ended = None
        for _ in range(rng.randrange(8)):
            ended = server.hear().get("ended")
            if ended is not None:
                break
        if ended is None:
            time.sleep(rng.uniform(0.0, 0.008))
            os.kill(pid, signal.SIGKILL)
            ended, _ = server.until_end()
        where = f"kill {len(saved)} [seed={seed}]"
        if ended == -signal.SIGKILL:
            try:
                saved.append(step_in_checkpoint(out))
            except AssertionError as error:
                raise AssertionError(f"{where}: {error}") from None
            continue
        assert ended == 0, f"{where}: the training ended by itself with {ended}"
        assert_finished(out, whole)
        runs += 1
    server.send("train", out=str(folder / f"run{runs}" / "out.npz"), fault=fault)
    assert server.until_end()[0] == 0
    assert_finished(folder / f"run{runs}" / "out.npz", whole)
    return saved


@pytest.mark.parametrize(
    ("kills", "seed"),
    [
        pytest.param(20, 0, id="seed=0-20"),
        pytest.param(1000, 1, id="seed=1-1000", marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_instants_ends_in_the_same_bits(server, tmp_path, kills, seed):
    saved = judge_kills(server, tmp_path, kills, seed)
    midway = [step for step in saved if 0 < step < STEPS]
    assert len(midway) >= kills // 2, f"too few kills fell into a training: {saved}"
    assert len(set(midway)) >= 5, f"the kills fell on too few steps: {saved}"


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        pytest.param("forgetful", "differs", id="hidden-state"),
        pytest.param("in-place", "not complete", id="checkpoint-in-place"),
    ],
)
def test_planted_training_faults_are_caught(server, tmp_path, fault, complaint):
    with pytest.raises(AssertionError, match=complaint):
        judge_kills(server, tmp_path, 200, 2, fault)


def test_killed_between_result_and_end_resumes(tmp_path):
    """The last instant: the result is written and the checkpoint not yet removed."""
    out = tmp_path / "out.npz"
    whole = finish(Toy(), out)
    os.unlink(out)
    history = fit(Toy(), out, console=QUIET)
    write_npz(out, {**whole, "history": history})
    assert checkpoint_path(out).exists()
    assert_same_bits(finish(Toy(), out, resume=True), whole)
    assert_finished(out, whole)


if __name__ == "__main__":
    Toy()  # an optimiser imports a second's worth of torch, which every child would pay again
    serve(JOBS)


def test_a_second_training_of_the_same_output_is_refused(tmp_path):
    out = tmp_path / "out.npz"
    with only_writer(out):
        with pytest.raises(FileError, match="another process is writing it"):
            fit(Toy(), out, console=QUIET)
        fit(Toy(), tmp_path / "other.npz", console=QUIET)
    fit(Toy(), out, console=QUIET)


def test_a_file_is_one_by_whatever_name(tmp_path, monkeypatch):
    """By a relative path, through a link to its folder, and through one to itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "itself").symlink_to("folder/out.npz")
    names = ["folder/out.npz", tmp_path / "folder" / "out.npz", "link/../folder/./out.npz",
             "link/out.npz", "itself"]  # fmt: skip
    for one, other in itertools.product(names, repeat=2):
        with (
            only_writer(one),
            pytest.raises(FileError, match="another process"),
            only_writer(other),
        ):
            pass


def test_another_users_lock_is_another_file(tmp_path, monkeypatch):
    """Theirs could not be opened."""
    with only_writer(tmp_path / "out.npz"):
        monkeypatch.setattr(os, "getuid", lambda: 123_456)
        with only_writer(tmp_path / "out.npz"):
            pass


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "missing"))
    with pytest.raises(FileError, match=r"cannot be locked: No such file.*; set TMPDIR"):
        fit(Toy(), tmp_path / "out.npz", console=QUIET)


@pytest.mark.parametrize(("asked", "seen"), [(1, 1), (None, 2), (5, 2)])
def test_threads_are_bounded_during_the_training_only(tmp_path: Path, asked, seen):
    counts = []

    class Watching(Toy):
        threads = asked

        def update(self, step, generator):
            counts.append(torch.get_num_threads())
            return super().update(step, generator)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit(Watching(steps=3), tmp_path / "out.npz", console=QUIET)
        assert counts == [seen] * 3
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("end", [Stopped, KeyboardInterrupt, FileError])
def test_threads_are_as_before_however_a_training_ends(tmp_path: Path, end):
    """By an update that fails, by Ctrl-C, and refused before the first update."""

    class Ending(Toy):
        threads = 1

        def update(self, step, generator):
            raise end

    if end is FileError:
        (tmp_path / "out.npz").write_bytes(b"mine")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(end):
            fit(Ending(), tmp_path / "out.npz", console=QUIET)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Large(Toy):
    """A training whose checkpoint has some 60 kB; ``stop_at`` ends it there."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.stop_at = stop_at
        self.module = torch.nn.Linear(3, 2000)
        self.module.register_buffer("average", torch.zeros(2000))
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=0.05)

    def update(self, step, generator):
        if step == self.stop_at:
            raise Stopped
        loss = self.module(torch.randn(8, 3, generator=generator)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def test_a_checkpoint_of_any_size_is_resumed(tmp_path, monkeypatch):
    """What the reader accepts grows with the training's own arrays."""
    monkeypatch.setattr("ohmbench.files.npz_reading.MAX_BYTES", 4000)
    whole = finish(Large(), tmp_path / "whole.npz")
    with pytest.raises(Stopped):
        fit(Large(stop_at=20), tmp_path / "out.npz", console=QUIET)
    assert checkpoint_path(tmp_path / "out.npz").stat().st_size > 20 * 4000
    assert_same_bits(finish(Large(), tmp_path / "out.npz", resume=True), whole)
