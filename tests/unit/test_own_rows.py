"""Rows of devices of the user's own by the fast path, against formulas in plain floats.

Sizes are no multiples of anything, none of the two lines is like the other, and operands stand at
the ends of what the cells were fitted for.
"""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.floatgate import Activation, Circuits
from ohmbench.floatgate.card import card_of
from ohmbench.floatgate.rows import line_currents
from tests.unit.test_card_keys import BELOW_THRESHOLD, DEVICE, cell

ROUNDING = 2e-5
"""Of float32: some hundred roundings of 6e-8 are doubled by a square, and more than they are."""


def moved(card: dict[str, Any], part: str, **values: float) -> dict[str, Any]:
    found = copy.deepcopy(card)
    found[part] |= values
    return found


CELLS: dict[str, tuple[dict[str, Any], bool]] = {
    "ekv": (DEVICE, False),
    "ekv steep": (moved(DEVICE, "cell", a_per_V=19.0, b0=25.0), False),
    "ekv without leak": (moved(DEVICE, "cell", i_leak_A=0.0), False),
    "subthreshold": (BELOW_THRESHOLD, False),
    "subthreshold steep": (moved(BELOW_THRESHOLD, "cell", k1_per_V=-8.3, k0_per_V=-31.0), False),
    "wta": (DEVICE, True),
    "wta steep": (moved(DEVICE, "positive_cell", a0_per_V=22.0, b0=44.0), True),
}
SHAPES = [(3, 2, 5), (5, 7, 131), (1, 1, 1), (17, 3, 4)]
"""Samples, rows, cells of a row: fewer and more than are added up side by side."""


def operands(card: dict[str, Any], of_wta: bool, shape: tuple[int, int, int], seed: int) -> Any:
    """Voltages (samples, inputs), weights (rows, inputs), biases; ends of ranges among them."""
    samples, rows, inputs = shape
    rng = np.random.default_rng(seed)
    fitted = card["positive_cell" if of_wta else "cell"]["fitted"]
    low_V, high_V = max(fitted["v_V"][0], 1.15), card["supply_V"]
    v = rng.uniform(low_V, high_V, (samples, inputs))
    v = np.where(rng.random(v.shape) < 0.15, high_V + 0.3, v)
    v = np.where(rng.random(v.shape) < 0.1, low_V * (1 + 1e-6), v)
    v[0, -1] = high_V + 0.1
    low_A, high_A = fitted["w_A"][0], min(fitted["w_A"][1], 3e-6)
    w = np.exp(rng.uniform(math.log(low_A), math.log(high_A), (rows, inputs)))
    w = np.where(rng.random(w.shape) < 0.1, low_A * (1 + 1e-6), w)
    if not of_wta:
        w *= np.where(rng.random(w.shape) < 0.3, -1, 1)
    bias = rng.normal(0, 1e-8, rows)
    return [torch.from_numpy(x).float() for x in (v, w, bias)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_line_currents_of_own_cells(name: str, shape: tuple[int, int, int]) -> None:
    card, of_wta = CELLS[name]
    activation = Activation.WTA if of_wta else Activation.SIGMOID
    model = Circuits(card_of(card, "card")).cell(activation)
    v, w, bias = operands(card, of_wta, shape, 3)
    pos, neg = line_currents(model, v, w, bias, path="fused")
    for sample, (of_pos, of_neg) in enumerate(zip(pos.tolist(), neg.tolist(), strict=True)):
        for row in range(shape[1]):
            i = [cell(card, x, a, of_wta=of_wta)
                 for x, a in zip(v[sample].tolist(), w[row].tolist(), strict=True)]  # fmt: skip
            b = float(bias[row])
            expected_pos = math.fsum([*(x for x in i if x > 0), max(b, 0.0)])
            expected_neg = math.fsum([*(x for x in i if x < 0), min(b, 0.0)])
            assert of_pos[row] == pytest.approx(expected_pos, rel=ROUNDING)
            # Rows of winner-take-all have no such line.
            wanted = 0.0 if of_wta else expected_neg
            assert of_neg[row] == pytest.approx(wanted, rel=ROUNDING)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_own_cells(name: str) -> None:
    """By differences of the formula; gates above the supply pass none."""
    card, of_wta = CELLS[name]
    activation = Activation.WTA if of_wta else Activation.SIGMOID
    model = Circuits(card_of(card, "card")).cell(activation)
    samples, rows, inputs = shape = (3, 2, 5)
    v, w, bias = operands(card, of_wta, shape, 8)
    assert bool((v > card["supply_V"]).any())
    rng = np.random.default_rng(1)
    of_pos, of_neg = (torch.from_numpy(rng.normal(0, 1, (samples, rows))).float() for _ in "pn")
    wanted: dict[str, np.ndarray] = {
        "v": np.zeros((samples, inputs)),
        "w": np.zeros((rows, inputs)),
    }
    allowed = {name: np.zeros_like(x) for name, x in wanted.items()}
    for s, r, k in itertools.product(range(samples), range(rows), range(inputs)):
        x, a = float(v[s, k]), float(w[r, k])
        weight = float((of_pos if a >= 0 else of_neg)[s, r])
        # All of a winner-take-all cell is linear in its current: a step of its own size.
        step = 1e-11 if of_wta else 1e-6 * a
        for name, place, dx, da in (("v", (s, k), 1e-6 * x, 0.0), ("w", (r, k), 0.0, step)):
            up, down = (cell(card, x + t * dx, a + t * da, of_wta=of_wta) for t in (1, -1))
            slope = weight * (up - down) / (2 * (dx + da))
            wanted[name][place] += slope
            # Of float32, and of the difference itself.
            allowed[name][place] += 1e-4 * abs(slope) + abs(1e-15 * weight * up / (dx + da))
    leaves = v.requires_grad_(), w.requires_grad_()
    pos, neg = line_currents(model, *leaves, bias, path="fused")
    ((of_pos * pos).sum() + (of_neg * neg).sum()).backward()
    for name, leaf in zip("vw", leaves, strict=True):
        assert leaf.grad is not None
        assert bool((np.abs(leaf.grad.numpy() - wanted[name]) <= allowed[name]).all()), name
