"""Device cards: the paper's constants, devices of one's own, and files that are no card."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from ohmbench.errors import FileError, OperandError
from ohmbench.files import read_yaml
from ohmbench.floatgate import (
    EKV,
    FG_ARRAY,
    FG_ARRAY_WTA,
    WTA_CELL,
    Activation,
    Circuits,
    FGLayer,
    FGNetwork,
    NetworkSpec,
    load_card,
    max_power,
    power_per_image,
)
from ohmbench.floatgate.card import CARD_NAMES, CARDS_FOLDER, DEFAULT_CARD, card_of
from ohmbench.floatgate.circuits import PAPER_CIRCUITS
from ohmbench.floatgate.fast.fused_cells import bound, row_error
from ohmbench.floatgate.rows import line_currents
from ohmbench.floatgate.synapse import SubthresholdCell

F64 = torch.float64


def paper() -> dict[str, Any]:
    """The paper's card as plain values, to be changed."""
    value: dict[str, Any] = read_yaml(CARDS_FOLDER / f"{DEFAULT_CARD}.yaml")
    return value


def changed(path: str, value: Any = None) -> dict[str, Any]:
    """The paper's card with the key at ``path`` (dotted) set to ``value``, or left out."""
    card = paper()
    *parents, last = path.split(".")
    inner: Any = card
    for key in parents:
        inner = inner[int(key) if key.isdigit() else key]
    if value is None:
        del inner[last]
    else:
        inner[int(last) if last.isdigit() else last] = value
    return card


def other_device() -> dict[str, Any]:
    """A 65 nm cell at 1.2 V, of the EKV form: every constant another than the paper's."""
    card = paper()
    card |= {"name": "fg-65nm", "supply_V": 1.2, "programmable":
             {"w_min_A": 1e-11, "w_max_A": 2e-6, "bits": 10}}  # fmt: skip
    card["cell"] |= {"is1_A": -2e-9, "is0_A": -2.2e-8, "a_per_V": 30.0, "b1": -1.1, "b0": 14.0,
                     "i_leak_A": 2e-11}  # fmt: skip
    card["cell"]["fitted"] |= {"v_V": [0.6, 1.2], "w_A": [1e-11, 2e-6]}
    card["power"] = {"per_neuron_A": 3e-7, "shared_A": 5e-8}
    card["logits"] = {"zero_V": 1.0, "per_V": 8.0}
    for part in ("positive_cell", "wta", "relu", "relu_smooth"):
        del card[part]
    return card


# ------------------------------------------------------------------------------------------------
# The paper's


def test_the_papers_device_is_the_one_that_its_networks_use() -> None:
    card = load_card()
    assert (card.name, *CARD_NAMES) == (DEFAULT_CARD, DEFAULT_CARD)
    circuits = Circuits(card)
    assert circuits == PAPER_CIRCUITS
    assert circuits.cell(Activation.SIGMOID) == EKV
    assert circuits.cell(Activation.WTA) == WTA_CELL
    assert circuits.programmable(Activation.RELU) == FG_ARRAY
    assert circuits.programmable(Activation.WTA) == FG_ARRAY_WTA


def test_its_constants_are_the_published_ones() -> None:
    """Each once more, from the paper's artifacts: a digit lost in the file would be everywhere."""
    card = load_card()
    assert card.supply_V == 2.5
    assert card.lines is not None
    volts = card.lines.cubic_V
    cubic = [volts[0], volts[1] * 1e9, volts[2] * 1e18, volts[3] * 1e27]
    assert cubic == pytest.approx([-0.0182625, 5.3942e8, 4.6537e19, -1.7814e29], rel=1e-12)
    # Twice 570 nA and 400 nA a neuron, 100 nA for all (power script).
    assert PAPER_CIRCUITS.overhead_W(110) == pytest.approx(2.5 * (110 * 1.54e-6 + 1e-7))
    logits = PAPER_CIRCUITS.logits(Activation.SIGMOID, torch.tensor([2.0, 2.25, 2.5], dtype=F64))
    assert logits.tolist() == [-4.0, 0.0, 4.0]  # 4 (v - 2.25) / 0.25


def test_circuits_go_through_a_pickle_and_a_copy() -> None:
    layer = FGLayer(torch.tensor([[1e-7]]), torch.tensor([1e-8]), Activation.SIGMOID)
    v = torch.tensor([2.2])
    through_bytes = pickle.loads(pickle.dumps(layer))  # noqa: S301 - its own
    for again in (through_bytes, copy.deepcopy(layer)):
        assert again.circuits == layer.circuits
        assert torch.equal(again(v), layer(v))
    assert hash(Circuits(load_card())) == hash(PAPER_CIRCUITS)
    assert Circuits(card_of(other_device(), "card")) != PAPER_CIRCUITS


# ------------------------------------------------------------------------------------------------
# A device of one's own


def test_another_devices_cell_by_its_formula() -> None:
    circuits = Circuits(card_of(other_device(), "card"))
    cell = circuits.cell(Activation.SIGMOID)
    for w in (1e-10, -3e-8, 1.9e-6):
        for v in (0.4, 0.9, 1.2, 1.5):
            ln_w = math.log(abs(w))
            x = 30.0 * min(v, 1.2) - (-1.1 * ln_w + 14.0)
            i = (-2e-9 * ln_w - 2.2e-8) * math.log1p(math.exp(x)) ** 2 + 2e-11
            found = cell.current(torch.tensor(v, dtype=F64), torch.tensor(w, dtype=F64))
            assert float(found) == pytest.approx(math.copysign(i, w), rel=1e-12)


def test_rows_of_another_device_by_the_fast_path() -> None:
    """Within the bound that follows from its constants."""
    cell = Circuits(card_of(other_device(), "card")).cell(Activation.SIGMOID)
    found_bound = bound(cell)
    assert found_bound is not None
    box = found_bound.box
    generator = torch.Generator().manual_seed(0)
    v = box.v_low_V + (1.2 - box.v_low_V) * torch.rand(7, 5, generator=generator)
    w = 10 ** (-10 + 4 * torch.rand(3, 5, generator=generator)) * torch.tensor([1.0, -1, 1, -1, 1])
    fast = line_currents(cell, v, w, torch.zeros(3), path="fused")
    exact = line_currents(cell, v.double(), w.double(), torch.zeros(3, dtype=F64), path="plain")
    most = row_error(cell, torch.float32, 5)
    for x, y in zip(fast, exact, strict=True):
        assert float((x.double() / y - 1).abs().max()) <= most


def test_power_is_of_the_devices_supply_and_bias_currents() -> None:
    circuits = Circuits(card_of(other_device(), "card"))
    spec = NetworkSpec("x", (1, 2), (Activation.SIGMOID,), 0.5, 0.5, "x", circuits)
    network = FGNetwork(spec, [torch.tensor([[1e-7], [-2e-7]])], [torch.tensor([1e-9, -1e-9])])
    overhead = 1.2 * (2 * 3e-7 + 5e-8)
    assert max_power(network) == pytest.approx(overhead + 1.2 * (3e-7 + 2e-9))
    v = torch.tensor([[0.8]])
    with torch.no_grad():
        currents = network.trace(v)[0].currents
    drawn = float((currents.pos - currents.neg).sum())
    assert float(power_per_image(network, v)) == pytest.approx(overhead + 1.2 * drawn, rel=1e-6)
    assert network.logits(torch.tensor([1.0, 1.25])).tolist() == [0.0, 2.0]
    counts = network.violations()["layer 0 weight"]
    assert (counts.too_small, counts.too_large) == (0, 0)
    assert spec.programmable(0).bits == 10


def test_a_circuit_that_the_device_does_not_have() -> None:
    circuits = Circuits(card_of(other_device(), "card"))
    assert [a for a in Activation if circuits.has(a)] == [Activation.SIGMOID]
    with pytest.raises(OperandError, match="fg-65nm has no wta"):
        NetworkSpec("x", (1, 2), (Activation.WTA,), 0.5, 0.5, "x", circuits)


def test_cells_below_threshold() -> None:
    card = paper()
    card["cell"] = {"form": "subthreshold", "k1_per_V": -7.0, "k0_per_V": -22.0, "i_leak_A": 0.0,
                    "fitted": card["cell"]["fitted"]}  # fmt: skip
    cell = Circuits(card_of(card, "card")).cell(Activation.SIGMOID)
    assert isinstance(cell, SubthresholdCell)
    w = torch.tensor([1e-9], dtype=F64)
    assert float(cell.current(torch.tensor(2.5, dtype=F64), w)) == pytest.approx(1e-9)
    expected = 1e-9 * math.exp(-0.1 * (7.0 * 9 - 22.0))
    assert float(cell.current(torch.tensor(2.4, dtype=F64), w)) == pytest.approx(expected)


def test_a_card_of_ones_own_is_a_file(tmp_path: Path) -> None:
    with (tmp_path / "mine.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(other_device(), file)
    assert load_card("mine.yaml", folder=tmp_path) == card_of(other_device(), "card")
    with pytest.raises(FileError, match=f"no such card; choose one of .*{DEFAULT_CARD}"):
        load_card("fg-350", folder=tmp_path)


FAULTS: dict[str, tuple[str, Any, str]] = {
    "no supply": ("supply_V", None, "supply_V: missing"),
    "a supply of nothing": ("supply_V", 0.0, "supply_V: expected more than 0"),
    "an unknown form": ("cell.form", "bsim", "cell.form"),
    "an unknown key": ("cell.gm", 1.0, "cell.gm: unknown key"),
    "no number": ("cell.b0", "many", "cell.b0: expected a number"),
    "not finite": ("cell.b0", math.inf, "cell.b0"),
    "a cell that rises": ("cell.is1_A", 8e-9, "cell.is1_A"),
    "fitted nowhere": ("cell.fitted.v_V", [2.5, 1.7], "cell.fitted.v_V: "),
    "programmed nowhere": ("programmable.w_max_A", 1e-13, "programmable.w_max_A"),
    "programmed beyond the formula": ("programmable.w_max_A", 1e-4, "programmable.w_max_A"),
    "too many bits": ("programmable.bits", 21, "programmable.bits"),
    "positive cells beyond theirs": ("positive_cell.w_max_A", 7.7e-6, "positive_cell.w_max_A"),
    "positive cells below the array": ("positive_cell.w_max_A", 1e-12, "positive_cell.w_max_A"),
    "no lines for a sigmoid": ("lines", None, "lines: missing"),
    "no cells for wta": ("positive_cell", None, "positive_cell: missing"),
    "lines out of order": ("lines.i_cubic_A", 1e-11, "lines.positive.i_last_A"),
    "a cubic of three": ("lines.cubic_V", [0.0, 1.0, 2.0], "lines.cubic_V: expected at least 4"),
    "an edge without a region": ("sigmoid.p_edges_V", [0.38], "sigmoid.regions"),
    "edges out of order": ("sigmoid.p_edges_V", [1.78, 0.38], "sigmoid.p_edges_V"),
    "a relu that does not rise": ("relu.logarithms_V.0", [-0.022, 2.615], "relu.logarithms_V[0]"),
    "a relu out of order": ("relu.decades", [-6.2, -7.3], "relu.decades"),
    "no source": ("source", "", "source"),
    "another kind of card": ("card", "variation", "card: expected 'floatgate'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_card_is_one_line_that_names_the_key(fault: str) -> None:
    path, value, expected = FAULTS[fault]
    with pytest.raises(FileError) as refused:
        card_of(changed(path, value), "my.yaml")
    message = str(refused.value)
    assert message.startswith("my.yaml")
    assert expected in message
    assert "\n" not in message


LARGEST_A = math.exp(8.0497e-8 / -8.0282e-9)
"""Where the paper's cell ends."""
RANGES: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "programmable.w_max_A": ((1e-11, LARGEST_A * 0.999), (LARGEST_A, LARGEST_A * 1.001, 1e-12)),
    "positive_cell.w_max_A": ((1.1e-12, 7.69e-6), (1e-12, 5e-8 / 0.0065, 1e-5)),
    "programmable.bits": ((1, 20), (0, 21)),
    "supply_V": ((1e-3, 100), (0.0, 100.1, 1e300)),
    "cell.a_per_V": ((1e-9, 1000), (0.0, -1.0, 1000.1, 1e300, math.nan)),
    "cell.b0": ((-1000, 1000), (-1001, 1001, 1e300)),
    "cell.i_leak_A": ((0.0, 1), (-1e-30, 1.1)),
    "programmable.w_min_A": ((1e-20, 1e-9), (0.0, 1e-21, 1e-300)),
    "power.per_neuron_A": ((0, 1), (-1e-9, 1e300)),
    "logits.per_V": ((1e-6, 1e6), (0.0, 1e300)),
    "sigmoid.regions.0.s0": ((-1e12, 1e12), (1e13, 1e308)),
    "relu.decades": (([-7.4, -6.2], [-7.3, -5.5]), ([-13.0, -6.2], [-7.3, -5.0], [-7.3, -7.3])),
    "relu.logarithms_V.0": (([0.022, 2.615], [0.03, 2.615]), ([0.0, 2.615], [1e-9, 2.615])),
    **{
        f"lines.{line}.i_last_A": ((1.63e-10, 1e-6), (1.622e-10, 1.6e-10, 1e-12, 0.0))
        for line in ("positive", "negative")
    },
    "lines.i_cubic_A": ((1.52e-11, 1e-6), (1.5166e-11, 1e-12, 2.2e-6)),
    "relu.logarithms_V.2": (([0.08, 3.49],), ([0.0, 3.49], [-0.08, 3.49], [1e-9, 3.49])),
}


@pytest.mark.parametrize("path", RANGES)
def test_ends_of_ranges(path: str) -> None:
    taken, refused = RANGES[path]
    for inside in taken:
        card_of(changed(path, inside), "my.yaml")
    for outside in refused:
        with pytest.raises(FileError, match=r"my\.yaml"):
            card_of(changed(path, outside), "my.yaml")


def test_a_device_without_any_circuit() -> None:
    card = other_device()
    del card["sigmoid"], card["lines"]
    with pytest.raises(FileError, match="sigmoid: missing: needs one of"):
        card_of(card, "my.yaml")


def test_cells_of_winner_take_all_rows_have_the_cards_bits() -> None:
    for bits in (8, 14):
        circuits = Circuits(card_of(changed("programmable.bits", bits), "card"))
        assert [circuits.programmable(a).bits for a in Activation] == [bits] * len(Activation)
    narrow = Circuits(card_of(changed("programmable.w_min_A", 1e-10), "card"))
    assert [narrow.programmable(a).w_min_A for a in Activation] == [1e-10] * len(Activation)
