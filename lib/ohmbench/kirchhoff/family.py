"""KirchhoffNets as a family (``ohmbench.family``)."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from typing_extensions import override

from ohmbench.constants import CONFIG_NAMES
from ohmbench.errors import FileError
from ohmbench.family import (
    DrawOptions,
    Family,
    Judgement,
    JudgeOptions,
    Origin,
    Training,
    check_finished,
    present,
    recipe_of,
)
from ohmbench.kirchhoff import drawing, judging
from ohmbench.kirchhoff.configuration import Config, config_of
from ohmbench.kirchhoff.recipes import name_of, own_config
from ohmbench.kirchhoff.samples import OwnSource
from ohmbench.kirchhoff.store import StoredKirchhoff, load_kirchhoff, save_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask, with_data
from ohmbench.report.figures import Figures

IMAGES_AFTER_TRAINING = 1000
"""For a classification: all images of MNIST take minutes."""


class KirchhoffFamily(Family[StoredKirchhoff]):
    """Networks in the paper's own configurations, which have no key ``family``."""

    one = "a KirchhoffNet"
    many = "KirchhoffNets"
    key = None
    trainings = CONFIG_NAMES
    abilities = frozenset({"sample"})
    judge_options = ("--samples", "--seed", "--tol", "--images")
    takes_samples = True

    @override
    def recognises(self, fields: Collection[str]) -> bool:
        # Networks on the user's own data have a configuration in the other families too.
        return not any(f.startswith("mlp_") for f in fields) and any(
            f.startswith(("config", "circuit.")) for f in fields
        )

    @override
    def load(self, path: str | os.PathLike[str]) -> StoredKirchhoff:
        return load_kirchhoff(path)

    @override
    def training(self, name: str, seed: int, samples: int | None) -> Training:
        config = own_config(name)
        return self._training(config, config.test_bench, [], seed, samples)

    @override
    def training_of(self, value: Any, file: str, seed: int, samples: int | None) -> Training:
        return self._training(config_of(value, file), file, [file], seed, samples)

    def _training(
        self, config: Config, source: str, reads: list[str], seed: int, samples: int | None
    ) -> Training:
        """Errors call the configuration ``source``; ``reads`` is its file."""
        folder = os.path.dirname(reads[0]) if reads else ""
        files = config.data.files(folder) if config.data else []
        config, data = with_data(config, seed, folder=folder, source=source)
        own = None if data is None else OwnSource(data)
        images = IMAGES_AFTER_TRAINING if config.kind == "classification" else None
        return Training(
            lambda: KirchhoffTask(config, seed, samples, own),
            [*reads, *files],
            JudgeOptions(images=images),
        )

    @override
    def judge(self, network: StoredKirchhoff, options: JudgeOptions) -> Judgement:
        return judging.judge(network, options)

    @override
    def figures(self, network: StoredKirchhoff, title: str, options: DrawOptions) -> Figures:
        return drawing.drawn(network, title, options)

    @override
    def origin(self, network: StoredKirchhoff, file: Path) -> Origin:
        """A network whose configuration comes with this package, so that its name is enough to make
        it.
        """
        seed = present(file, "seed", network.seed)
        text = present(file, "recipe", network.recipe)
        history = present(file, "history", network.history)
        recipe = recipe_of(file, text)
        name = name_of(network.config)
        if name is None:
            raise FileError(
                file,
                "is not one of the configurations that come with ohmbench",
                field="config",
                remedy="store what 'ohmbench train' wrote for one of its names",
            )
        samples = recipe.get("samples")
        steps = KirchhoffTask(network.config, seed, samples).steps
        if len(history) == 0 or history[-1, 0] < steps:
            check_finished(file, 0 if len(history) == 0 else int(history[-1, 0]))
        command = f"ohmbench train {name} --seed {seed}"
        command += "" if samples is None else f" --samples {samples}"

        def copy(target: Path, overwrite: bool) -> None:
            save_kirchhoff(
                target, network.model, seed=seed, recipe=text, history=history, overwrite=overwrite
            )

        return Origin(command, seed, recipe, self.judge(network, JudgeOptions()), copy)
