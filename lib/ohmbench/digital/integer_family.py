"""Integer networks of N layers as a family (``ohmbench.family``): what imports and exports hold.

It is beside ``integer`` and ``importing``, not in one of them, because it uses both.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray
from typing_extensions import override

from ohmbench.digital import trace_output
from ohmbench.digital.figures import weights_figure
from ohmbench.digital.importing.source_run import run_source
from ohmbench.digital.integer import prove_output
from ohmbench.digital.integer.evaluation import evaluate_integer
from ohmbench.digital.integer.figures import layers_figure, widths_figure
from ohmbench.digital.integer.golden import infer
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.integer.prove import Certificate, Widths, prove
from ohmbench.digital.integer.store import is_integer_file, load_integer
from ohmbench.digital.integer.trace import trace
from ohmbench.digital.integer.two_layers import to_int8
from ohmbench.digital.integer_with_data import IntegerWithData, class_names
from ohmbench.digital.prove_output import sizes_text
from ohmbench.digital.stages import Stage
from ohmbench.errors import FileError, OperandError, RangeError, one_line
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
)
from ohmbench.report.figures import Figures, confusion_figure
from ohmbench.report.style import plain_text

RANDOM_INPUTS = 100
"""Inputs of a trace without data."""


def random_inputs(network: IntegerNetwork) -> Int64[NDArray[np.int64], "n inputs"]:
    """``RANDOM_INPUTS`` inputs by seed 0, of integers that real inputs become."""
    form = network.input
    possible = np.arange(form.lo, form.hi + 1)
    if form.thresholds is not None:
        ends = np.concatenate([[-np.inf], form.thresholds, [np.inf]])
        possible = possible[ends[:-1] < ends[1:]]
    return np.random.default_rng(0).choice(possible, (RANDOM_INPUTS, network.inputs))


class IntegerFamily(Family[IntegerWithData]):
    """Integer networks of any number of layers."""

    one = "an N-layer integer network"
    many = "N-layer integer networks"
    key = None
    trainings = ()
    abilities = frozenset({"export", "predict", "prove", "trace"})

    @override
    def recognises(self, fields: Collection[str]) -> bool:
        return is_integer_file(fields)

    @override
    def load(self, path: str | os.PathLike[str]) -> IntegerWithData:
        return IntegerWithData(load_integer(path))

    @override
    def with_data(
        self, network: IntegerWithData, data: str, target: str | None = None
    ) -> IntegerWithData:
        return replace(network, samples=network.read(data, target))

    @override
    def training(self, name: str, seed: int, samples: int | None) -> Training:
        raise NotImplementedError(f"{self.many} are imported or quantised")

    @override
    def training_of(self, value: Any, file: str, seed: int, samples: int | None) -> Training:
        raise NotImplementedError(f"{self.many} are imported or quantised")

    @override
    def judge(self, network: IntegerWithData, options: JudgeOptions) -> Judgement:
        network = network.with_samples()
        samples = network.named_samples()
        integers, labels = network.network, network.labels()
        found = evaluate_integer(integers, network.integers(), labels)
        data = one_line(samples.name)
        line = f"{accuracy_line(found.correct, found.total, found.accuracy)} on {data}"
        bounds = [b for b in prove(integers).bounds if b.quantity == "acc"]
        rows = [
            (
                str(b.layer),
                f"{low} to {high}",
                f"{b.low} to {b.high}",
                f"{b.needs} {'signed' if b.signed else 'unsigned'}",
            )
            for b, low, high in zip(bounds, found.acc_low, found.acc_high, strict=True)
        ]
        columns = ("layer", "sums reached", "sums possible at most", "bits needed")
        return Judgement(
            line=line,
            heading=line,
            tables=[Table(columns, rows, sizes_text(integers.sizes))],
            metrics=accuracy_metrics(found),
            values={
                "sizes": list(integers.sizes),
                "data": data,
                **accuracy_values(found),
                "layers": [
                    {"acc_low": low, "acc_high": high, "bound_low": b.low, "bound_high": b.high}
                    for b, low, high in zip(bounds, found.acc_low, found.acc_high, strict=True)
                ],
                "origin": dict(network.origin),
                "classes": list(samples.classes),
                "remarks": list(samples.remarks),
            },
            found=found,
            data=data,
            remarks=[
                *samples.remarks,
                *class_names(samples.classes),
                *(f"{key}: {network.origin[key]}" for key in _SHOWN if key in network.origin),
            ],
        )

    @override
    def figures(self, network: IntegerWithData, title: str, options: DrawOptions) -> Figures:
        integers = network.network
        files = {
            "weights.png": lambda: weights_figure(integers, title),
            "widths.png": lambda: widths_figure(prove(integers), len(integers.layers), title),
        }
        if network.samples is not None:
            which = (plain_text(remark) for remark in network.samples.remarks)
            heading = "\n".join([title, *which])
            files["confusion.png"] = lambda: confusion_figure(
                self.judge(network, JudgeOptions()).found, heading
            )
        return files

    @override
    def origin(self, network: IntegerWithData, file: Path) -> Origin:
        raise FileError(
            file,
            "was imported or quantised from a user's file, so no command of this project alone "
            "makes it again",
            remedy="store only what 'ohmbench train' wrote",
        )

    @override
    def predict(self, network: IntegerWithData, index: int) -> Prediction:
        network = network.with_samples()
        samples = network.named_samples()
        integers, labels = network.network, network.labels()
        check_index(index, len(labels))
        x = integers.input.quantise(samples.x[index : index + 1])
        found = infer(integers, x)
        answer, outputs = int(found.classes[0]), found.outputs[0].tolist()
        meaning = integers.layers[-1].meaning
        real = [None] * len(outputs) if meaning is None else meaning.real(found.outputs)[0].tolist()
        label = int(labels[index])
        return Prediction(
            answer=answer,
            label=label,
            class_name=samples.class_name,
            table=Table(
                ("class", "output", "real value"),
                [
                    (samples.class_name(c), str(output), "-" if value is None else f"{value:.6g}")
                    for c, (output, value) in enumerate(zip(outputs, real, strict=True))
                ],
                "; ".join(samples.remarks) or None,
            ),
            values={
                "value": int(found.values[0]),
                "layers": [h[0].tolist() for h in found.h],
                "real": None if meaning is None else real,
                "classes": list(samples.classes),
                "remarks": list(samples.remarks),
            },
            draw=lambda title: layers_figure(integers, x[0], found, label, title),
        )

    @override
    def certify(
        self, network: IntegerWithData, hardware: Widths | None, accelerators: Accelerators
    ) -> Certificate:
        return prove(network.network, Widths() if hardware is None else hardware)

    @override
    def prove(
        self,
        network: IntegerWithData,
        name: str,
        given: Mapping[str, Any],
        accelerators: Accelerators,
    ) -> Outcome:
        check_taken(given, prove_output.OPTIONS, self.one)
        widths = prove_output.described_widths(network.network, given)
        certificate = self.certify(network, widths, accelerators)
        return prove_output.outcome(name, network.network, certificate)

    def _inputs(self, network: IntegerWithData) -> Int64[NDArray[np.int64], "n inputs"]:
        return random_inputs(network.network) if network.samples is None else network.integers()

    @staticmethod
    def _not_in_hardware(network: IntegerNetwork) -> str | None:
        """Why the hardware does not compute the network, or None."""
        try:
            to_int8(network)
        except RangeError as error:
            return str(error)
        return None

    @override
    def stages(self, network: IntegerWithData, options: TraceOptions) -> list[Stage]:
        if options.float_file is not None:
            raise OperandError(f"--float: does not apply to {self.one}; leave it out")
        integers, source = network.network, options.source
        x = self._inputs(network)
        chosen = options.chosen(len(x))
        fits = self._not_in_hardware(integers) is None
        return trace(
            integers,
            x[chosen.start : chosen.stop],
            run=None if source is None else run_source(source, integers, network.origin),
            simulate=options.simulate if fits else None,
            tolerance=options.tolerance,
        )

    @override
    def trace(self, network: IntegerWithData, name: str, options: TraceOptions) -> Outcome:
        stages = self.stages(network, options)
        samples = network.samples
        inputs = RANDOM_INPUTS if samples is None else len(samples.x)
        remarks = []
        reason = self._not_in_hardware(network.network)
        if options.simulate is not None and reason is not None:
            remarks.append(f"hardware: left out; {reason}")
        if samples is None:
            remarks.append(
                f"inputs: {RANDOM_INPUTS} random ones by seed 0; name others with --data"
            )
        else:
            remarks += samples.remarks
        found = trace_output.outcome(name, options.chosen(inputs), stages, remarks)
        return replace(found, values=found.values | {"remarks": remarks})


_SHOWN = ("format", "file", "proof")
"""What is printed of a network's origin."""
