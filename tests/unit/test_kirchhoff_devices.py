"""Devices: each documented formula in plain floats, slopes, and which stored rows are idle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.errors import OperandError
from ohmbench.kirchhoff.devices import ACTIVATIONS, DEVICE_NAMES, Device, device
from tests.unit.asserts import assert_gradient
from tests.unit.circuits import DEVICES
from tests.unit.kirchhoff_checks import FORMULAS, check_formulas

Floats = Sequence[float]
each_device = pytest.mark.parametrize("name", DEVICES)
volts = st.floats(-3, 3)
numbers = st.lists(st.floats(-3, 3), min_size=3, max_size=3)


def current(kind: Device, p: Floats, s: float, d: float) -> float:
    rows = torch.tensor(p[: kind.rows], dtype=torch.float64)[:, None]
    s_, d_ = (torch.tensor([x], dtype=torch.float64) for x in (s, d))
    return float(kind.current(rows, s_, d_))


def test_every_device_has_a_formula_of_its_own() -> None:
    assert set(FORMULAS) == set(DEVICES)
    assert {name.split("-")[0] for name in DEVICES} == set(DEVICE_NAMES)


@each_device
def test_documented_formula(name: str) -> None:
    check_formulas([name])


PAIRS: dict[str, tuple[str, str, Callable[[Floats], Floats], bool]] = {
    # name: difference form, two-voltage form, its parameters, only where p1 is positive
    "tanh": ("ShiftTanh1", "ShiftTanh2", lambda p: (p[1], -p[1], p[0]), False),
    # p1 relu(x - p0) = relu(p1 x - p1 p0) where p1 >= 0: relu scales with positive numbers alone.
    "relu": ("ShiftRelu1", "ShiftRelu2", lambda p: (p[1], -p[1], -p[0] * p[1]), True),
    "leaky": (
        "ShiftLeakyRelu1",
        "ShiftLeakyRelu2",
        lambda p: (p[1], -p[1], -p[0] * p[1]),
        True,
    ),
    "conductance": (
        "Conductance",
        "Device-identity-two-voltages",
        lambda p: (p[0], -p[0], 0.0),
        False,
    ),
    **{
        f"general-{a}": (
            f"Device-{a}-difference",
            f"Device-{a}-two-voltages",
            lambda p: (p[1], -p[1], p[0]),
            False,
        )
        for a in ACTIVATIONS
    },
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@given(p=numbers, s=volts, d=volts)
def test_difference_form_is_the_two_voltage_form_where_they_coincide(
    pair: tuple[str, str, Callable[[Floats], Floats], bool], p: list[float], s: float, d: float
) -> None:
    one, two, converted, positive = pair
    p = [abs(x) for x in p] if positive else p
    found, expected = (
        current(DEVICES[one], p, s, d),
        current(DEVICES[two], converted(p), s, d),
    )
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(
    ("named", "general"),
    [
        ("ShiftTanh1", "Device-tanh-difference"),
        ("ShiftTanh2", "Device-tanh-two-voltages"),
        ("ShiftRelu2", "Device-relu-two-voltages"),
        ("ShiftLeakyRelu2", "Device-leaky_relu-two-voltages"),
    ],
)
@given(p=numbers, s=volts, d=volts)
def test_general_device_is_the_named_one_of_its_activation(
    named: str, general: str, p: list[float], s: float, d: float
) -> None:
    assert current(DEVICES[named], p, s, d) == current(DEVICES[general], p, s, d)


@pytest.mark.parametrize("name", DEVICES)
def test_difference_devices_say_so(name: str) -> None:
    """What only reads one of the coefficients has to know."""
    device = DEVICES[name]
    _, a, b, _ = device.coefficients(torch.rand(device.rows, 50) + 0.1)
    assert device.difference == torch.equal(b, -a)


@pytest.mark.parametrize("name", [n for n in DEVICES if "two-voltages" not in n and n[-1] != "2"])
@given(p=numbers, s=volts, d=volts, shift=volts)
def test_difference_devices_see_no_common_mode(
    name: str, p: list[float], s: float, d: float, shift: float
) -> None:
    found = current(DEVICES[name], p, s + shift, d + shift)
    # Rounding of the shifted voltages, times gains of up to 3 and slopes of up to 1.
    assert found == pytest.approx(current(DEVICES[name], p, s, d), abs=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_slope_is_the_derivative(activation) -> None:
    u = torch.linspace(-4, 4, 401, dtype=torch.float64) + 0.0031  # no kink within h
    h = 1e-6
    difference = (activation.phi(u + h) - activation.phi(u - h)) / (2 * h)
    slope = activation.slope(u, activation.phi(u))
    assert float((slope - difference).abs().max()) < 1e-9
    assert_gradient(activation.phi, u)
    assert slope.dtype == u.dtype
    single = activation.slope(u.float(), activation.phi(u.float()))
    assert single.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "below"), [("relu", 0.0), ("leaky_relu", 0.01)], ids=["relu", "leaky_relu"]
)
def test_slope_at_the_kink_is_the_one_below_and_that_of_torch(name: str, below: float) -> None:
    u = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    y = ACTIVATIONS[name].phi(u)
    (gradient,) = torch.autograd.grad(y.sum(), u)
    assert float(ACTIVATIONS[name].slope(u, y)) == float(gradient) == below


ROWS = {
    # The published shapes: 920 272 parameters of the MNIST net are 2 slices of 2 rows.
    "ShiftRelu1": (2, 2),
    "ShiftLeakyRelu1": (2, 2),
    "ShiftRelu2": (3, 3),
    "ShiftLeakyRelu2": (3, 3),
    "ShiftTanh1": (3, 2),
    "ShiftTanh2": (3, 3),
    "Conductance": (3, 1),
}


@pytest.mark.parametrize("name", ROWS)
def test_stored_and_idle_rows_of_the_published_devices(name: str) -> None:
    assert (DEVICES[name].rows, DEVICES[name].used) == ROWS[name]


@each_device
def test_current_depends_on_the_used_rows_and_on_no_other(name: str) -> None:
    kind = DEVICES[name]
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(kind.rows, 50, generator=generator, dtype=torch.float64, requires_grad=True)
    s, d = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(kind.current(p, s, d).sum(), p)
    moved = gradient.abs().amax(1) > 0
    assert moved.tolist() == [row < kind.used for row in range(kind.rows)]


@each_device
def test_currents_of_whole_batches_are_the_single_ones(name: str) -> None:
    kind = DEVICES[name]
    generator = torch.Generator().manual_seed(1)
    p = torch.randn(kind.rows, 5, generator=generator, dtype=torch.float64)
    s, d = torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    whole = kind.current(p, s, d)
    assert whole.shape == (7, 5)
    for b in range(7):
        for e in range(5):
            one = current(kind, p[:, e].tolist(), float(s[b, e]), float(d[b, e]))
            assert math.isclose(one, float(whole[b, e]), rel_tol=1e-14, abs_tol=1e-15)


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("ShiftGelu", {}, "unknown device 'ShiftGelu'; choose one of ShiftRelu1"),
        ("Device", {}, "activation None, but should be one of relu"),
        ("Device", {"activation": "gelu"}, "activation 'gelu'"),
        ("ShiftTanh1", {"activation": "tanh"}, "takes no activation"),
    ],
)
def test_devices_that_do_not_exist(name: str, arguments: dict[str, str], complaint: str) -> None:
    with pytest.raises(OperandError, match=complaint):
        device(name, **arguments)
