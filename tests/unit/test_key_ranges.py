"""The range of every number that a YAML file of a network or a device can hold, at both its ends.

``RANGES`` has them as intervals: ``[`` takes the end, ``(`` does not. The numbers are found by the
models, so that a key without a row fails, and a row without a key too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from ohmbench.digital import configuration as int8
from ohmbench.floatgate import configuration as floatgate
from ohmbench.kirchhoff import configuration as kirchhoff

FILES = {"floatgate": floatgate.Config, "int8": int8.Config, "kirchhoff": kirchhoff.Config}

ANY = "[-1e12, 1e12]"
CURRENT, CURRENT_OR_NONE = "[1e-20, 1]", "[0, 1]"
SIZE, REPEAT, COUNT = "[1, 100000]", "[1, 10000]", "[1, 10000000]"
_CARD = {
    "version": "[1, inf)",
    "supply_V": "(0, 100]",
    "programmable.w_min_A": CURRENT,
    "programmable.w_max_A": CURRENT,
    "programmable.bits": "[1, 20]",
    "cell.EKVConstants.is1_A": "[-1, -1e-20]",
    "cell.EKVConstants.is0_A": "[-1, 1]",
    "cell.EKVConstants.a_per_V": "(0, 1000]",
    "cell.EKVConstants.b1": "[-1000, 0]",
    "cell.EKVConstants.b0": "[-1000, 1000]",
    "cell.EKVConstants.i_leak_A": CURRENT_OR_NONE,
    "cell.EKVConstants.fitted.v_V": ANY,
    "cell.EKVConstants.fitted.w_A": ANY,
    "cell.SubthresholdConstants.k1_per_V": "[-1000, -1e-6]",
    "cell.SubthresholdConstants.k0_per_V": "[-10000, 10000]",
    "cell.SubthresholdConstants.i_leak_A": CURRENT_OR_NONE,
    "cell.SubthresholdConstants.fitted.v_V": ANY,
    "cell.SubthresholdConstants.fitted.w_A": ANY,
    "positive_cell.is1": "[-1e6, -1e-12]",
    "positive_cell.is0_A": CURRENT,
    "positive_cell.a1_per_V_A": ANY,
    "positive_cell.a0_per_V": "(0, 1000]",
    "positive_cell.b1_per_A": ANY,
    "positive_cell.b0": ANY,
    "positive_cell.i_leak_A": CURRENT_OR_NONE,
    "positive_cell.w_max_A": CURRENT,
    "positive_cell.fitted.v_V": ANY,
    "positive_cell.fitted.w_A": ANY,
    "lines.i_cutoff_A": CURRENT,
    "lines.i_cubic_A": CURRENT,
    "lines.cubic_V": ANY,
    "lines.logarithm": ANY,
    "lines.positive.i_last_A": CURRENT,
    "lines.positive.v_last_V": "(0, 100]",
    "lines.negative.i_last_A": CURRENT,
    "lines.negative.v_last_V": "(0, 100]",
    "sigmoid.p_edges_V": ANY,
    **{f"sigmoid.regions.{name}": ANY for name in ("h1", "h0", "s1", "s0", "o1", "o0", "t1", "t0")},
    **{f"{part}.off.{name}": ANY for part in ("relu", "relu_smooth")
       for name in ("height_V", "x0", "x1")},
    "relu.floor_V": ANY,
    "relu.ceiling_V": ANY,
    "relu.decades": ANY,
    "relu.logarithms_V": ANY,
    "relu_smooth.base_V": ANY,
    "relu_smooth.exponential": ANY,
    "relu_smooth.logistic": ANY,
    "relu_smooth.ceiling_V": ANY,
    "relu_smooth.i_ceiling_A": CURRENT,
    "wta.height": "(0, 1e6]",
    "wta.x0": ANY,
    "wta.x1": "(0, 1e12]",
    "wta.fitted.i_A": ANY,
    "logits.zero_V": ANY,
    "logits.per_V": "(0, 1e6]",
    "power.per_neuron_A": CURRENT_OR_NONE,
    "power.shared_A": CURRENT_OR_NONE,
}  # fmt: skip
_DATA = {
    "data.held_out": "(0, 1)",
    "data.inputs": COUNT,
    "data.outputs": COUNT,
    "data.held_out_rows": COUNT,
}
_IMAGE = {
    "num_channel": SIZE,
    "width": SIZE,
    "height": SIZE,
    "neighbor_size": SIZE,
}
_SLICE = "network.net_struct"
_TIME = "[1e-12, 10000]"
RANGES: dict[str, dict[str, str]] = {
    "floatgate": {
        **_DATA,
        **{f"device.{path}": interval for path, interval in _CARD.items()},
        "layers.neurons": SIZE,
        "encoding.low_V": "[0, inf)",
        "encoding.span_V": "(0, inf)",
        "train.steps": "[1, 1000000]",
        "train.batch": "[1, 100000]",
        "train.population": "[1, 1000]",
        "train.learning_rate": "(0, 10]",
        "train.noise_V": "[0, 1]",
        "train.logit_gain": "(0, 1000]",
    },
    "int8": {
        **_DATA,
        "hidden": SIZE,
        "train.steps": "[1, 1000000]",
        "train.batch": "[1, 100000]",
        "train.learning_rate": "(0, 10]",
        "train.weight_decay": "[0, 1]",
        "train.label_smoothing": "[0, 0.5]",
    },
    "kirchhoff": {
        **_DATA,
        "batch_size": "[1, 1000000]",
        "num_worker": "[0, 1024]",
        "network.model.FeedForwardArguments.hidden": SIZE,
        "network.model.HyperNetwork.hidden": SIZE,
        "network.model.HyperNetwork.width": SIZE,
        f"{_SLICE}.FullyConnect.num_node": "[2, 100000]",
        f"{_SLICE}.FullyConnect.repeat": "[0, 10000]",
        **{f"{_SLICE}.NeighborIndex.{name}": interval for name, interval in _IMAGE.items()},
        f"{_SLICE}.NeighborIndex.repeat": REPEAT,
        f"{_SLICE}.NeighborIndex.parallel": REPEAT,
        **{f"{_SLICE}.MixConnect.{name}": interval for name, interval in _IMAGE.items()},
        f"{_SLICE}.MixConnect.fully_connect_node": "[0, 100000]",
        f"{_SLICE}.MixConnect.repeat": "[0, 10000]",
        f"{_SLICE}.MixConnect.kernel_repeat": REPEAT,
        f"{_SLICE}.SimpleConnect.num_node": "[2, 100000]",
        f"{_SLICE}.SimpleConnect.repeat": "[0, 10000]",
        f"{_SLICE}.Pregiven.edges": SIZE,
        f"{_SLICE}.Pregiven.repeat": "[0, 10000]",
        f"{_SLICE}.Pregiven.num_feature": REPEAT,
        "simulation.t_end": "[0, 10000]",
        "simulation.tol": "(0, 1]",
        "simulation.first_step": _TIME,
        "simulation.min_step": _TIME,
        "simulation.step_size": _TIME,
        "train.lr": "(0, 1000]",
        "train.num_epoch": COUNT,
        "train.save_epoch": COUNT,
        "visualization.num_sample": COUNT,
    },
}


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Literal:
        return []
    return [model for inner in get_args(annotation) for model in models_in(inner)]


def numbers_in(annotation: Any) -> list[Any]:
    """The types of the numbers in an annotation, with what bounds them."""
    if annotation is int or annotation is float:
        return [annotation]
    if get_origin(annotation) is Annotated:
        inner, *bounds = get_args(annotation)
        found = numbers_in(inner)
        # Bounds of a list are of its length.
        return [annotation] if found == [inner] and bounds else found
    if get_origin(annotation) is Literal:
        return []
    return [number for inner in get_args(annotation) for number in numbers_in(inner)]


def numbers_of(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of ``model`` that are numbers, dotted, each with its type.

    Of several models for one key each has its name in the path; ``args`` has none.
    """
    for name, field in model.model_fields.items():
        inside = path if name == "args" else f"{path}.{name}" if path else name
        inner = models_in(field.annotation)
        for part in inner:
            of_choice = [one.model_fields["args"].annotation for one in [part]
                         if "args" in part.model_fields]  # fmt: skip
            called = of_choice[0].__name__ if of_choice else part.__name__
            yield from numbers_of(part, f"{inside}.{called}" if len(inner) > 1 else inside)
        if not inner:
            whole = Annotated[(field.annotation, *field.metadata)] if field.metadata else (
                field.annotation
            )  # fmt: skip
            yield from ((inside, number) for number in numbers_in(whole))


FOUND: dict[tuple[str, str], list[Any]] = {}
for _family, _model in FILES.items():
    for _path, _number in numbers_of(_model):
        FOUND.setdefault((_family, _path), []).append(_number)
ROWS = [(family, path) for family, ranges in RANGES.items() for path in ranges]


def test_every_number_has_a_range() -> None:
    assert sorted(FOUND) == sorted(ROWS)


def about(interval: str, whole: bool) -> tuple[list[float], list[float]]:
    """What is just inside of an interval and what just outside, ends and no numbers included."""
    taken: list[float] = []
    refused: list[float] = [] if whole else [math.nan, math.inf, -math.inf]
    ends = [float(text) for text in interval[1:-1].split(",")]
    for end, bracket, out in zip(ends, (interval[0], interval[-1]), (-1, 1), strict=True):
        if math.isinf(end):
            continue
        beside = [end + s * out if whole else math.nextafter(end, s * out * math.inf)
                  for s in (1, -1)]  # fmt: skip
        (taken if bracket in "[]" else refused).append(end)
        refused.append(beside[0])
        taken.append(beside[1])
    if whole:
        return [int(x) for x in taken], [int(x) for x in refused]
    return taken, refused


@pytest.mark.parametrize(("family", "path"), ROWS, ids=[f"{f}-{p}" for f, p in ROWS])
def test_both_ends_of_a_range(family: str, path: str) -> None:
    interval = RANGES[family][path]
    for number in FOUND[family, path]:
        adapter = TypeAdapter(number)
        plain = number if number in (int, float) else get_args(number)[0]
        taken, refused = about(interval, plain is int)
        for inside in taken:
            assert adapter.validate_python(inside, strict=True) == inside
        for outside in refused:
            with pytest.raises(ValidationError):
                adapter.validate_python(outside, strict=True)
