"""Every line, branch, expression and bit of hdl/ is exercised, or a waiver says why not.

Two small accelerators, each with what the other has not (odd and even numbers of classes, one and
several memories in a region): the core under random clocks, all compared with the cycle model, and
with steered networks; and the AXI side with pauses on every channel. Small ones, since each bit of
each signal is counted: the full size is in the deep tier.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from rich.console import Console

from ohmbench.digital import infer
from ohmbench.digital.hostmap import HostRegister, image_words, memories
from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import sources
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.verilator import Build
from ohmbench.errors import FileError
from tests.eda.coverage import KINDS, Coverage, judge, merge, read_coverage, read_waivers

from .asserts import assert_bit_exact
from .axi_pins import (
    SLVERR,
    AxiPins,
    Traffic,
    axi_build,
    check_packets,
    image_beats,
    load_and_read_back,
)
from .cycle_model import CycleModel, fuzz
from .stimulus import corners, random_images, random_network, steered

pytestmark = pytest.mark.needs("verilator", "compiler")

WAIVERS = Path(__file__).with_name("coverage_waivers.yaml")
MOST_WAIVERS = 40
CORE = Hardware(64, 18, 6, lanes=9, requants=4)
AXI = Hardware(16, 6, 3, lanes=3, requants=2)
DIGITS = Hardware(64, 100, 10)
CLOCKS = 100_000


def exercise_core(hardware: Hardware, seed: int, path: Path) -> Path:
    """Random clocks against the model, then networks that need every bit of every sum."""
    size = (hardware.inputs, hardware.hidden, hardware.classes)
    with Simulation(Build(hardware, coverage=True), seed=seed) as simulation:
        found = fuzz(simulation, CycleModel(hardware, seed=seed), CLOCKS)
        assert found is None, f"{found} [seed {seed}]"
        simulation.reset()
        for k in range(20):
            network, images = steered(np.random.default_rng([seed, k]), size, 10)
            where = f"default_rng([{seed}, {k}])"
            assert_bit_exact(simulation, network, images, where, input_gap=30, output_gap=30)
        for name, network, images in corners(size):
            assert_bit_exact(simulation, network, images, name)
        for k in range(20):
            rng = np.random.default_rng([seed, k, 1])
            network = random_network(rng, size)
            w0, w1 = (rng.integers(90, 128, w.shape, dtype=np.int8) for w in network.weight)
            images = rng.integers(200, 256, (10, size[0]), dtype=np.uint8)
            where = f"large sums, default_rng([{seed}, {k}, 1])"
            assert_bit_exact(simulation, replace(network, weight=(w0, w1)), images, where)
        simulation.write_coverage(path)
    return path


def exercise_axi(hardware: Hardware, seed: int, path: Path) -> Path:
    """Networks and images through the AXI side, wild accesses, and what must come back."""
    size = (hardware.inputs, hardware.hidden, hardware.classes)
    random = Random(seed)
    pins = AxiPins(axi_build(hardware, coverage=True), seed=seed)
    for k in range(8):
        rng = np.random.default_rng([seed, k])
        if k % 2:
            network, images = steered(rng, size, 20)
        else:
            network, images = random_network(rng, size), random_images(rng, 20, hardware.inputs)
        load_and_read_back(pins, hardware, network, pause=10 * k)

        # Images, and accesses of every kind meanwhile: those to memories are refused or not,
        # depending on the clock, and only reads, so that the network stays.
        stream = Traffic(image_beats=image_beats(image_words(hardware, images)))
        for _ in range(100):
            stream.reads.append(random.randrange(2**22))
            stream.reads.append(8 * random.randrange(8))
            stream.write(8 * random.randrange(3), random.getrandbits(64))
            stream.write(random.randrange(2**22) | 1, random.getrandbits(64))
            stream.write(
                8 * HostRegister.ERRORS, random.getrandbits(5), random.getrandbits(8) & 0x7F
            )
        pins.run(stream, packets=len(images), pause=10 * k)
        assert stream.responses == [SLVERR] * 300
        check_packets(hardware, stream.result_beats, infer(network, images))
    # Memory words of all values, and a reset at last.
    wild = Traffic()
    for memory in memories(hardware).values():
        for address in memory.addresses().reshape(-1).tolist():
            wild.write(8 * address, random.getrandbits(64))
            wild.reads.append(8 * address)
    pins.run(wild, pause=30)
    pins.reset()
    pins.write_coverage(path)
    pins.close()
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("coverage")
    return [
        exercise_core(CORE, 1, folder / "core.dat"),
        exercise_axi(AXI, 2, folder / "axi.dat"),
    ]


def assert_full(coverage: Coverage) -> None:
    misses = "\n".join(map(str, coverage.missed))
    assert not coverage.missed, f"{len(coverage.missed)} points not covered:\n{misses}"
    unused = "\n".join(map(str, coverage.unused))
    assert not coverage.unused, f"waivers that waive nothing:\n{unused}"


def test_everything_is_covered(runs: list[Path], report: Callable[[str], None]) -> None:
    """100 % of lines, branches, expressions and toggles, but for the waivers; prints the table."""
    waivers = read_waivers(WAIVERS)
    coverage = judge(merge(runs), waivers)
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(coverage.table())
    report(console.export_text())
    assert len(waivers) <= MOST_WAIVERS
    assert coverage.modules == [path.stem for path in sources()]
    for kind in KINDS:
        assert coverage.count(kind)[2] > 0
    assert_full(coverage)


@pytest.mark.slow
def test_everything_is_covered_at_64_100_10(runs: list[Path], tmp_path: Path) -> None:
    """Every bit that only this size has; an odd number of classes comes from the small one."""
    digits = exercise_core(DIGITS, 3, tmp_path / "digits.dat")
    missed = judge(merge([digits, *runs]), read_waivers(WAIVERS)).missed
    assert not missed, "\n".join(map(str, missed))


# ------------------------------------------------------------------------------------------------
# The judge itself


def test_less_stimulus_is_not_enough(runs: list[Path]) -> None:
    """Without the random clocks of the core, or without the AXI side, points are missed."""
    waivers = read_waivers(WAIVERS)
    for left_out, module in enumerate(("image_buffer", "axi_lite_port")):
        points = merge(runs[:left_out] + runs[left_out + 1 :])
        coverage = judge(points, waivers)
        named = {point.module for point in coverage.missed}
        assert module in named or module not in coverage.modules
        assert named or coverage.modules != [path.stem for path in sources()]


def test_a_branch_that_is_never_taken_is_seen(tmp_path: Path) -> None:
    """Planted in a copy of ram.v: a word that no stimulus writes. The smallest accelerator."""
    for path in sources():
        shutil.copy(path, tmp_path)
    ram = tmp_path / "ram.v"
    right = "    rdata_q <= words[addr_i];\n"
    assert ram.read_text().count(right) == 1
    wrong = right + "    if (we_i & (wdata_i == {WIDTH{1'b0}} - 5)) rdata_q <= wdata_i;\n"
    ram.write_text(ram.read_text().replace(right, wrong))
    hardware = Hardware(8, 1, 1, lanes=1, requants=1)
    build = Build(hardware, verilog=sources(tmp_path), coverage=True)
    with Simulation(build) as simulation:
        network, images = steered(np.random.default_rng(1), (8, 1, 1), 5)
        assert_bit_exact(simulation, network, images, "default_rng(1)")
        simulation.write_coverage(tmp_path / "coverage.dat")
    coverage = judge(read_coverage(tmp_path / "coverage.dat"), read_waivers(WAIVERS))
    planted = wrong_line(ram, "- 5))")
    found = [p for p in coverage.missed if p.module == "ram" and p.line == planted]
    assert {p.kind for p in found} >= {"branch", "expr"}
    with pytest.raises(AssertionError, match=rf"ram\.v:{planted}:\d+ branch"):
        assert_full(coverage)


def wrong_line(path: Path, text: str) -> int:
    (found,) = [k for k, line in enumerate(path.read_text().splitlines(), 1) if text in line]
    return found


ROW = "C '\1f\2hdl/ram.v\1l\2{line}\1n\2{column}\1page\2v_{kind}/ram\1o\2{what}\1h\2TOP' {count}\n"
HEAD = "# SystemC::Coverage-3\n"


def row(count: int, what: str = "block", kind: str = "line", line: int = 1) -> str:
    return ROW.format(line=line, column=2, kind=kind, what=what, count=count)


def test_runs_are_merged_by_place(tmp_path: Path) -> None:
    """Covered in one run is covered; instances and parameters do not matter."""
    first, second = tmp_path / "1.dat", tmp_path / "2.dat"
    first.write_text(HEAD + row(0) + row(3, line=2))
    second.write_text(HEAD + row(2) + row(0, line=2) + row(0, line=3))
    coverage = judge(merge([first, second]), [])
    assert [str(point) for point in coverage.missed] == ["ram.v:3:2 line block"]
    assert coverage.count("line") == (2, 0, 3)
    assert coverage.count("line", "argmax") == (0, 0, 0)


def test_waivers_waive_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    path, yaml = tmp_path / "1.dat", tmp_path / "waivers.yaml"
    bits = [row(0, f"a[{k}]:{way}", "toggle") for k in range(4) for way in ("0->1", "1->0")]
    path.write_text(HEAD + "".join(bits) + row(0, "a[1]", "expr") + row(0, "(b && c)", "expr"))
    reason = "a reason of more than a few words"
    rows = (("toggle", "a[2:1]"), ("expr", "(b..."), ("toggle", "a"), ("toggle", "a[3:3]"))
    yaml.write_text(
        "".join(
            f"- {{module: ram, kind: {kind}, what: '{what}', why: {reason}}}\n"
            for kind, what in rows
        )
    )
    coverage = judge(read_coverage(path), read_waivers(yaml))
    assert [point.what for point in coverage.missed] == ["a[1]", "a[0]:0->1", "a[0]:1->0"]
    assert [str(waiver) for waiver in coverage.unused] == ["ram.v toggle a"]
    several = [f"{name}:0->1" for name in ("a[0].b[1]", "a[1].c[1]", "a[1].c[2]")]
    path.write_text(HEAD + "".join(row(0, what, "toggle") for what in several))
    yaml.write_text(f"- {{module: ram, kind: toggle, what: 'a[*].*[1:0]', why: {reason}}}\n")
    coverage = judge(read_coverage(path), read_waivers(yaml))
    assert [point.what for point in coverage.missed] == ["a[1].c[2]:0->1"]
    path.write_text(HEAD + row(0, "a[1].c[1]:0->1", "toggle"))
    yaml.write_text(f"- {{module: ram, kind: toggle, what: 'a*[1:0]', why: {reason}}}\n")
    assert judge(read_coverage(path), read_waivers(yaml)).missed != []
    yaml.write_text(f"- {{module: ram, kind: toggle, what: 'a[*].c[1:0]', why: {reason}}}\n")
    assert_full(judge(read_coverage(path), read_waivers(yaml)))
    path.write_text(HEAD + "".join(bits) + row(0, "a[1]", "expr") + row(0, "(b && c)", "expr"))
    yaml.write_text(
        "".join(
            f"- {{module: ram, kind: {kind}, what: '{what}', why: {reason}}}\n"
            for kind, what in rows
        )
    )
    with pytest.raises(AssertionError, match="not covered"):
        assert_full(coverage)
    with pytest.raises(AssertionError, match=r"waive nothing:\s+ram\.v toggle a"):
        assert_full(judge({}, read_waivers(yaml)[2:3]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a coverage file"),
        ("# SystemC::Coverage-4\n", "not a coverage file"),
        (HEAD + "C 'x' y\n", "not a coverage record"),
        (HEAD + "C '\1f\2hdl/ram.v' 1\n", "not a coverage record"),
        (HEAD + row(1, kind="user"), "not known: 'user'"),
    ],
)
def test_a_damaged_coverage_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "coverage.dat"
    path.write_text(text)
    with pytest.raises(FileError, match=reason):
        read_coverage(path)


@pytest.mark.parametrize(
    "text",
    [
        "- {module: ram, kind: toggle, what: a}",
        "- {module: ram, kind: toggle, what: a, why: short}",
        "- {module: ram, kind: user, what: a, why: a reason of more than a few words}",
        "{module: ram}",
        "- [",
    ],
)
def test_a_waiver_without_a_reason_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text(text)
    with pytest.raises(FileError):
        read_waivers(path)
