"""Floating-gate networks as a family (``ohmbench.family``)."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from ohmbench.data.classifier import Own
from ohmbench.family import (
    DrawOptions,
    Family,
    Judgement,
    JudgeOptions,
    Origin,
    Prediction,
    Table,
    Training,
    accuracy_line,
    accuracy_metrics,
    accuracy_values,
    check_index,
    seed_and_recipe,
)
from ohmbench.files import read_npz, write_npz
from ohmbench.floatgate.configuration import FAMILY, config_of, with_data
from ohmbench.floatgate.evaluation import evaluate
from ohmbench.floatgate.figures import currents_figure, curves_figure, prediction_figure
from ohmbench.floatgate.power import power_per_image
from ohmbench.floatgate.store import FLOATGATE_SCHEMA, StoredNetwork, load_network
from ohmbench.floatgate.training import RECIPES, named_task, own_task
from ohmbench.report.figures import Figures, confusion_figure, history_figure


class FloatgateFamily(Family[StoredNetwork]):
    """Networks whose weights are programmed currents."""

    one = "a floating-gate network"
    many = "floating-gate networks"
    key = FAMILY
    trainings = tuple(RECIPES)
    abilities = frozenset({"power", "predict"})

    @override
    def recognises(self, fields: Collection[str]) -> bool:
        # This family is asked last, so that its reader's error message describes the expected file.
        return True

    @override
    def load(self, path: str | os.PathLike[str]) -> StoredNetwork:
        return load_network(path)

    @override
    def training(self, name: str, seed: int, samples: int | None) -> Training:
        return Training(lambda: named_task(name, seed))

    @override
    def training_of(self, value: Any, file: str, seed: int, samples: int | None) -> Training:
        config, folder = config_of(value, file), os.path.dirname(file)
        own = Own(*with_data(config, seed, folder=folder, source=file))
        files = [file, os.path.join(folder, config.card), *config.data.files(folder)]
        return Training(lambda: own_task(own, seed), files)

    @override
    def judge(self, network: StoredNetwork, options: JudgeOptions) -> Judgement:
        found = evaluate(network.network, network.v, network.labels)
        line = f"{accuracy_line(found.correct, found.total, found.accuracy)} on {network.images}"
        ranges = [
            (
                c.fitted.label,
                f"{c.fitted.low:.4g} to {c.fitted.high:.4g} {c.fitted.unit}",
                str(c.seen),
                str(c.below),
                str(c.above),
            )
            for c in found.ranges
        ]
        held = [
            (array, *map(str, (v.total, v.too_small, v.too_large, v.negative, v.off_level)))
            for array, v in found.violations.items()
        ]
        remarks = []
        if found.ranges.by_plain_path:
            remarks.append(
                f"{found.ranges.by_plain_path} cell evaluations by the plain formulas: a voltage "
                "or a weight lies outside the fast path's box"
            )
        out_of_range = {
            c.fitted.label: {"evaluations": c.seen, "below": c.below, "above": c.above}
            for c in found.ranges
        }
        return Judgement(
            line=line,
            heading=line,
            tables=[
                Table(
                    ("curve", "fitted range", "evaluations", "below", "above"),
                    ranges,
                    "Fitted ranges",
                ),
                Table(
                    ("array", "currents", "too small", "too large", "wrong sign", "between levels"),
                    held,
                    "Programmability",
                ),
            ],
            metrics=accuracy_metrics(found),
            values={
                "network": network.network.spec.name,
                "images": network.images,
                **accuracy_values(found),
                **network.class_names_json(),
                "out_of_range": out_of_range,
                "by_plain_path": found.ranges.by_plain_path,
                "not_programmable": {k: vars(v) for k, v in found.violations.items()},
            },
            found=found,
            data=network.images,
            remarks=remarks,
        )

    @override
    def figures(self, network: StoredNetwork, title: str, options: DrawOptions) -> Figures:
        fg, history = network.network, network.history
        files = {
            "confusion.png": lambda: confusion_figure(
                self.judge(network, JudgeOptions()).found, title
            ),
            "currents.png": lambda: currents_figure(fg, title),
            "curves.png": lambda: curves_figure(fg.spec.circuits),
        }
        if history is not None:
            files["history.png"] = lambda: history_figure(history, title)
        return files

    @override
    def origin(self, network: StoredNetwork, file: Path) -> Origin:
        seed, recipe = seed_and_recipe(file, network)
        judgement = self.judge(network, JudgeOptions())
        judgement.metrics["mean_power_W"] = float(
            power_per_image(network.network, network.v).mean()
        )

        def copy(target: Path, overwrite: bool) -> None:
            write_npz(target, read_npz(file, FLOATGATE_SCHEMA), overwrite=overwrite)

        command = f"ohmbench train {network.network.spec.name} --seed {seed}"
        return Origin(command, seed, recipe, judgement, copy)

    @override
    def predict(self, network: StoredNetwork, index: int) -> Prediction:
        check_index(index, len(network.v))
        label = int(network.labels[index])
        with torch.no_grad():
            trace = network.network.trace(network.v[index])
            probabilities = network.network.logits(trace[-1].out).softmax(-1)
        outputs, shares = trace[-1].out.tolist(), probabilities.tolist()
        return Prediction(
            answer=int(np.argmax(trace[-1].out.numpy())),
            label=label,
            class_name=network.class_name,
            table=Table(
                ("class", "output", "softmax"),
                [
                    (network.class_name(c), f"{output:.4f}", f"{p:.4f}")
                    for c, (output, p) in enumerate(zip(outputs, shares, strict=True))
                ],
            ),
            values={"outputs": outputs, "softmax": shares, **network.class_names_json()},
            draw=lambda title: prediction_figure(network.v[index], trace, label, title),
        )
