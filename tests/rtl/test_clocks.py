"""Latency and interval of every size are those that ``ohmbench.digital.clocks`` promises.

In compiled simulation where the three limits of the interval change hands, and in the cycle model,
which ``test_fuzz.py`` holds against the simulation, for sizes drawn at random.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from ohmbench.digital.clocks import image_clocks
from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import check_buildable, usual_hardware
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.synthesis.clocks import count_clocks
from ohmbench.eda.verilator import Build
from ohmbench.errors import RangeError

from .asserts import assert_bit_exact
from .cycle_model import OUTPUTS, CycleModel
from .stimulus import random_images, random_network

DRAWN = 100
_VALID = OUTPUTS.index("result_valid")


def draw(rng: random.Random) -> Hardware:
    """Any hardware that can be built."""
    while True:
        hardware = Hardware(
            rng.choice([1, 7, 8, 9, 16, 24, 40, 64, 100]),
            rng.randint(1, 70),
            rng.randint(1, 60),
            lanes=rng.randint(1, 30),
            requants=rng.choice([1, 2, 4, 8]),
        )
        try:
            check_buildable(hardware)
        except RangeError:
            continue
        return hardware


def intervals(hardware: Hardware, results: int, before: int, ready: int, seed: int) -> np.ndarray:
    """Between results of images without a pause, the sink taking each at once; for the ``before``
    clocks before that, it takes in ``ready`` percent of clocks."""
    model, promised = CycleModel(hardware, seed=seed), image_clocks(hardware)
    model.only_stream(ready=ready)
    model.draw(before)
    model.only_stream(ready=100)
    shown = model.draw(int(results * promised.mean_interval) + 6 * promised.latency)
    valid = np.flatnonzero(shown.expected[:, _VALID])
    return np.diff(valid)[6:]  # the first ones are still those of the time before


@pytest.mark.needs("compiler")
def test_a_stream_sustains_the_mean_and_never_takes_longer_than_promised() -> None:
    rng = random.Random(9)
    limits = set()
    for seed in range(1, DRAWN + 1):
        hardware = draw(rng)
        promised = image_clocks(hardware)
        before = rng.randrange(1, 6 * promised.latency)
        found = intervals(hardware, 40, before, rng.choice([100, 10, 30, 70]), seed)
        found = found[: len(found) // 2 * 2]
        assert found.mean() == promised.mean_interval, f"{hardware} [seed {seed}]"
        assert found.max() <= promised.interval, f"{hardware} [seed {seed}]"
        straight = intervals(hardware, 20, 1, 100, seed)
        assert straight.max() == promised.interval, f"{hardware} [seed {seed}]"
        limits.add((promised.interval > promised.mean_interval, promised.mean_interval % 1))
    # Even, uneven with a whole mean, uneven with half a clock: all of them occurred.
    assert len(limits) >= 3


SIZES = {
    "4-10-3": usual_hardware(4, 10, 3),  # two images under way are the limit
    "1-1-1": usual_hardware(1, 1, 1),  # so they are, with half a clock
    "8-2-24": Hardware(8, 2, 24, lanes=1, requants=1),  # the readout is
}
MORE = {name: usual_hardware(*map(int, name.split("-"))) for name in ("2-5-2", "8-16-4", "16-32-3")}


def _cases() -> list:
    default = [pytest.param(hardware, id=name) for name, hardware in SIZES.items()]
    drawn = {f"drawn-{k}": draw(random.Random(100 + k)) for k in range(10)}
    slow = [
        pytest.param(hardware, id=name, marks=pytest.mark.slow)
        for name, hardware in (MORE | drawn).items()
    ]
    return default + slow


@pytest.mark.needs("verilator", "compiler")
@pytest.mark.parametrize("hardware", _cases())
def test_the_hardware_takes_as_long_as_promised(hardware: Hardware) -> None:
    """As ``ohmbench synth`` counts, then in a long stream with all values checked."""
    counted, promised = count_clocks(hardware), image_clocks(hardware)
    assert (counted.load, counted.latency) == (promised.load, promised.latency)
    assert counted.interval == promised.interval
    assert counted.mean_interval == promised.mean_interval
    rng = np.random.default_rng(8)
    network = random_network(rng, (hardware.inputs, hardware.hidden, hardware.classes))
    images = random_images(rng, 203, hardware.inputs)
    with Simulation(Build(hardware)) as simulation:
        found = assert_bit_exact(simulation, network, images, "default_rng(8)")
    apart = np.diff(found.taken)[2:]
    assert apart.mean() == promised.mean_interval
    assert apart.max() == promised.interval
