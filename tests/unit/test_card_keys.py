"""Every key of a device card, on a device of which no number is the paper's.

Models of that device are held against formulas in plain floats, written from the paper and reading
nothing but the card's values; then each key alone is changed, and the models have to follow. Where
the library had a constant of the paper's in place of a key's value, or used one key for another,
one of them does not.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from ohmbench.files import read_yaml
from ohmbench.floatgate import (
    Activation,
    Circuits,
    FGNetwork,
    LineCurrents,
    NetworkSpec,
    count_out_of_range,
    evaluate,
    max_power,
    power_per_image,
)
from ohmbench.floatgate.card import (
    CARDS_FOLDER,
    DEFAULT_CARD,
    Card,
    EKVConstants,
    SubthresholdConstants,
    card_of,
)

F64 = {"dtype": torch.float64}

BASIS = "measured"
DEVICE: dict[str, Any] = {
    "card": "floatgate",
    "name": "fg-other",
    "version": 2,
    "source": "our own curves",
    "supply_V": 2.2,
    "programmable": {"w_min_A": 2e-12, "w_max_A": 4e-6, "bits": 11},
    "cell": {
        "form": "ekv",
        "is1_A": -6e-9,
        "is0_A": -6.5e-8,
        "a_per_V": 14.0,
        "b1": -1.3,
        "b0": 15.0,
        "i_leak_A": 1.3e-11,
        "fitted": {"v_V": [0.9, 1.95], "w_A": [2e-11, 3e-6], "basis": BASIS},
    },
    "positive_cell": {
        "form": "wta",
        "is1": -0.005,
        "is0_A": 4e-8,
        "a1_per_V_A": 5e5,
        "a0_per_V": 16.0,
        "b1_per_A": -1e6,
        "b0": 33.0,
        "i_leak_A": 3e-12,
        "w_max_A": 5e-6,
        "fitted": {"v_V": [1.0, 2.0], "w_A": [1e-13, 6e-6], "basis": "declared"},
    },
    "lines": {
        "i_cutoff_A": 2e-11,
        "i_cubic_A": 2e-10,
        "cubic_V": [-0.02, 0.5, 40.0, -150.0],
        "logarithm": [-12.0, 3.5, 1.6, 1700.0, 2.5e-7, 0.2],
        "positive": {"i_last_A": 3e-6, "v_last_V": 1.9},
        "negative": {"i_last_A": 5e-6, "v_last_V": 2.1},
    },
    "sigmoid": {
        "p_edges_V": [0.45, 1.6],
        "regions": [
            {"h1": 0.02, "h0": -0.3, "s1": -0.5, "s0": 30.0, "o1": -28.0, "o0": 12.0,
             "t1": 0.003, "t0": 2.2},
            {"h1": 0.12, "h0": -0.32, "s1": -4.1, "s0": 31.0, "o1": -1.1, "o0": 2.2,
             "t1": -0.002, "t0": 2.1},
            {"h1": 0.4, "h0": -0.8, "s1": -31.0, "s0": 80.0, "o1": -9.0, "o0": 17.0,
             "t1": 0.004, "t0": 2.15},
        ],
    },
    "relu": {
        "off": {"height_V": 1.95, "x0": 41.0, "x1": 6.5},
        "floor_V": 1.8,
        "ceiling_V": 2.15,
        "decades": [-7.5, -5.9],
        "logarithms_V": [[0.03, 2.4], [0.05, 2.7], [0.09, 3.2]],
    },
    "relu_smooth": {
        "off": {"height_V": 1.7, "x0": 39.0, "x1": 6.0},
        "base_V": 1.75,
        "exponential": [0.05, -0.7, 3e5],
        "logistic": [0.3, 1.2, 2.5, 1.5e6],
        "ceiling_V": 2.05,
        "i_ceiling_A": 6e-6,
    },
    "wta": {"height": 8.0, "x0": 21.0, "x1": 3.5,
            "fitted": {"i_A": [2e-9, 8e-6], "basis": "a guess"}},
    "logits": {"zero_V": 1.9, "per_V": 12.0},
    "power": {"per_neuron_A": 3e-7, "shared_A": 5e-8},
}  # fmt: skip

BELOW_THRESHOLD: dict[str, Any] = DEVICE | {
    "cell": {
        "form": "subthreshold",
        "k1_per_V": -6.6,
        "k0_per_V": -20.0,
        "i_leak_A": 2.3e-12,
        "fitted": {"v_V": [0.9, 1.95], "w_A": [2e-11, 3e-6], "basis": BASIS},
    }
}
"""The same device with cells of the other form."""

DESCRIBED = ("card", "name", "version", "source", "cell.form", "positive_cell.form")
"""What says which device it is, and computes nothing."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a card, dotted, places in lists among them, and their values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{place}")
    else:
        yield path, value


def changed(card: dict[str, Any], path: str) -> dict[str, Any]:
    """``card`` with the value at ``path`` moved a little: 3 %, another bit, another text."""
    found = copy.deepcopy(card)
    *parents, last = path.split(".")
    inner: Any = found
    for key in parents:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    at: Any = int(last) if isinstance(inner, list) else last
    old = inner[at]
    inner[at] = f"{old}, again" if isinstance(old, str) else old + 1 if at == "bits" else old * 1.03
    return found


# ------------------------------------------------------------------------------------------------
# The formulas, from the card's values alone


def ekv(c: dict[str, Any], supply: float, v: float, w: float) -> float:
    ln_w = math.log(abs(w))
    amplitude = c["is1_A"] * ln_w + c["is0_A"]
    x = c["a_per_V"] * min(v, supply) - (c["b1"] * ln_w + c["b0"])
    return math.copysign(amplitude * math.log1p(math.exp(x)) ** 2 + c["i_leak_A"], w)


def subthreshold(c: dict[str, Any], supply: float, v: float, w: float) -> float:
    slope = c["k1_per_V"] * math.log10(abs(w)) + c["k0_per_V"]
    return w * math.exp((min(v, supply) - supply) * slope) + math.copysign(c["i_leak_A"], w)


def wta_cell(c: dict[str, Any], supply: float, v: float, w: float) -> float:
    a, b = c["a1_per_V_A"] * w + c["a0_per_V"], c["b1_per_A"] * w + c["b0"]
    softplus = math.log1p(math.exp(a * min(v, supply) - b))
    return (c["is1"] * w + c["is0_A"]) * softplus**2 + c["i_leak_A"]


def cell(card: dict[str, Any], v: float, w: float, *, of_wta: bool = False) -> float:
    if of_wta:
        return wta_cell(card["positive_cell"], card["supply_V"], v, w)
    form = {"ekv": ekv, "subthreshold": subthreshold}[card["cell"]["form"]]
    return form(card["cell"], card["supply_V"], v, w)


def line_voltage(lines: dict[str, Any], side: str, i: float) -> float:
    if i <= lines["i_cutoff_A"]:
        return 0.0
    if i <= lines["i_cubic_A"]:
        return sum(c * (i * 1e9) ** k for k, c in enumerate(lines["cubic_V"]))
    if i <= lines[side]["i_last_A"]:
        l0, l1, l2, l3, l4, l5 = lines["logarithm"]
        return l0 / (l1 + l2 * math.log(abs(l3 * i - l4))) + l5
    return float(lines[side]["v_last_V"])


def sigmoid(card: dict[str, Any], p: float, n: float) -> float:
    c = card["sigmoid"]
    r = c["regions"][sum(p > edge for edge in c["p_edges_V"])]
    x = (r["s1"] * p + r["s0"]) * (p - n) + (r["o1"] * p + r["o0"])
    return (r["h1"] * p + r["h0"]) / (1 + math.exp(x)) + (r["t1"] * p + r["t0"])


def off(c: dict[str, Any], i: float) -> float:
    return c["height_V"] / (1 + math.exp(c["x0"] + c["x1"] * math.log10(abs(i))))


def relu(card: dict[str, Any], i: float) -> float:
    c = card["relu"]
    if i < 0:
        return off(c["off"], i)
    if i == 0:
        return float(c["floor_V"])
    region = sum(i >= 10**decade for decade in c["decades"])
    a, b = c["logarithms_V"][region]
    v = a * math.log(i) + b
    return max(c["floor_V"], v) if region == 0 else min(c["ceiling_V"], v) if region == 2 else v


def relu_smooth(card: dict[str, Any], i: float) -> float:
    c = card["relu_smooth"]
    if i < 0:
        return off(c["off"], i)
    if i >= c["i_ceiling_A"]:
        return float(c["ceiling_V"])
    e0, e1, e2 = c["exponential"]
    g0, g1, g2, g3 = c["logistic"]
    return c["base_V"] + e0 * math.exp(e1 + e2 * i) + g0 / (g1 + math.exp(g2 - g3 * i))


def wta(card: dict[str, Any], i: float) -> float:
    c = card["wta"]
    return c["height"] / (1 + math.exp(-c["x0"] - c["x1"] * math.log10(abs(i))))


def output(card: dict[str, Any], activation: str, pos: float, neg: float) -> float:
    """``pos >= 0 >= neg``, the two lines' currents."""
    if activation == "sigmoid":
        lines = card["lines"]
        p, n = line_voltage(lines, "positive", pos), line_voltage(lines, "negative", -neg)
        return sigmoid(card, p, n)
    if activation == "wta":
        return wta(card, pos)
    return {"relu": relu, "relu_smooth": relu_smooth}[activation](card, pos + neg)


def levels(card: dict[str, Any], *, of_wta: bool) -> list[float]:
    """Some of what the array can be programmed to, even in the logarithm; the last two of it."""
    c = card["programmable"]
    low, high = c["w_min_A"], card["positive_cell"]["w_max_A"] if of_wta else c["w_max_A"]
    steps = 2 ** c["bits"] - 1
    return [low * (high / low) ** (k / steps) for k in (*range(0, steps, 97), steps - 1, steps)]


def fitted(card: dict[str, Any]) -> dict[str, float]:
    """Of each operand of each curve, where the fit may be believed: both ends."""
    lines, form = card["lines"], card["cell"]["form"]
    a, b = card["relu"]["logarithms_V"][2]
    ceiling = math.exp((card["relu"]["ceiling_V"] - b) / a)
    smooth = card["relu_smooth"]["i_ceiling_A"]
    of_cell, of_wta = card["cell"]["fitted"], card["positive_cell"]["fitted"]
    found = {
        f"{form}(v)": of_cell["v_V"],
        f"{form}(|w|)": of_cell["w_A"],
        "wta_cell(v)": of_wta["v_V"],
        "wta_cell(w)": of_wta["w_A"],
        "transistor_pos(|I|)": (lines["i_cutoff_A"], lines["positive"]["i_last_A"]),
        "transistor_neg(|I|)": (lines["i_cutoff_A"], lines["negative"]["i_last_A"]),
        "sigmoid(p)": (0.0, lines["positive"]["v_last_V"]),
        "sigmoid(n)": (0.0, lines["negative"]["v_last_V"]),
        "relu(I)": (-ceiling, ceiling),
        "relu_smooth(I)": (-smooth, smooth),
        "wta(|I|)": card["wta"]["fitted"]["i_A"],
    }
    return _both_ends(found)


def _both_ends(ranges: dict[str, Any]) -> dict[str, float]:
    return {f"{label} {end}": x for label, ends in ranges.items()
            for end, x in zip(("low", "high"), ends, strict=True)}  # fmt: skip


# ------------------------------------------------------------------------------------------------
# Where they are looked at: on either side of every boundary of ``DEVICE``, and between

V = [0.5, 0.95, 1.3, 1.7, 1.93, 2.1, 2.3]
W = [3e-12, -5e-10, 4e-8, -9e-7, 2.9e-6]
W_WTA = [0.0, 4e-13, 3e-8, 8e-7, 4.4e-6]


def _about(*edges: float) -> list[float]:
    return [edge * factor for edge in edges for factor in (0.98, 1.02)]


LINE_A = [*_about(2e-11, 2e-10, 3e-6, 5e-6), 1e-11, 7e-11, 1e-9, 1e-7, 1.5e-6, 8e-6]
NET_A = [
    *_about(*(math.exp(x) for x in (-20.0, (2.15 - 3.2) / 0.09)), 10**-7.5, 10**-5.9, 6e-6),
    *(-3e-5, -4e-6, -1e-6, -6e-7, -2e-8, 0.0, 1e-10, 1e-8, 2e-7, 1e-6, 3e-6, 2e-5),
]
WTA_A = [1e-9, 3e-8, 4e-7, 1e-6, 9e-6]


def _sigmoid_points() -> list[tuple[float, float]]:
    """About both edges and in the midst of each region, where the logistic is neither 0 nor 1."""
    points = []
    for p in (0.2, 0.4, *_about(0.45), 0.9, 1.3, *_about(1.6), 1.8):
        r = DEVICE["sigmoid"]["regions"][(p > 0.45) + (p > 1.6)]
        for x in (-0.7, 0.4):
            points.append((p, p - (x - r["o1"] * p - r["o0"]) / (r["s1"] * p + r["s0"])))
    return points


P_N = _sigmoid_points()

# A network of four layers, none square, each with a circuit of its own; currents of both lines.
SIZES = (3, 4, 2, 3, 2)
ACTIVATIONS = ("sigmoid", "relu", "relu_smooth", "wta")
IMAGES = [[1.1, 1.6, 2.0], [1.9, 0.95, 1.4]]


def _currents(layer: int, out: int, n_in: int) -> tuple[list[list[float]], list[float]]:
    rng = np.random.default_rng((5, layer))
    w = 10 ** rng.uniform(-9, -6.5, (out, n_in))
    b = 10 ** rng.uniform(-9, -7, out)
    if ACTIVATIONS[layer] != "wta":  # whose array holds positive currents only
        w *= np.where(rng.random(w.shape) < 0.4, -1, 1)
        b *= np.where(np.arange(out) % 2 == 1, -1, 1)
    return w.tolist(), b.tolist()


WEIGHTS, BIASES = zip(*(_currents(k, SIZES[k + 1], SIZES[k]) for k in range(4)), strict=True)


def plain_pass(card: dict[str, Any], v: list[float]) -> tuple[list[float], float]:
    """Outputs of the network, and the sum of all its line currents."""
    drawn = 0.0
    for activation, w, b in zip(ACTIVATIONS, WEIGHTS, BIASES, strict=True):
        out = []
        for row, bias in zip(w, b, strict=True):
            i = [cell(card, x, a, of_wta=activation == "wta") for x, a in zip(v, row, strict=True)]
            pos = sum(x for x in [*i, bias] if x > 0)
            neg = sum(x for x in [*i, bias] if x < 0)
            drawn += pos - neg
            out.append(output(card, activation, pos, neg))
        v = out
    return v, drawn


def by_formula(card: dict[str, Any]) -> dict[str, Any]:
    """Everything a card decides, as numbers."""
    power = card["power"]
    overhead = sum(SIZES[1:]) * power["per_neuron_A"] + power["shared_A"]
    passes = [plain_pass(card, image) for image in IMAGES]
    programmed = sum(abs(x) for w in WEIGHTS for row in w for x in row)
    programmed += sum(abs(x) for b in BIASES for x in b)
    logits = card["logits"]
    return {
        "cell": [cell(card, v, w) for v in V for w in W],
        "cell of wta": [cell(card, v, w, of_wta=True) for v in V for w in W_WTA],
        "positive line": [line_voltage(card["lines"], "positive", i) for i in LINE_A],
        "negative line": [line_voltage(card["lines"], "negative", i) for i in LINE_A],
        "sigmoid": [sigmoid(card, p, n) for p, n in P_N],
        "relu": [relu(card, i) for i in NET_A],
        "relu_smooth": [relu_smooth(card, i) for i in NET_A],
        "wta": [wta(card, i) for i in WTA_A],
        "highest": [sigmoid(card, card["lines"]["positive"]["v_last_V"], 0.0)],
        "logits": [logits["per_V"] * (v - logits["zero_V"]) for v in (1.7, 1.9, 2.25)],
        "overhead": [card["supply_V"] * (n * power["per_neuron_A"] + power["shared_A"])
                     for n in (0, 1, 7)],
        "outputs": [x for out, _ in passes for x in out],
        "power": [card["supply_V"] * (overhead + drawn) for _, drawn in passes],
        "largest power": [card["supply_V"] * (overhead + programmed)],
        "levels": levels(card, of_wta=False),
        "levels of wta": levels(card, of_wta=True),
        "fitted": fitted(card),
        "basis": sorted({card["cell"]["fitted"]["basis"], card["wta"]["fitted"]["basis"],
                         card["positive_cell"]["fitted"]["basis"]}),
    }  # fmt: skip


def network_of(circuits: Circuits) -> FGNetwork:
    activations = tuple(Activation(name) for name in ACTIVATIONS)
    spec = NetworkSpec("x", SIZES, activations, 0.9, 1.0, "x", circuits)
    return FGNetwork(
        spec,
        [torch.tensor(w, **F64) for w in WEIGHTS],
        [torch.tensor(b, **F64) for b in BIASES],
    )


def _some(levels: np.ndarray) -> list[float]:
    return [*levels[:-1:97].tolist(), *levels[-2:].tolist()]


def by_models(circuits: Circuits) -> dict[str, Any]:
    """The same, as the library computes it, in float64."""
    network = network_of(circuits)
    v = torch.tensor(V, **F64)[:, None]
    line, images = torch.tensor(LINE_A, **F64), torch.tensor(IMAGES, **F64)
    net, none = torch.tensor(NET_A, **F64), torch.zeros(len(LINE_A), **F64)
    both = LineCurrents(net.clamp(min=0), net.clamp(max=0))
    p, n = torch.tensor(P_N, **F64).T
    assert circuits.sigmoid is not None
    with torch.no_grad(), count_out_of_range() as counts:
        found: dict[str, Any] = {
            "cell": circuits.cell(Activation.SIGMOID).current(v, torch.tensor(W, **F64)),
            "cell of wta": circuits.cell(Activation.WTA).current(v, torch.tensor(W_WTA, **F64)),
            "positive line": circuits.line_voltages(LineCurrents(line, none))[0],
            "negative line": circuits.line_voltages(LineCurrents(none, -line))[1],
            "sigmoid": circuits.sigmoid(p, n),
            "relu": circuits.output(Activation.RELU, both),
            "relu_smooth": circuits.output(Activation.RELU_SMOOTH, both),
            "wta": circuits.output(
                Activation.WTA, LineCurrents(torch.tensor(WTA_A, **F64), none[:5])
            ),
            "logits": circuits.logits(Activation.SIGMOID, torch.tensor([1.7, 1.9, 2.25], **F64)),
            "outputs": network(images),
            "power": power_per_image(network, images),
        }
    found = {name: x.flatten().tolist() for name, x in found.items()}
    ranges = {count.fitted.label: count.fitted for count in counts}
    return found | {
        "highest": [circuits.sigmoid.highest_V],
        "overhead": [circuits.overhead_W(n) for n in (0, 1, 7)],
        "largest power": [max_power(network)],
        "levels": _some(circuits.programmable(Activation.SIGMOID).levels),
        "levels of wta": _some(circuits.programmable(Activation.WTA).levels),
        "fitted": _both_ends({label: (r.low, r.high) for label, r in ranges.items()}),
        "basis": sorted({r.basis for label, r in ranges.items()
                         if label.startswith(("ekv", "subthreshold", "wta"))}),
    }  # fmt: skip


def assert_follows(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for what, numbers in expected.items():
        wanted = numbers if what == "basis" else pytest.approx(numbers, rel=1e-9, abs=1e-30)
        assert found[what] == wanted, what


# ------------------------------------------------------------------------------------------------
# The tests

NUMBERS = [path for path, value in leaves(DEVICE) if path not in DESCRIBED]
AS_IT_IS, BELOW_AS_IT_IS = by_formula(DEVICE), by_formula(BELOW_THRESHOLD)
OF_THE_OTHER_FORM = [path for path, _ in leaves(BELOW_THRESHOLD)
                     if path.startswith("cell.") and path not in DESCRIBED]  # fmt: skip


def fields_of(model: Any, path: str = "") -> Iterator[str]:
    """The keys that a model admits, dotted, without places in lists."""
    for name, field in model.model_fields.items():
        inside = f"{path}.{name}" if path else name
        found = [part for part in parts_of(field.annotation) if part is not SubthresholdConstants]
        if not found:
            yield inside
        for part in found:
            yield from fields_of(part, inside)


def parts_of(annotation: Any) -> list[Any]:
    """The models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for inner in getattr(annotation, "__args__", ()) for part in parts_of(inner)]


def without_places(paths: list[str]) -> set[str]:
    return {".".join(key for key in path.split(".") if not key.isdigit()) for path in paths}


def test_every_key_that_a_card_can_have_is_here() -> None:
    assert without_places([path for path, _ in leaves(DEVICE)]) == set(fields_of(Card))
    assert set(DEVICE["cell"]) == set(EKVConstants.model_fields)
    assert set(BELOW_THRESHOLD["cell"]) == set(SubthresholdConstants.model_fields)


def test_no_number_is_the_papers() -> None:
    papers = dict(leaves(read_yaml(CARDS_FOLDER / f"{DEFAULT_CARD}.yaml")))
    for path, value in leaves(DEVICE):
        if not isinstance(value, str):
            assert value != papers[path], path


@pytest.mark.parametrize("card", [DEVICE, BELOW_THRESHOLD], ids=["ekv", "subthreshold"])
def test_the_models_are_the_formulas_of_the_cards_values(card: dict[str, Any]) -> None:
    assert_follows(by_models(Circuits(card_of(card, "card"))), by_formula(card))


@pytest.mark.parametrize("path", NUMBERS)
def test_the_models_follow_every_key(path: str) -> None:
    """In double precision, and as networks are trained and evaluated: in single precision."""
    other = changed(DEVICE, path)
    expected = by_formula(other)
    assert expected != AS_IT_IS, f"{path} is looked at nowhere"
    circuits = Circuits(card_of(other, "card"))
    assert_follows(by_models(circuits), expected)
    network, images = network_of(circuits).float(), torch.tensor(IMAGES, dtype=torch.float32)
    with torch.no_grad():
        assert network(images).flatten().tolist() == pytest.approx(expected["outputs"], rel=2e-4)
        assert power_per_image(network, images).tolist() == pytest.approx(
            expected["power"], rel=2e-5
        )


@pytest.mark.parametrize("path", OF_THE_OTHER_FORM)
def test_cells_of_the_other_form_follow_every_key(path: str) -> None:
    other = changed(BELOW_THRESHOLD, path)
    expected = by_formula(other)
    assert expected != BELOW_AS_IT_IS, f"{path} is looked at nowhere"
    assert_follows(by_models(Circuits(card_of(other, "card"))), expected)


def test_counts_outside_of_ranges_by_hand() -> None:
    """Both ends belong to a range; a broadcast operand counts once for each cell it meets."""
    circuits = Circuits(card_of(DEVICE, "card"))
    network = network_of(circuits)
    with torch.no_grad():
        out = evaluate(network, torch.tensor([[0.9, 1.95, 0.89], [2.3, 0.9, 1.5]], **F64),
                       torch.tensor([0, 1]))  # fmt: skip
    first = out.ranges["ekv(v)"]
    # Of the first layer one voltage of six is below and one above, in each of its four rows; of the
    # two other layers with such cells the voltages are outputs, above 1.95 V or not.
    above = 4
    v = torch.tensor([[0.9, 1.95, 0.89], [2.3, 0.9, 1.5]], **F64)
    below = 4
    for layer, rows in zip(network.fg_layers[:2], SIZES[2:4], strict=True):
        with torch.no_grad():
            v = layer(v)
        above += rows * int((v > 1.95).sum())
        below += rows * int((v < 0.9).sum())
    assert (first.below, first.above) == (below, above)
    assert first.seen == 2 * sum(a * b for a, b in pairwise(SIZES[:4]))
    assert out.ranges["wta(|I|)"].seen == 2 * SIZES[-1]


def test_currents_that_an_array_cannot_hold_are_counted_by_layer() -> None:
    """Each layer by its own array: the last alone refuses a sign, and ends at another current."""
    circuits = Circuits(card_of(DEVICE, "card"))
    network = network_of(circuits)
    bad = torch.tensor([1e-12, -1e-12, 4.5e-6, -4.5e-6, 5.5e-6, -3e-9], **F64)
    with torch.no_grad():
        for layer in network.fg_layers:
            held = layer.circuits.programmable(layer.activation)
            layer.weight.copy_(held.project(layer.weight))
            layer.bias.copy_(held.project(layer.bias))
            layer.weight.view(-1)[: len(bad)] = bad[: layer.weight.numel()]
    found = network.violations()
    for k in range(3):
        # 1 pA of either sign, and what is above 4 uA; 3 nA of any sign may be between two levels.
        v = found[f"layer {k} weight"]
        assert (v.too_small, v.too_large, v.negative, v.off_level) == (2, 3, 0, 1)
        assert v.total == SIZES[k] * SIZES[k + 1]
        assert found[f"layer {k} bias"].unholdable == found[f"layer {k} bias"].off_level == 0
    last = found["layer 3 weight"]
    assert (last.too_small, last.too_large, last.negative, last.off_level) == (1, 1, 3, 1)


@pytest.mark.parametrize("of_wta", [False, True], ids=["signed", "wta"])
def test_currents_are_programmed_to_the_nearest_level_in_the_logarithm(of_wta: bool) -> None:
    activation = Activation.WTA if of_wta else Activation.SIGMOID
    programmable = Circuits(card_of(DEVICE, "card")).programmable(activation)
    wanted = np.linspace(math.log(2e-12), math.log(5e-6 if of_wta else 4e-6), 2**11)
    rng = np.random.default_rng(3)
    w = np.exp(rng.uniform(math.log(1e-12), math.log(1e-5), 200))
    w *= 1.0 if of_wta else np.where(rng.random(200) < 0.5, -1, 1)
    nearest = np.abs(np.log(np.abs(w))[:, None] - wanted).argmin(1)
    found = programmable.project(torch.from_numpy(w)).numpy()
    np.testing.assert_allclose(found, np.sign(w) * np.exp(wanted[nearest]), rtol=1e-9)


# ------------------------------------------------------------------------------------------------
# The paper's device

PUBLISHED: dict[str, Any] = {
    "supply_V": 2.5,
    "programmable": {"w_min_A": 1e-12, "w_max_A": 1e-5, "bits": 13},
    "cell": {"form": "ekv", "is1_A": -8.0282e-9, "is0_A": -8.0497e-8, "a_per_V": 17.5328,
             "b1": -1.41837, "b0": 18.4134, "i_leak_A": 7e-12,
             "fitted": {"v_V": [1.7, 2.5], "w_A": [1e-12, 1e-5]}},
    "positive_cell": {"form": "wta", "is1": -0.0065, "is0_A": 5e-8, "a1_per_V_A": 632404.0,
                      "a0_per_V": 18.5384, "b1_per_A": -1.2343e6, "b0": 44.2817, "i_leak_A": 0.0,
                      "w_max_A": 7e-6,
                      "fitted": {"v_V": [1.7, 2.5], "w_A": [0.0, 5e-8 / 0.0065]}},
    "lines": {"i_cutoff_A": 1.5166e-11, "i_cubic_A": 1.622e-10,
              # -1.7814e29 i^3 + 4.6537e19 i^2 + 5.3942e8 i - 0.0182625, of nanoampere.
              "cubic_V": [-0.0182625, 5.3942e8 * 1e-9, 4.6537e19 * 1e-18, -1.7814e29 * 1e-27],
              "logarithm": [-13.2209, 3.03607, 1.75561, 1500.0, 1.9597e-7, 0.120559],
              "positive": {"i_last_A": 2.152e-6, "v_last_V": 2.0001},
              "negative": {"i_last_A": 4.67e-6, "v_last_V": 2.4507}},
    "sigmoid": {"p_edges_V": [0.38, 1.78], "regions": [
        {"h1": 0.0, "h0": -0.2877195, "s1": 0.0, "s0": 31.202, "o1": -29.0649, "o0": 12.7174,
         "t1": 0.0, "t0": 2.44313},
        {"h1": 0.131407, "h0": -0.338609, "s1": -3.98366, "s0": 32.2026, "o1": -0.926118,
         "o0": 2.4177, "t1": -0.00157441, "t0": 2.44385},
        {"h1": 0.407395, "h0": -0.830324, "s1": -32.32, "s0": 83.1541, "o1": -9.69387,
         "o0": 17.9666, "t1": 0.0, "t0": 2.440658}]},
    "relu": {"off": {"height_V": 2.1132, "x0": 43.5, "x1": 7.0}, "floor_V": 2.0, "ceiling_V": 2.5,
             "decades": [-7.3, -6.2],
             "logarithms_V": [[0.022, 2.615], [0.04, 2.92], [0.08, 3.49]]},
    "relu_smooth": {"off": {"height_V": 2.1132, "x0": 43.5, "x1": 7.0}, "base_V": 2.07,
                    "exponential": [0.06, -0.8, 4e5], "logistic": [0.26, 1.15, 2.7, 1.8e6],
                    "ceiling_V": 2.5, "i_ceiling_A": 5.06232e-6},
    "wta": {"height": 10.0, "x0": 23.0, "x1": 4.0, "fitted": {"i_A": [1e-9, 1e-5]}},
    # 4 (v - 2.25) / 0.25; twice 570 nA and 400 nA a neuron, 100 nA for all.
    "logits": {"zero_V": 2.25, "per_V": 4 / 0.25},
    "power": {"per_neuron_A": 2 * 570e-9 + 400e-9, "shared_A": 100e-9},
}  # fmt: skip
"""From the paper's artifacts."""


def test_every_number_of_the_papers_card_is_the_published_one() -> None:
    """A digit that is lost in the file would be lost in every path that reads it."""
    papers = dict(leaves(read_yaml(CARDS_FOLDER / f"{DEFAULT_CARD}.yaml")))
    numbers = {
        path: x for path, x in papers.items() if not isinstance(x, str) and path != "version"
    }
    published = {path: x for path, x in leaves(PUBLISHED) if not isinstance(x, str)}
    assert numbers == pytest.approx(published, rel=1e-12)


def test_the_smooth_relu_ends_where_its_fit_reaches_the_supply() -> None:
    """Which is how its last current was found; the ReLU's ceiling follows from its logarithm."""
    end = PUBLISHED["relu_smooth"]["i_ceiling_A"]
    without_end = PUBLISHED | {"relu_smooth": PUBLISHED["relu_smooth"] | {"i_ceiling_A": 1.0}}
    assert relu_smooth(without_end, end) == pytest.approx(2.5, abs=1e-6)
