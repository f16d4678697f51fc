"""One training loop for all families: progress, history, checkpoints, and resuming to the same
bits.

A family supplies a ``Task``: a module, its optimiser and one update. All randomness of an update
comes from a generator that is a function of (seed, step). The state of a run is therefore its
tensors and a step number, and a run that is killed and resumed ends in the same bits as an
uninterrupted one.
"""

from __future__ import annotations

import json
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import TextColumn
from typing_extensions import override

from ohmbench.errors import FileError
from ohmbench.files import ArraySpec, check_writable, only_writer, read_npz, write_npz
from ohmbench.progress import progress_bar
from ohmbench.tensors import FLOAT32

HISTORY_COLUMNS = ("step", "loss", "learning_rate")
"""Columns of the history array; one row every ``Task.history_every`` steps (loss: their mean)."""

_CHECKPOINT_EVERY_S = 5.0
_SETTINGS = ArraySpec("settings", (), ("U",))
_ADAM_MOMENTS = ("exp_avg", "exp_avg_sq")


Made = TypeVar("Made")


class Task(ABC, Generic[Made]):
    """What a family passes to ``train_to_file``: one training, and how to write its result.

    ``module`` holds everything that is trained or averaged (parameters and buffers). ``optimizer``
    is torch's AdamW over its parameters. ``settings`` lists what must agree between a checkpoint
    and the run that resumes it. ``threads`` bounds torch's threads during the training (None: no
    bound): sharing out small matrices costs more than it gains, and with one thread no sum depends
    on the number of cores.
    """

    name: str
    seed: int
    steps: int
    history_every: int
    module: torch.nn.Module
    optimizer: torch.optim.AdamW
    threads: int | None = None

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything but the code that determines the result, as JSON values."""

    @abstractmethod
    def learning_rate(self, step: int) -> float:
        """The learning rate of update number ``step``; the loop sets it before the update."""

    @abstractmethod
    def update(self, step: int, generator: torch.Generator) -> float:
        """Make update number ``step`` (from 0) and return its loss. All randomness comes from
        ``generator``.
        """

    @abstractmethod
    def write(
        self, out: str | os.PathLike[str], history: NDArray[np.float64], *, overwrite: bool
    ) -> Made:
        """Write the trained network with its ``history`` to ``out`` and return it.

        Raises FileError if it cannot be written.
        """

    def recipe_text(self, recipe: dict[str, Any], history: NDArray[np.float64]) -> str:
        """``recipe`` as JSON; adds ``ended_at`` if the training ended early."""
        if not finished(self, history):
            recipe = {**recipe, "ended_at": int(history[-1, 0])}
        return json.dumps(recipe, sort_keys=True)


class RecipeTask(Task[Made]):
    """The training of a classifier, by a ``recipe`` or on the user's ``own`` data.

    A recipe is a dataclass with everything that determines the training but the seed. For own data
    the configuration determines it too.
    """

    recipe: Any
    own: Any | None

    def __init__(self, recipe: Any, seed: int, own: Any | None) -> None:
        self.recipe, self.own, self.seed = recipe, own, seed
        self.name = recipe.network
        self.steps = recipe.steps
        self.history_every = recipe.history_every

    @property
    @override
    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {"seed": self.seed, "recipe": asdict(self.recipe)}
        if self.own is not None:
            found["config"] = self.own.config.model_dump(mode="json")
        return found

    @override
    def learning_rate(self, step: int) -> float:
        """Linear warm-up times a cosine decay to zero."""
        r = self.recipe
        warm = min(1.0, (step + 1) / r.warm_up)
        rate: float = r.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / r.steps))
        return rate


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of one update: an independent stream for every (seed, step)."""
    words = np.random.SeedSequence((seed, step)).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))


@contextmanager
def _at_most(threads: int | None) -> Iterator[None]:
    """Set torch's number of threads inside the block and restore it afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, threads or before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def checkpoint_path(out: str | os.PathLike[str]) -> Path:
    """Path of the checkpoint of an unfinished training of ``out``."""
    return Path(f"{os.fspath(out)}.checkpoint.npz")


class _State:
    """The state of a task's run, converted to named arrays for a checkpoint and back."""

    def __init__(self, task: Task[Any]) -> None:
        self.task = task
        self.step = 0
        # Sums of the losses, which ``means`` divides. Full size from the start, so that a
        # checkpoint's schema knows every shape.
        self.history = np.zeros((-(-task.steps // task.history_every), len(HISTORY_COLUMNS)))

    def update(self) -> None:
        """Make the next update and add it to the history."""
        rate = self.task.learning_rate(self.step)
        for group in self.task.optimizer.param_groups:
            group["lr"] = rate
        loss = self.task.update(self.step, step_generator(self.task.seed, self.step))
        row = self.history[self.step // self.task.history_every]
        self.step += 1
        row[:] = self.step, row[1] + loss, rate

    def means(self) -> NDArray[np.float64]:
        """The history with mean losses, for the rows reached so far."""
        reached = self.history[: -(-self.step // self.task.history_every)].copy()
        reached[:, 1] /= np.diff(reached[:, 0], prepend=0.0)
        return reached

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {f"module.{k}": v for k, v in self.task.module.state_dict().items()}

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [p for group in self.task.optimizer.param_groups for p in group["params"]]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """A copy of everything that the next update depends on."""
        arrays: dict[str, NDArray[np.generic]] = {
            "settings": np.array(json.dumps(self.task.settings, sort_keys=True)),
            "step": np.array(self.step, dtype=np.int64),
            "history": self.history.copy(),
        }
        for name, tensor in self._tensors().items():
            arrays[name] = tensor.detach().numpy().copy()
        for i, parameter in enumerate(self._parameters()):
            for moment in _ADAM_MOMENTS:
                arrays[f"optimizer.{i}.{moment}"] = (
                    self.task.optimizer.state[parameter][moment].detach().numpy().copy()
                )
        return arrays

    def _schema(self) -> list[ArraySpec]:
        schema = [
            _SETTINGS,
            ArraySpec("step", (), ("int64",), low=1, high=self.task.steps),
            ArraySpec("history", self.history.shape, ("float64",)),
        ]
        for name, tensor in self._tensors().items():
            dtype = str(tensor.dtype).removeprefix("torch.")
            schema.append(ArraySpec(name, tuple(tensor.shape), (dtype,)))
        for i, parameter in enumerate(self._parameters()):
            dtype = str(parameter.dtype).removeprefix("torch.")
            for moment in _ADAM_MOMENTS:
                name = f"optimizer.{i}.{moment}"
                schema.append(ArraySpec(name, tuple(parameter.shape), (dtype,)))
        return schema

    @staticmethod
    def _read(
        path: Path, schema: list[ArraySpec], *, allow_extra: bool = False
    ) -> dict[str, NDArray[Any]]:
        try:
            return read_npz(path, schema, allow_extra=allow_extra)
        except FileError as error:
            raise FileError(
                path,
                f"is damaged, or of another training ({error.reason})",
                field=error.field,
                remedy="start over with --force",
            ) from None

    def load(self, path: Path) -> None:
        # Compare settings first: other settings may well mean other shapes, which are not damage.
        found = self._read(path, [_SETTINGS], allow_extra=True)["settings"]
        if str(found) != json.dumps(self.task.settings, sort_keys=True):
            raise FileError(
                path,
                "was written by a training with other settings",
                field="settings",
                remedy="resume with the same options, or start over with --force",
            )
        arrays = self._read(path, self._schema())
        self.step = int(arrays["step"])
        self.history = arrays["history"]
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                tensor.copy_(torch.from_numpy(arrays[name]))
            for i, parameter in enumerate(self._parameters()):
                self.task.optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.step), **FLOAT32),
                    **{
                        moment: torch.from_numpy(arrays[f"optimizer.{i}.{moment}"])
                        for moment in _ADAM_MOMENTS
                    },
                }


def prepare(out: str | os.PathLike[str], *, resume: bool, force: bool) -> None:
    """Find out before minutes of work whether ``out`` can be written and what is in the way.

    Raises FileError for an unwritable or existing ``out``, and for a checkpoint if neither
    ``resume`` nor ``force`` is set. An ``out`` beside a resumed checkpoint is allowed: a training
    that has started may write it, and may have been killed just afterwards.
    """
    checkpoint = checkpoint_path(out)
    unfinished = os.path.lexists(checkpoint)
    # Check before ``out``: a training that ended early leaves both.
    if unfinished and not (resume or force):
        raise FileError(
            checkpoint,
            "an unfinished training is there",
            remedy="--resume continues it, --force starts over",
        )
    if resume and not (unfinished or force) and os.path.lexists(out):
        raise FileError(
            out,
            "exists, and its training has nothing left to resume",
            remedy="choose another name, or train it again with --force",
        )
    check_writable(out, overwrite=force or (resume and unfinished))
    check_writable(checkpoint, overwrite=True)


def fit(
    task: Task[Any],
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    force: bool = False,
    console: Console | None = None,
    checkpoint_every_s: float = _CHECKPOINT_EVERY_S,
    max_minutes: float | None = None,
) -> NDArray[np.float64]:
    """Train ``task`` to its last step; return the history, float64 (rows, HISTORY_COLUMNS).

    The state goes to ``checkpoint_path(out)`` every ``checkpoint_every_s`` seconds, at an interrupt
    and at the end; the caller writes ``out`` and then calls ``discard_checkpoint``. After
    ``max_minutes`` (but at least one step) it ends early, which the last row of the history shows:
    the caller then writes the unfinished network to ``out`` and keeps the checkpoint
    (``finished``). With ``resume`` an existing checkpoint is continued. Raises FileError (see
    ``prepare``; also for a damaged or foreign checkpoint, and if another training of the same
    ``out`` is running) and KeyboardInterrupt after saving.
    """
    with only_writer(out), _at_most(task.threads):
        limit_s = math.inf if max_minutes is None else 60 * max_minutes
        return _fit(task, out, resume, force, console, checkpoint_every_s, limit_s)


def _fit(
    task: Task[Any],
    out: str | os.PathLike[str],
    resume: bool,
    force: bool,
    console: Console | None,
    checkpoint_every_s: float,
    limit_s: float,
) -> NDArray[np.float64]:
    prepare(out, resume=resume, force=force)
    checkpoint = checkpoint_path(out)
    state = _State(task)
    # Save the last complete step: an interrupt during an update leaves half of it in the task.
    complete: dict[str, NDArray[np.generic]] | None = None
    if resume and os.path.lexists(checkpoint):
        state.load(checkpoint)
        complete = state.arrays()
    progress = progress_bar(
        TextColumn("loss {task.fields[loss]}"), console=console, transient=False
    )
    began_at = saved_at = time.monotonic()
    with progress:
        bar = progress.add_task(task.name, total=task.steps, completed=state.step, loss="-")
        try:
            while state.step < task.steps:
                state.update()
                complete = state.arrays()
                progress.update(bar, completed=state.step, loss=f"{state.means()[-1, 1]:.4f}")
                if time.monotonic() - saved_at >= checkpoint_every_s:
                    write_npz(checkpoint, complete, overwrite=True)
                    saved_at = time.monotonic()
                if time.monotonic() - began_at >= limit_s:
                    break
        finally:
            # Save after the last step too: a kill between here and the caller's save then loses
            # nothing.
            if complete is not None:
                write_npz(checkpoint, complete, overwrite=True)
    return state.means()


def finished(task: Task[Any], history: NDArray[np.float64]) -> bool:
    """Return whether the training with this ``history``, as ``fit`` returned it, made all its
    steps.
    """
    return bool(len(history)) and int(history[-1, 0]) == task.steps


def discard_checkpoint(out: str | os.PathLike[str]) -> None:
    """Remove the checkpoint of ``out`` once ``out`` itself is safely written."""
    checkpoint_path(out).unlink(missing_ok=True)


def train_to_file(
    task: Task[Made],
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    force: bool = False,
    console: Console | None = None,
    max_minutes: float | None = None,
) -> Made:
    """Train ``task`` and write the result to ``out``; return what ``task.write`` returns.

    If ``max_minutes`` ends it early, the unfinished network is written, its recipe says so
    (``ended_at``), and its checkpoint stays for ``resume``. Raises the same errors as ``fit`` and
    ``task.write``.
    """
    history = fit(task, out, resume=resume, force=force, console=console, max_minutes=max_minutes)
    made = task.write(out, history, overwrite=force or resume)
    if finished(task, history):
        discard_checkpoint(out)
    return made
