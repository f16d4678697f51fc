"""Int8 networks as a family (``ohmbench.family``)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from ohmbench.data.classifier import Own
from ohmbench.digital import prove_output, trace_output
from ohmbench.digital.configuration import FAMILY, config_of, with_data
from ohmbench.digital.evaluation import evaluate_int8
from ohmbench.digital.figures import prediction_figure, weights_figure
from ohmbench.digital.golden import infer
from ohmbench.digital.prove import Certificate, prove
from ohmbench.digital.stages import Stage
from ohmbench.digital.store import INT8_SCHEMA, StoredInt8, load_float, load_int8
from ohmbench.digital.trace import trace
from ohmbench.digital.training import INT8_RECIPES, named_task, own_task
from ohmbench.digital.widths import Hardware
from ohmbench.errors import OperandError
from ohmbench.family import (
    Accelerators,
    DrawOptions,
    Family,
    Judgement,
    JudgeOptions,
    Origin,
    Outcome,
    Prediction,
    Table,
    TraceOptions,
    Training,
    accuracy_line,
    accuracy_metrics,
    accuracy_values,
    check_index,
    check_taken,
    present,
    seed_and_recipe,
)
from ohmbench.files import read_npz, write_npz
from ohmbench.report.figures import Figures, confusion_figure, history_figure


class Int8Family(Family[StoredInt8]):
    """Networks of int8 weights."""

    one = "an int8 network"
    many = "int8 networks"
    key = FAMILY
    trainings = tuple(INT8_RECIPES)
    abilities = frozenset({"export", "predict", "prove", "synth", "trace"})

    @override
    def recognises(self, fields: Collection[str]) -> bool:
        return any(field.startswith(("mlp_0.", "mlp_1.")) for field in fields)

    @override
    def load(self, path: str | os.PathLike[str]) -> StoredInt8:
        return load_int8(path)

    @override
    def training(self, name: str, seed: int, samples: int | None) -> Training:
        return Training(lambda: named_task(name, seed))

    @override
    def training_of(self, value: Any, file: str, seed: int, samples: int | None) -> Training:
        config, folder = config_of(value, file), os.path.dirname(file)
        own = Own(*with_data(config, seed, folder=folder, source=file))
        return Training(lambda: own_task(own, seed), [file, *config.data.files(folder)])

    @override
    def judge(self, network: StoredInt8, options: JudgeOptions) -> Judgement:
        images, integers = network.images(), network.network
        found = evaluate_int8(integers, images.x, images.labels)
        hidden = found.inference.hidden.size
        line = f"{accuracy_line(found.correct, found.total, found.accuracy)} on {images.source}"
        rows: list[tuple[str, ...]] = [
            ("requantisation", f"M = {integers.M}, S = {integers.S}"),
            ("hidden values clamped at 255", f"{found.saturated} of {hidden}"),
            ("largest product r * M reached", str(found.largest_product)),
            ("logits", f"{found.inference.logits.min()} to {found.inference.logits.max()}"),
        ]
        agreeing = None
        if network.predictions is not None:
            agreeing = int((found.inference.classes == network.predictions).sum())
            rows.append(("answers equal to those in the file", f"{agreeing} of {found.total}"))
        return Judgement(
            line=line,
            heading=line,
            tables=[Table(("integers", ""), rows, "-".join(map(str, integers.sizes)))],
            metrics=accuracy_metrics(found),
            values={
                "network": network.spec.name if network.spec else None,
                "sizes": list(integers.sizes),
                "M": integers.M,
                "S": integers.S,
                "images": images.source,
                **accuracy_values(found),
                **network.class_names_json(),
                "hidden_values": hidden,
                "clamped_hidden_values": found.saturated,
                "largest_product": found.largest_product,
                "answers_as_stored": agreeing,
            },
            found=found,
            data=images.source,
        )

    @override
    def figures(self, network: StoredInt8, title: str, options: DrawOptions) -> Figures:
        history = network.history
        files = {
            "confusion.png": lambda: confusion_figure(
                self.judge(network, JudgeOptions()).found, title
            ),
            "weights.png": lambda: weights_figure(network.network, title),
        }
        if history is not None:
            files["history.png"] = lambda: history_figure(history, title)
        return files

    @override
    def origin(self, network: StoredInt8, file: Path) -> Origin:
        seed, recipe = seed_and_recipe(file, network)
        name = present(file, "network", network.spec).name

        def copy(target: Path, overwrite: bool) -> None:
            write_npz(target, read_npz(file, INT8_SCHEMA), overwrite=overwrite)

        command = f"ohmbench train {name} --seed {seed}"
        return Origin(command, seed, recipe, self.judge(network, JudgeOptions()), copy)

    @override
    def predict(self, network: StoredInt8, index: int) -> Prediction:
        images = network.images()
        check_index(index, len(images.x))
        label = int(images.labels[index])
        found = infer(network.network, images.x[index : index + 1])
        answer, logits = int(found.classes[0]), found.logits[0].tolist()
        return Prediction(
            answer=answer,
            label=label,
            class_name=network.class_name,
            table=Table(
                ("class", "logit", "behind the answer"),
                [
                    (network.class_name(c), str(logit), str(logits[answer] - logit))
                    for c, logit in enumerate(logits)
                ],
            ),
            values={
                "value": int(found.values[0]),
                "hidden": found.hidden[0].tolist(),
                "logits": logits,
                **network.class_names_json(),
            },
            draw=lambda title: prediction_figure(images.x[index], found, label, title),
        )

    @override
    def certify(
        self, network: StoredInt8, hardware: Hardware | None, accelerators: Accelerators
    ) -> Certificate:
        integers = network.network
        return prove(
            integers, accelerators.hardware_for(integers) if hardware is None else hardware
        )

    @override
    def prove(
        self, network: StoredInt8, name: str, given: Mapping[str, Any], accelerators: Accelerators
    ) -> Outcome:
        check_taken(given, prove_output.OPTIONS, self.one)
        hardware = prove_output.described_hardware(network.network, given, accelerators)
        certificate = self.certify(network, hardware, accelerators)
        return prove_output.outcome(name, network.network, certificate)

    @override
    def stages(self, network: StoredInt8, options: TraceOptions) -> list[Stage]:
        if options.source is not None:
            raise OperandError(f"--source: does not apply to {self.one}; leave it out")
        images = network.images().x
        chosen = options.chosen(len(images))
        return trace(
            network.network,
            images[chosen.start : chosen.stop],
            real=None if options.float_file is None else load_float(options.float_file),
            simulate=options.simulate,
            tolerance=options.tolerance,
        )

    @override
    def trace(self, network: StoredInt8, name: str, options: TraceOptions) -> Outcome:
        stages = self.stages(network, options)
        return trace_output.outcome(name, options.chosen(len(network.images().x)), stages)
