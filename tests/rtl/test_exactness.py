"""The hardware equals the golden model in every bit of every value, and in its clocks.

Thousands of inferences in compiled simulation; the seed is in each test's name, and a failure says
which network and image. Latency and interval are those that ``ohmbench.digital.clocks`` promises.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ohmbench.digital import Int8Network, infer
from ohmbench.digital.clocks import image_clocks
from ohmbench.digital.widths import Hardware
from ohmbench.eda.simulation import Simulation, simulate
from ohmbench.eda.verilator import Build

from .asserts import assert_bit_exact, assert_exact
from .stimulus import corners, random_images, random_network, steered

pytestmark = pytest.mark.needs("verilator", "compiler")

DIGITS = (64, 100, 10)
MNIST = (784, 64, 10)
NAMES = {DIGITS: "64-100-10", MNIST: "784-64-10"}
INPUTS_PER_NETWORK = 10
GAPS = {
    "no pause": {"input_gap": 0, "output_gap": 0},
    "idle cycles": {"input_gap": 40, "output_gap": 0},
    "backpressure": {"input_gap": 0, "output_gap": 97},
    "both": {"input_gap": 60, "output_gap": 90},
}


def latency(hardware: Hardware) -> int:
    """Clocks from an image's last word to its result, as promised."""
    return image_clocks(hardware).latency


@pytest.fixture(scope="module", params=list(NAMES), ids=NAMES.values())
def simulation(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    with Simulation(Build(Hardware(*request.param))) as found:
        yield found


def sizes(simulation: Simulation) -> tuple[int, int, int]:
    hardware = simulation.hardware
    return hardware.inputs, hardware.hidden, hardware.classes


def a_third_steered(
    seed: int, size: tuple[int, int, int], n: int
) -> Iterator[tuple[Int8Network, np.ndarray, str]]:
    """``n`` networks with ten images each, every third one steered, and what to call them."""
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        kind = "random" if k % 3 else "steered"
        if kind == "steered":
            network, images = steered(rng, size, INPUTS_PER_NETWORK)
        else:
            network = random_network(rng, size)
            images = random_images(rng, INPUTS_PER_NETWORK, size[0])
        yield (
            network,
            images,
            f"{kind}, default_rng([{seed}, {k}])",
        )


@pytest.mark.parametrize("gaps", GAPS.values(), ids=GAPS)
@pytest.mark.parametrize("seed", [1])
def test_random_and_steered_networks(
    simulation: Simulation, seed: int, gaps: dict[str, int]
) -> None:
    """1000 networks with 10 images each in all for 64-100-10, 100 for 784-64-10."""
    size = sizes(simulation)
    n = {DIGITS: 250, MNIST: 25}[size]
    seed += 10 * list(GAPS.values()).index(gaps)
    survivors = 0
    for k, (network, images, where) in enumerate(a_third_steered(seed, size, n)):
        found = assert_bit_exact(simulation, network, images, where, seed=k + 1, **gaps)
        survivors += int(((found.hidden > 0) & (found.hidden < 255)).sum())
    # Otherwise the networks say nothing about the requantisation.
    assert survivors > n * INPUTS_PER_NETWORK


def test_steering_hits_the_boundaries() -> None:
    """The least r of a hidden value, its two neighbours, saturation, and ties all occur."""
    hits = {"least": 0, "below": 0, "half": 0, "saturates": 0, "at 255": 0, "tie": 0, "zero": 0}
    for k in range(100):
        network, images = steered(np.random.default_rng([7, k]), DIGITS, 1)
        golden = infer(network, images)
        r, M, S = golden.r[0], network.M, network.S
        value = r * M >> S
        hits["least"] += int(((value > 0) & ((r - 1) * M >> S < value)).sum())
        hits["below"] += int((((r + 1) * M >> S > value) & (value < 256)).sum())
        hits["half"] += int(((value < 256) & (r * M % 2**S * 2 >= 2**S)).sum())
        hits["saturates"] += int(((value == 256) & ((r - 1) * M >> S == 255)).sum())
        hits["at 255"] += int(((value == 255) & ((r + 1) * M >> S == 256)).sum())
        hits["zero"] += int((golden.acc0 == 0).sum())
        hits["tie"] += int((golden.logits[0] == golden.values[0]).sum() > 1)
    assert min(hits.values()) >= 20, hits


def test_corners(simulation: Simulation) -> None:
    """All weights at an end, biases at both ends of int32, M in {0, 1, 65535}, every shift."""
    for name, network, images in corners(sizes(simulation)):
        assert_bit_exact(simulation, network, images, name)


def test_latency_and_interval(simulation: Simulation) -> None:
    """One image: the promised clocks. A stream of them: the promised interval."""
    hardware = simulation.hardware
    rng = np.random.default_rng(3)
    network = random_network(rng, sizes(simulation))
    for n in (1, 12):
        images = random_images(rng, n, hardware.inputs)
        found = assert_bit_exact(simulation, network, images, "default_rng(3)")
        assert found.latency[0] == latency(hardware)
        assert (np.diff(found.valid) == image_clocks(hardware).interval).all()


def test_targets_of_64_100_10() -> None:
    """At most 100 clocks from start to result, a new image at least every 64."""
    hardware = Hardware(*DIGITS)
    assert latency(hardware) <= 100
    assert image_clocks(hardware).interval <= 64


@pytest.mark.parametrize("seed", range(10))
def test_what_registers_start_with_does_not_matter(seed: int) -> None:
    """Random contents of all registers and memories before reset, ten times."""
    with Simulation(Build(Hardware(*DIGITS)), seed=seed + 1) as simulation:
        for network, images, where in a_third_steered(100 + seed, DIGITS, 6):
            assert_bit_exact(simulation, network, images, where)


@pytest.mark.parametrize("size", [(8, 4, 2), (100, 37, 26)], ids=["8-4-2", "100-37-26"])
def test_hardware_is_built_to_the_networks_size(size: tuple[int, int, int]) -> None:
    """As ``ohmbench trace`` does it: fewer lanes, other padding, other widths."""
    network, images = steered(np.random.default_rng(5), size, INPUTS_PER_NETWORK)
    assert_exact(infer(network, images), simulate(network, images), "default_rng(5)")


@pytest.mark.parametrize("name", ["hidden", "logits", "classes", "values", "padding"])
def test_a_wrong_value_is_noticed(simulation: Simulation, name: str) -> None:
    """The judge itself: one value changed by one, anywhere."""
    rng = np.random.default_rng(4)
    network = random_network(rng, sizes(simulation))
    images = random_images(rng, 3, simulation.hardware.inputs)
    found = assert_bit_exact(simulation, network, images, "default_rng(4)")
    values = getattr(found, name)
    values[(-1,) * values.ndim] ^= 1
    message = "no neuron" if name == "padding" else rf"^{name}"
    with pytest.raises(AssertionError, match=message):
        assert_exact(infer(network, images), found, "default_rng(4)")
