"""Formulas for sizes against counting, where their terms differ and where they change places."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.data.densities import _PANEL, DENSITIES, _gauss_legendre
from ohmbench.digital.hostmap import Region, hidden_order, image_words, memories, network_words
from ohmbench.digital.widths import Hardware, bits_needed, clog2
from ohmbench.eda.hdl import check_buildable, usual_hardware
from ohmbench.eda.synthesis.activity import _ports
from ohmbench.eda.synthesis.flows import least_requants
from ohmbench.errors import RangeError
from ohmbench.floatgate import EKV, SUBTHRESHOLD, WTA_CELL
from ohmbench.floatgate.fast import cell_pass
from ohmbench.floatgate.fast.fused_cells import row_error
from ohmbench.kirchhoff import arguments
from ohmbench.kirchhoff.figures import _tiled
from ohmbench.kirchhoff.models import build, parameter_count
from ohmbench.kirchhoff.network import filled
from ohmbench.kirchhoff.simulation import _nodes, integrate_noisy
from ohmbench.kirchhoff.topologies import (
    fully_connect,
    mix_connect,
    neighbor_index,
    pregiven,
    simple_connect,
)
from ohmbench.kirchhoff.training import KirchhoffTask
from tests.eda import mutation
from tests.eda.mutation import Fault, MutantList
from tests.unit.circuits import baseline_config, classifier_config, config, plain, rc
from tests.unit.circuits import regression_config as regression
from tests.unit.int8_networks import random_int8

# ------------------------------------------------------------------------------------------------
# Registers and memories of the accelerator


def test_bits_that_count_things() -> None:
    for n in range(1, 3000):
        assert 2 ** clog2(n) >= n
        assert clog2(n) == 0 or 2 ** (clog2(n) - 1) < n


def test_bits_that_hold_numbers() -> None:
    for low, high in itertools.product(range(-9, 10), repeat=2):
        if low > high:
            continue
        signed = next(b for b in range(1, 9) if -(2 ** (b - 1)) <= low and high < 2 ** (b - 1))
        assert bits_needed(low, high, signed=True) == signed
        if low >= 0:
            unsigned = next(b for b in range(1, 9) if high < 2**b)
            assert bits_needed(low, high, signed=False) == unsigned


SIZES = list(
    itertools.product((1, 7, 8, 9, 16, 17), (1, 2, 5, 8, 13, 14), (1, 2, 3), (1, 3, 4, 5, 8))
)


@pytest.mark.parametrize("requants", [1, 2, 4, 8])
def test_places_and_clocks_are_counted(requants: int) -> None:
    """Words of an image, groups of neurons, clocks of a group, bytes of all of them."""
    for inputs, hidden, classes, lanes in SIZES:
        hardware = Hardware(inputs, hidden, classes, lanes, requants)
        words = len(range(0, inputs, 8))
        groups, steps = len(range(0, hidden, lanes)), len(range(0, lanes, requants))
        assert (hardware.words, hardware.padded_inputs) == (words, 8 * words)
        assert (hardware.groups, hardware.steps) == (groups, steps)
        assert hardware.padded_hidden == hidden_order(hardware).size == groups * steps * requants
        assert image_words(hardware, np.zeros((1, inputs), np.uint8)).shape == (1, words)


@pytest.mark.parametrize("requants", [1, 2, 4, 8])
def test_memories_hold_what_is_written_and_no_word_more(requants: int) -> None:
    """Of all of a network at -1 each word has bits; the last memory of each region is needed."""
    for inputs, hidden, classes, lanes in SIZES:
        hardware = Hardware(inputs, hidden, classes, lanes, requants)
        network, _ = random_int8(0, (inputs, hidden, classes))
        layout = memories(hardware)
        steps = hardware.groups * hardware.steps
        # A weight for each lane and input; 4 bytes for each bias that leaves in one clock.
        assert (layout[Region.W0].banks, layout[Region.W0].depth) == (
            lanes,
            hardware.groups * hardware.words,
        )
        assert layout[Region.B0].banks == len(range(0, 4 * requants, 8))
        # Two classes a word where both have room in its 8 bytes.
        together = next(n for n in (2, 1) if n * requants <= 8)
        assert layout[Region.W1].banks == len(range(0, classes, together))
        assert layout[Region.B0].depth == layout[Region.W1].depth == steps
        assert (layout[Region.B1].banks, layout[Region.B1].depth) == (1, len(range(0, classes, 2)))
        written = sum(memory.banks * memory.depth for memory in layout.values())
        addresses, _ = network_words(hardware, network)
        assert len(addresses) == written + 2


@pytest.mark.parametrize("bias_bits", [1, 8, 17, 18, 19, 20, 21, 22, 32])
@pytest.mark.parametrize(
    ("inputs", "hidden"), [(1, 1), (8, 4), (9, 5), (64, 32), (65, 33), (784, 100)]
)
def test_sums_are_a_bit_wider_than_the_wider_of_what_they_add(
    bias_bits: int, inputs: int, hidden: int
) -> None:
    """Whichever that is; and every sum of the formats fits, at both of its ends."""
    hardware = Hardware(inputs, hidden, 2, lanes=4, bias_bits=bias_bits)
    registers = hardware.registers()
    for acc, total, terms in (
        ("acc0", "sum0", 8 * len(range(0, inputs, 8))),
        ("acc1", "logit", 4 * len(range(0, hidden, 4))),
    ):
        # An offset of 128 makes all of it positive: at most 255 times 255 each.
        assert registers[acc].bits == 16 + math.ceil(math.log2(terms))
        assert registers[acc].high >= 255 * 255 * terms
        assert registers[total].bits == max(registers[acc].bits, bias_bits) + 1
        bias = 2 ** (bias_bits - 1)
        assert registers[total].low <= -128 * 255 * terms - bias
        assert registers[total].high >= 127 * 255 * terms + bias - 1
    assert registers["r"].bits == registers["sum0"].bits - 1
    assert registers["product"].bits == registers["r"].bits + 16


def in_reach(hardware: Hardware) -> bool:
    """Whether it can be built: by the host's addresses, the words and the clocks, one by one."""
    if hardware.requants not in (1, 2, 4, 8):
        return False
    for memory in memories(hardware).values():
        if memory.banks > 2**6 or memory.depth > 2**10:
            return False
    return len(range(0, hardware.lanes, hardware.requants)) <= len(range(0, hardware.inputs, 8))


def test_what_can_be_built_is_what_the_addresses_reach() -> None:
    rng = np.random.default_rng(0)
    buildable = 0
    turning = [
        Hardware(*sizes)
        for sizes in (
            (8192, 1, 2, 1, 1), (8193, 1, 2, 1, 1), (80, 10, 2, 10, 1), (80, 11, 2, 11, 1),
            (512, 64, 2, 64, 1), (520, 65, 2, 65, 1), (80, 10, 128, 10, 1), (80, 10, 129, 10, 1),
            (80, 10, 64, 10, 8), (80, 10, 65, 10, 8), (800, 10, 128, 10, 4), (8, 8, 2, 8, 8),
            (8, 9, 2, 9, 8), (8, 1024, 2, 1, 1), (8, 1025, 2, 1, 1), (16, 513, 2, 1, 1),
        )
    ]  # fmt: skip
    drawn = [
        Hardware(
            int(rng.integers(1, 1200)), int(rng.integers(1, 300)), int(rng.integers(1, 140)),
            int(rng.integers(1, 70)), int(rng.integers(1, 10)),
        )
        for _ in range(1500)
    ]  # fmt: skip
    for hardware in (*turning, *drawn):
        try:
            check_buildable(hardware)
        except RangeError:
            assert not in_reach(hardware), hardware
        else:
            assert in_reach(hardware), hardware
            buildable += 1
    assert 100 < buildable < 1400


def test_the_usual_hardware_by_trying_every_number_of_lanes() -> None:
    """13 lanes; more where memories ask for them, fewer where clocks or neurons allow no more."""
    inputs = (1, 8, 9, 48, 49, 52, 53, 56, 57, 64, 104, 256, 257, 784, 1024, 4096, 4104, 8192, 8193)
    hidden = (1, 2, 12, 13, 14, 63, 64, 65, 100, 127, 128, 129, 832, 833, 1000, 4096)
    seen = set()
    for n, h in itertools.product(inputs, hidden):
        words = len(range(0, n, 8))
        allowed = [k for k in range(1, 65) if k <= h and len(range(0, k, 2)) <= words]
        groups = [k for k in range(1, 1025) if k * words <= 1024]
        enough = [k for k in range(1, h + 1) if len(range(0, h, k)) <= (groups or [1])[-1]]
        wanted = max(13, enough[0])
        expected = wanted if wanted in allowed else allowed[-1]
        found = usual_hardware(n, h, 10)
        assert (found.lanes, found.requants) == (expected, 2), (n, h)
        # It can be built wherever any number of lanes can.
        if words <= 1024 and enough[0] in allowed:
            check_buildable(found)
        seen.add((wanted > 13, wanted in allowed, allowed[-1] == h, allowed[-1] == 64))
    assert len(seen) >= 6, "some term of the formula never counted"


def test_the_fewest_requantisers() -> None:
    for words, lanes in itertools.product(range(1, 12), range(1, 65)):
        found = least_requants(Hardware(8 * words, 100, 10, lanes=lanes)).requants
        powers = (2**k for k in range(8))
        assert found == next(r for r in powers if len(range(0, lanes, r)) <= words)


def test_ports_are_as_wide_as_what_they_carry() -> None:
    for classes in range(1, 70):
        hardware = Hardware(8, 4, classes)
        _, outputs = _ports(hardware)
        assert 2 ** outputs["result_class_o"] >= classes
        # One bit at least: Verilog has no narrower port.
        assert outputs["result_class_o"] == 1 or 2 ** (outputs["result_class_o"] - 1) < classes
        assert outputs["result_logits_o"] == classes * outputs["result_value_o"]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 8, 9, 1023, 1024])
def test_a_mutants_number_fits_its_input(number: int) -> None:
    """0 selects none of them, so that ``number`` of them take one number more."""
    mutants = MutantList("1", "2", 0, Hardware(8, 2, 2), ("inv",) * number)
    (line,) = mutation._apply(mutants, [number]).splitlines()
    width, value = map(int, re.findall(r"-ctrl mutant_i (\d+) (\d+)", line)[0])
    assert value == number
    assert number < 2**width <= 2 * number or number == 1 == width


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 8])
def test_a_faults_number_fits_its_input(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OHMBENCH_CACHE", str(tmp_path))
    source = tmp_path / "accelerator.v"
    lines = "".join(f"assign y{k} = a{k};\n" for k in range(number))
    source.write_text(f"module accelerator (\n    input wire clk_i,\n);\n{lines}endmodule\n")
    monkeypatch.setattr(mutation, "used_sources", lambda: [source])
    faults = [
        Fault(f"f{k}", "accelerator.v", f"assign y{k} = «a{k}»;", "0", "") for k in range(number)
    ]
    (planted,) = mutation.plant(faults)
    text = planted.read_text()
    (high,) = re.findall(r"input wire \[(\d+):0\] mutant_i", text)
    assert 2 ** (int(high) + 1) > number
    assert f"accelerator.mutant_i == {number})" in text


# ------------------------------------------------------------------------------------------------
# Circuits


def agrees(given: Any, made: Any) -> None:
    assert (given.n_free, given.n_edges) == (made.n_free, made.n_edges), given


def test_sizes_of_circuits_are_those_that_are_made() -> None:
    """Each configuration's own count of nodes and edges against the edges, for all small sizes."""
    repeats = ((1, 1), (0, 2), (3, 0), (2, 3))
    for num_node, pair in itertools.product((2, 3, 5), repeats):
        for include_gnd in (True, False):
            args = {"num_node": num_node, "include_gnd": include_gnd, "repeat": pair}
            agrees(arguments.FullyConnect(**args), fully_connect(**args))
        args = {"num_node": num_node, "repeat": pair}
        agrees(arguments.SimpleConnect(**args), simple_connect(**args))
    graphs = ([(1, 2)], [(1, 2), (3, 1)], [(4, 2), (2, 1), (1, 3), (2, 4)])
    for edges, pair, features in itertools.product(graphs, repeats, (1, 2, 3)):
        args = {"edges": edges, "repeat": pair, "num_feature": features}
        given = arguments.Pregiven(**{**args, "edges": tuple(edges)})
        agrees(given, pregiven(**args))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("padding", [False, True])
def test_sizes_of_image_circuits_are_those_that_are_made(channels: int, padding: bool) -> None:
    """Windows narrower, wider and as wide as the image, along either side."""
    for width, height, window in itertools.product((1, 2, 3, 5), (1, 2, 4), (1, 2, 3, 4, 6)):
        if window == 1 and channels == 1:
            continue  # joins no two nodes
        if (not padding and window > min(width, height)) or width * height * channels == 1:
            continue
        image = {
            "num_channel": channels, "width": width, "height": height, "neighbor_size": window,
            "padding": padding,
        }  # fmt: skip
        for repeat, parallel, sharing in ((1, 1, False), (2, 3, True)):
            args = {**image, "repeat": repeat, "parallel": parallel, "sharing": sharing}
            agrees(arguments.NeighborIndex(**args), neighbor_index(**args))
        for extra, pair, kernel_repeat in ((0, (1, 1), 1), (3, (2, 0), 2)):
            more = {"fully_connect_node": extra, "repeat": pair, "kernel_repeat": kernel_repeat}
            args = {**image, **more}
            agrees(arguments.MixConnect(**args), mix_connect(**args))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        # Three rows for each of 6 pairs of 3 nodes, 4 there and 4 back, in two slices.
        (config(), 2 * 3 * 6 * 8),
        # The same edges with the two rows of a ShiftRelu1.
        (config(network__model={"name": "ShiftRelu1"}), 2 * 2 * 6 * 8),
        # 5 inputs to 8 and 6 hidden neurons and one output, with biases.
        (baseline_config("toyregress"), 5 * 8 + 8 + 8 * 6 + 6 + 6 + 1),
        # The time to 8, 8 and 6 units of w, u and gate in two dimensions each, and b.
        (baseline_config(), 1 * 8 + 8 + 8 * 8 + 8 + 8 * 6 * 7 + 6 * 7),
        # 7 nodes and ground: 8 * 7 pairs, both ways; a projector of 7 to 1 with a bias.
        (regression(network__projector="mlp_7_1"), 3 * 2 * 8 * 7 + 7 + 1),
    ],
    ids=["circuit", "two-rows", "feed-forward", "hyper", "projector"],
)
def test_parameters_are_counted(made: Any, expected: int) -> None:
    assert parameter_count(build(made)) == expected


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_samples_are_repeated_until_every_node_has_a_number(n: int) -> None:
    x = torch.arange(1.0, n + 1)[None]
    for width in range(n, 3 * n + 2):
        repeated = [float(1 + k % n) for k in range(width)]
        assert filled(x, width, "repeat").tolist() == [repeated]
        assert filled(x, width, "zeros").tolist() == [[*x[0].tolist(), *[0.0] * (width - n)]]


def test_fixed_steps_are_as_few_as_reach_the_end() -> None:
    """A multiple of the step, in decimals that no double is, takes that many; any more one more."""
    start = torch.tensor(0.0, dtype=torch.float64)
    for step in (0.1, 0.05, 0.3, 0.7, 1e-3):
        for count in (1, 2, 3, 7, 10, 33):
            for part, expected in ((0, count), (1e-6, count + 1), (-1e-6, count), (0.5, count + 1)):
                end = float((Fraction(str(step)) * count) * Fraction(str(1 + part / count)))
                found = _nodes(start, torch.tensor(end, dtype=torch.float64), step)
                assert len(found) == expected + 1, (step, count, part)
                assert float(found[-1]) == end
                back = _nodes(found[-1], start, step)
                assert len(back) == expected + 1
                assert float(back[-1]) == 0


@pytest.mark.parametrize(
    ("end", "steps"),
    [(1.0, 10), (0.1, 1), (0.05, 1), (0.11, 2), (0.19, 2), (0.2, 2), (0.3, 3), (0.31, 4), (0.7, 7)],
)
def test_steps_with_noise_are_no_longer_than_asked_for(end: float, steps: int) -> None:
    v = torch.ones(1, 1, dtype=torch.float64)
    found = integrate_noisy(
        [plain(rc(1.0))], [end], v, step_size=0.1, noise=0.0, generator=torch.Generator()
    )
    assert found.nfe == (steps,)


def test_updates_and_rows_of_the_history() -> None:
    """An epoch takes every sample once, its last batch perhaps a smaller one."""
    for samples, batch in ((96, 32), (97, 32), (95, 32), (1, 32), (32, 32), (33, 32), (31, 32)):
        for epochs in (1, 7, 66, 67, 68, 134):
            made = config(batch_size=batch, train__num_epoch=epochs)
            task = KirchhoffTask(made, 0, samples)
            per_epoch = len(range(0, samples, batch))
            assert task.steps == epochs * per_epoch
            rows = len(range(0, task.steps, task.history_every))
            # A row for some number of updates: 200 of them, but for what does not divide evenly.
            assert rows == task.steps if task.steps < 400 else 200 <= rows <= 201 * 4 / 3
            assert task.history_every >= 1


def test_a_classifiers_outputs_are_read_from_its_own_nodes() -> None:
    model = build(classifier_config())
    assert model(torch.zeros(2, 784)).shape == (2, 10)


# ------------------------------------------------------------------------------------------------
# Rules and bounds


def test_quadrature_has_the_nodes_that_are_asked_for() -> None:
    """Whole panels of 16, which all densities ask for, exact for polynomials of degree 31."""
    for panels in (1, 2, 10):
        t, w = _gauss_legendre(-1.0, 3.0, _PANEL * panels)
        assert len(t) == len(w) == _PANEL * panels
        assert np.all(np.diff(t) > 0)
        for power in (0, 1, 30, 31):
            exact = (3.0 ** (power + 1) - (-1.0) ** (power + 1)) / (power + 1)
            assert float(w @ t**power) == pytest.approx(exact, rel=1e-12)
    nodes = [density.nodes for density in DENSITIES.values() if hasattr(density, "nodes")]
    assert len(nodes) == 3
    assert all(n % _PANEL == 0 for n in nodes)


@pytest.mark.parametrize("cell", [EKV, SUBTHRESHOLD, WTA_CELL], ids=lambda c: c.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_rows_bound_grows_by_a_rounding_where_its_sum_does(cell: Any, dtype: torch.dtype) -> None:
    """Each lane adds one number for every 128 inputs, begun or whole."""
    half, lanes = torch.finfo(dtype).eps / 2, cell_pass.LANES
    bound = {
        n: row_error(cell, dtype, n) / half for n in (1, lanes, lanes + 1, 2 * lanes, 2 * lanes + 1)
    }
    assert bound[lanes] == bound[1]
    assert bound[lanes + 1] == pytest.approx(bound[1] + 1, rel=1e-9)
    assert bound[2 * lanes] == bound[lanes + 1]
    assert bound[2 * lanes + 1] == pytest.approx(bound[1] + 2, rel=1e-9)


def test_a_picture_of_images_shows_each_of_them() -> None:
    for count in range(1, 30):
        images = np.full((count, 4), 0.5)
        images[np.arange(count), np.arange(count) % 4] = 1.0
        picture = _tiled(images)
        assert (picture == 1.0).sum() == count
        assert (picture == 0.5).sum() == 3 * count
        rows, columns = ((n + 2) // 4 for n in picture.shape)
        assert rows * columns >= count > (rows - 1) * columns
        assert abs(rows - columns) <= 1
