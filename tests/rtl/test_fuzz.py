"""A million random clocks against a cycle model, a reset in every clock, every address.

The model (``cycle_model.cpp``) knows the accelerator's documentation, not its structure. All inputs
are random, reset included; all outputs are compared in every clock. Not compared, since nothing is
promised: hidden bytes while ``hidden_valid`` is low, and class, value and logits while a readout
works on them (before and after, they are the last result's, or zero after a reset).
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ohmbench.digital import infer
from ohmbench.digital.hostmap import (
    Error,
    HostRegister,
    Region,
    image_words,
    memories,
    network_words,
)
from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import sources
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.verilator import Build

from .asserts import assert_exact
from .cycle_model import COUNTS, FAULTS, INPUTS, Clocks, CycleModel, Mismatch, fuzz
from .stimulus import random_images, steered

pytestmark = pytest.mark.needs("verilator", "compiler")

DIGITS = Hardware(64, 100, 10)
MNIST = Hardware(784, 64, 10)
CLOCKS = 100_000
SEEDS = range(1, 11)
DEEP_SEEDS = range(1001, 1101)
ADDRESSES = 2**19


def simulate(hardware: Hardware, seed: int = 1) -> Simulation:
    return Simulation(Build(hardware), seed=seed)


def rerun(request: pytest.FixtureRequest) -> str:
    slow = " --slow" if request.node.get_closest_marker("slow") else ""
    return f"rerun: pytest{slow} '{request.node.nodeid}'"


def assert_same(found: Mismatch | None, request: pytest.FixtureRequest) -> None:
    assert found is None, f"{found} [{rerun(request)}]"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_clocks(seed: int, request: pytest.FixtureRequest) -> None:
    """Ten seeds, a million clocks in all."""
    model = CycleModel(DIGITS, seed=seed)
    with simulate(DIGITS, seed) as simulation:
        assert_same(fuzz(simulation, model, CLOCKS), request)
    assert model.counts["results"] > CLOCKS / 200


def test_random_clocks_reach_everything() -> None:
    """The stimulus of all those seeds, which the model alone draws: thousands of images come to
    their end, and every kind of refusal, collision and reset is met."""
    reached: Counter[str] = Counter()
    for seed in SEEDS:
        model = CycleModel(DIGITS, seed=seed)
        for _ in range(10):
            model.draw(CLOCKS // 10)
        reached.update(model.counts)
    print(dict(reached))
    least = dict.fromkeys(COUNTS, 20) | {
        "clocks": 1_000_000,
        "images": 10_000,
        "results": 10_000,
        "resets": 300,
        "busy_resets": 200,
        "backpressured": 50_000,
        "between": 100_000,
    }
    missed = {name: reached[name] for name in COUNTS if reached[name] < least[name]}
    assert not missed


@pytest.mark.parametrize("seed", [11, 12])
def test_random_clocks_of_784_64_10(seed: int, request: pytest.FixtureRequest) -> None:
    model = CycleModel(MNIST, seed=seed)
    with simulate(MNIST, seed) as simulation:
        assert_same(fuzz(simulation, model, CLOCKS), request)
    assert model.counts["results"] > CLOCKS / 2000


# The small ones are rows of configurations.py, which test_configurations.py goes through.
LARGER_SIZES = {
    "narrow last group": Hardware(100, 31, 17, lanes=10, requants=2),
    "many lanes": Hardware(64, 64, 3, lanes=64, requants=8),
    "many classes": Hardware(64, 20, 128, lanes=8, requants=4),
}


@pytest.mark.slow
@pytest.mark.parametrize("size", LARGER_SIZES)
def test_random_clocks_of_larger_sizes(size: str, request: pytest.FixtureRequest) -> None:
    hardware = LARGER_SIZES[size]
    model = CycleModel(hardware, seed=13)
    with simulate(hardware, 13) as simulation:
        assert_same(fuzz(simulation, model, CLOCKS), request)
    assert model.counts["results"] > CLOCKS / 500


@pytest.mark.slow
@pytest.mark.parametrize("hardware", [DIGITS, MNIST], ids=["64-100-10", "784-64-10"])
@pytest.mark.parametrize("seed", DEEP_SEEDS)
def test_many_random_clocks(seed: int, hardware: Hardware, request: pytest.FixtureRequest) -> None:
    """A hundred seeds of a million clocks, for each of both sizes."""
    model = CycleModel(hardware, seed=seed)
    with simulate(hardware, seed) as simulation:
        assert_same(fuzz(simulation, model, 1_000_000), request)


# ------------------------------------------------------------------------------------------------
# The model itself


@pytest.mark.parametrize("fault", range(1, len(FAULTS) + 1), ids=FAULTS)
def test_a_fault_in_the_model_is_seen(fault: int) -> None:
    """Each planted difference is found within the clocks of the test above."""
    for seed in SEEDS:
        with simulate(DIGITS, seed) as simulation:
            found = fuzz(simulation, CycleModel(DIGITS, seed=seed, fault=fault), CLOCKS)
        if found is not None:
            assert str(found).startswith(f"clock {found.clock}: {found.signal} = ")
            return
    pytest.fail(f"{FAULTS[fault - 1]}: not seen in {CLOCKS * len(SEEDS)} clocks")


# What replaces what in which file, once.
RTL_FAULTS = {
    "write accepted in the clock an image starts": (
        "sequencer.v",
        "assign idle_o        = ~issue_o & (outstanding_q == 2'd0);",
        "assign idle_o        = at_start & (outstanding_q == 2'd0);",
    ),
    "third image started": ("sequencer.v", "(outstanding_q != 2'd2)", "(outstanding_q != 2'd3)"),
    "too short an image is kept": (
        "image_buffer.v",
        "wire complete = store & at_final & last_i;",
        "wire complete = store & last_i;",
    ),
}
SMALL = Hardware(16, 6, 3, lanes=3, requants=2)


@pytest.mark.parametrize(
    "fault",
    [next(iter(RTL_FAULTS)), *(pytest.param(f, marks=pytest.mark.slow) for f in [*RTL_FAULTS][1:])],
)
def test_a_fault_in_the_hardware_is_seen(fault: str, tmp_path: Path) -> None:
    name, right, wrong = RTL_FAULTS[fault]
    for path in sources():
        shutil.copy(path, tmp_path)
    text = (tmp_path / name).read_text()
    assert text.count(right) == 1
    (tmp_path / name).write_text(text.replace(right, wrong))
    build = Build(SMALL, verilog=sources(tmp_path))
    with Simulation(build) as simulation:
        assert fuzz(simulation, CycleModel(SMALL, seed=1), CLOCKS) is not None


def loading(words: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The clocks that write a network through the host port."""
    inputs = np.zeros((len(words[0]) + 3, len(INPUTS)), np.uint64)
    n = len(words[0])
    for name in ("host_request", "host_we"):
        inputs[:n, INPUTS.index(name)] = 1
    inputs[:n, INPUTS.index("host_addr")] = words[0]
    inputs[:n, INPUTS.index("host_wdata")] = words[1]
    return inputs


@pytest.mark.parametrize("hardware", [DIGITS, MNIST, SMALL], ids=["digits", "mnist", "small"])
def test_model_computes_what_the_golden_model_does(hardware: Hardware) -> None:
    """Logits, class and value of the cycle model are those of ``infer``, steered networks."""
    size = (hardware.inputs, hardware.hidden, hardware.classes)
    logit_bits = hardware.registers()["logit"].bits
    for seed in range(5):
        network, images = steered(np.random.default_rng([seed, 5]), size, 8)
        model = CycleModel(hardware)
        model.given(loading(network_words(hardware, network)))
        words = image_words(hardware, images).reshape(-1)
        results = []
        for k, word in enumerate(words):
            # One word every so many clocks that the queue never fills.
            inputs = np.zeros((hardware.groups + 8, len(INPUTS)), np.uint64)
            inputs[:, INPUTS.index("result_ready")] = 1
            last = k % hardware.words == hardware.words - 1
            inputs[0, INPUTS.index("image_valid")] = 1
            inputs[0, INPUTS.index("image_data")] = word
            inputs[0, INPUTS.index("image_last")] = last
            expected = model.given(inputs).expected
            results += [row for row in expected if row[1]]
        drain = np.zeros((1000, len(INPUTS)), np.uint64)
        drain[:, INPUTS.index("result_ready")] = 1
        results += [row for row in model.given(drain).expected if row[1]]
        got = np.array(results)
        golden = infer(network, images)
        mask = (1 << logit_bits) - 1
        assert got.shape[0] == len(images)
        assert (got[:, 10:] == golden.logits.astype(np.uint64) & np.uint64(mask)).all()
        assert (got[:, 2] == golden.classes.astype(np.uint64)).all()
        assert (got[:, 3] == golden.values.astype(np.uint64) & np.uint64(mask)).all()


# ------------------------------------------------------------------------------------------------
# Reset in every clock


@pytest.mark.parametrize("ready", [100, 3], ids=["taken at once", "backpressure"])
@pytest.mark.parametrize("streaming", [False, True], ids=["one image", "stream"])
def test_reset_in_every_clock(streaming: bool, ready: int, request: pytest.FixtureRequest) -> None:
    """One clock of reset, in each clock from the first word to after the result; then a right run.

    The memories keep the network, and only M and S are written again. Streaming, images are under
    way, waiting and half loaded when the reset comes.
    """
    rng = np.random.default_rng(8)
    network, _ = steered(rng, (64, 100, 10), 1)
    images = random_images(rng, 3, 64)
    golden = infer(network, images)
    load = loading(network_words(DIGITS, network))
    undisturbed = CycleModel(DIGITS, seed=1)
    undisturbed.given(load)
    undisturbed.only_stream(ready=100)
    first_result = int(np.argmax(undisturbed.draw(1000).expected[:, 1]))
    before = 3 * first_result if streaming else 0
    busy = 0
    with simulate(DIGITS) as simulation:
        simulation.network = network
        for offset in range(before, before + first_result + 5):
            simulation.reset()
            model = CycleModel(DIGITS, seed=offset + 1)

            def same(clocks: Clocks, offset: int = offset) -> None:
                found = clocks.mismatch(simulation.clocks(clocks.inputs))
                assert found is None, f"{found}, reset in clock {offset} [{rerun(request)}]"

            same(model.given(load))
            model.only_stream(ready=ready, reset_after=offset)
            same(model.draw(offset + 1))
            busy += model.counts["busy_resets"]
            same(model.given(load[-5:]))
            found = simulation.infer(images)
            assert_exact(golden, found, f"after a reset in clock {offset}, {rerun(request)}")
    # All but those before the image starts and after its result was taken.
    assert busy >= first_result - DIGITS.words - 1


# ------------------------------------------------------------------------------------------------
# The whole address space


def distinct(addresses: np.ndarray) -> np.ndarray:
    """64 bits that no other address has: an odd multiple of the address and one."""
    return (addresses.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)


@pytest.mark.parametrize("hardware", [DIGITS, MNIST], ids=["64-100-10", "784-64-10"])
def test_whole_address_space(hardware: Hardware) -> None:
    """Every one of the 2**19 words is written and read: exactly the listed ones are accepted, every
    memory word keeps what was written to it alone, and what is refused changes nothing."""
    layout = memories(hardware)
    everything = np.arange(ADDRESSES, dtype=np.uint32)
    is_memory = np.zeros(ADDRESSES, bool)
    mask = np.zeros(ADDRESSES, np.uint64)
    for region, memory in layout.items():
        inside = memory.addresses()
        is_memory[inside] = True
        mask[inside] = np.uint64(2**64 - 1)
        if region is Region.W1:
            two = 16 * hardware.requants  # bits of two classes, which share a memory
            mask[inside] = np.uint64(2**two - 1)
            if hardware.classes % 2:
                mask[inside[-1]] = np.uint64(2 ** (two // 2) - 1)
    readable, writable = is_memory.copy(), is_memory.copy()
    readable[list(HostRegister)] = True
    writable[
        [HostRegister.CONTROL, HostRegister.ERRORS, HostRegister.SCALE, HostRegister.SHIFT]
    ] = True
    data = distinct(everything)
    data[~is_memory] = 1  # fits every register, and would show in any that is not writable

    with simulate(hardware) as simulation:
        _, refused = simulation.host(everything, data)
        assert (refused == ~writable).all(), f"first wrong: {np.argmax(refused == writable):#x}"
        rdata, refused = simulation.host(everything)
        assert (refused == ~readable).all(), f"first wrong: {np.argmax(refused == readable):#x}"
        wrong = is_memory & (rdata != data & mask)
        assert not wrong.any(), f"{np.argmax(wrong):#x} does not hold what was written"
        assert not rdata[~readable].any()
        assert [
            int(rdata[k]) for k in (HostRegister.CONTROL, HostRegister.SCALE, HostRegister.SHIFT)
        ] == [1] * 3
        # Reading address by address, ERRORS was read before anything was refused by reading; the
        # write to it cleared bit 0 only, and that was not set.
        assert rdata[HostRegister.ERRORS] == Error.ADDRESS
        assert rdata[HostRegister.STATUS] == 0
    assert is_memory.sum() == sum(m.banks * m.depth for m in layout.values())
