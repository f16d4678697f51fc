"""The same answers from independent views of the hardware: netlists of Yosys, and Icarus Verilog.

Verilator with random contents of all registers, ten seeds, is in test_exactness.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ohmbench.digital import Int8Network, infer
from ohmbench.digital.hostmap import Region, hidden_order, image_words, memories, network_words
from ohmbench.digital.widths import Hardware
from ohmbench.eda.cache import cache_folder, content_key, keep_text
from ohmbench.eda.environment import tool_environment
from ohmbench.eda.hdl import parameters, sources
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.tools import TOOLS, require
from ohmbench.eda.verilator import Build
from ohmbench.eda.verilog import texts
from ohmbench.eda.yosys import yosys

from .asserts import assert_bit_exact
from .cycle_model import CycleModel, fuzz
from .stimulus import random_images, random_network, steered

DIGITS = Hardware(64, 100, 10)
SMALL = Hardware(16, 6, 3, lanes=3, requants=2)
TINY = Hardware(16, 3, 3, lanes=1, requants=1)  # compiling gates takes long
CLOCKS = 100_000
TIMEOUT_S = 600

# ------------------------------------------------------------------------------------------------
# Netlists

WORDS = """
    read_verilog {files}
    hierarchy -check -top accelerator {parameters}
    proc
    flatten
    opt
    wreduce
    memory -nomap
    opt -full
    check -assert
"""
VIEWS = {
    "words": WORDS + "write_verilog -noattr netlist.v\n",
    "gates": WORDS + "techmap\nopt\nclean\ncheck -assert\nwrite_verilog -noattr netlist.v\n",
}
"""``words``: adders, multiplexers, registers with enables, memories, in one flat module. ``gates``:
single-bit gates and flip-flops around the memories."""


def netlist(hardware: Hardware, view: str, folder: Path) -> Path:
    """The project's accelerator as Yosys writes it back, from the cache or made now."""
    files = texts([path for path in sources() if "axi" not in path.name])
    given = " ".join(f"-chparam {name} {value}" for name, value in parameters(hardware).items())
    script = VIEWS[view].format(files=" ".join(files), parameters=given)
    key = content_key(TOOLS["yosys"].version(), script, repr(files))
    kept = cache_folder() / "netlist" / f"{key}.v"
    if not kept.is_file():
        keep_text(kept, yosys(script, files, ["netlist.v"])["netlist.v"])
    return kept


@pytest.mark.needs("verilator", "compiler", "yosys")
@pytest.mark.parametrize(
    ("hardware", "view"),
    [
        pytest.param(DIGITS, "words", id="64-100-10-words"),
        pytest.param(TINY, "words", id="16-3-3-words"),
        pytest.param(TINY, "gates", id="16-3-3-gates", marks=pytest.mark.slow),
        pytest.param(DIGITS, "gates", id="64-100-10-gates", marks=pytest.mark.slow),
    ],
)
def test_netlist_gives_the_same(hardware: Hardware, view: str, tmp_path: Path) -> None:
    """Random and steered networks, all values; then random clocks against the cycle model."""
    size = (hardware.inputs, hardware.hidden, hardware.classes)
    path = netlist(hardware, view, tmp_path)
    text = path.read_text()
    assert text.count("\nmodule ") == 1, "one flat module"
    assert ("*" in text.partition("\nmodule ")[2]) == (view == "words"), "products are gates"
    with Simulation(Build(hardware, verilog=[path], netlist=True), seed=5) as simulation:
        for k in range(50):
            rng = np.random.default_rng([50, k])
            if k % 2:
                network, images = steered(rng, size, 10)
            else:
                network, images = random_network(rng, size), random_images(rng, 10, size[0])
            assert_bit_exact(simulation, network, images, f"default_rng([50, {k}])")
        simulation.reset()
        found = fuzz(simulation, CycleModel(hardware, seed=21), CLOCKS)
        assert found is None, f"{found} [seed 21]"


@pytest.mark.needs("verilator", "compiler", "yosys")
def test_a_wrong_netlist_is_seen(tmp_path: Path) -> None:
    """One operator of the netlist replaced by another."""
    text = netlist(TINY, "words", tmp_path).read_text()
    lines = text.splitlines()
    sums = (k for k, line in enumerate(lines) if line.startswith("  assign ") and " + " in line)
    of_biases = next(k for k in sums if "hidden.summing.unit" in lines[k])
    lines[of_biases] = lines[of_biases].replace(" + ", " - ", 1)
    wrong = tmp_path / "wrong.v"
    wrong.write_text("\n".join(lines))
    with Simulation(Build(TINY, verilog=[wrong], netlist=True)) as simulation:
        assert fuzz(simulation, CycleModel(TINY, seed=1), CLOCKS) is not None


# ------------------------------------------------------------------------------------------------
# Icarus Verilog

BENCH = Path(__file__).with_name("tb_accelerator.v")


def write_hex(path: Path, rows: list[list[tuple[int, int]]]) -> None:
    """A row of fields (value, bits), the first in the high bits, as one line of hexadecimals."""
    lines = []
    for row in rows:
        total = width = 0
        for value, bits in row:
            total, width = total << bits | value % (1 << bits), width + bits
        lines.append(f"{total:0{-(-width // 4)}x}\n")
    path.write_text("".join(lines))


def icarus(
    folder: Path,
    hardware: Hardware,
    network: Int8Network,
    images: np.ndarray,
    *,
    unwritten: int | None = None,
    shifted: int = 0,
) -> str:
    """What the testbench prints. ``unwritten``: leave out the write to this address; ``shifted``:
    added to the first expected logit."""
    golden = infer(network, images)
    addresses, words = network_words(hardware, network)
    kept = addresses != (2**32 - 1 if unwritten is None else unwritten)
    writes = zip(addresses[kept].tolist(), words[kept].tolist(), strict=True)
    class_w = max((hardware.classes - 1).bit_length(), 1)
    logit_w = hardware.registers()["logit"].bits
    logits = golden.logits.copy()
    logits[0, 0] += shifted
    results = [
        [(int(k), class_w), (int(v), logit_w), *((int(x), logit_w) for x in row[::-1])]
        for k, v, row in zip(golden.classes, golden.values, logits, strict=True)
    ]
    order = hidden_order(hardware)
    hidden = np.where(order >= 0, golden.hidden[:, order], 0)
    passing = hidden.reshape(-1, hardware.requants)[:, ::-1].tolist()
    write_hex(folder / "writes.hex", [[(a, 19), (w, 64)] for a, w in writes])
    stream = image_words(hardware, images).reshape(-1).tolist()
    write_hex(folder / "words.hex", [[(w, 64)] for w in stream])
    write_hex(folder / "results.hex", results)
    write_hex(folder / "hiddens.hex", [[(b, 8) for b in row] for row in passing])
    sizes = {
        **parameters(hardware),
        "CLASS_W": class_w,
        "LOGIT_W": logit_w,
        "WORDS": hardware.words,
        "WRITES": int(kept.sum()),
        "IMAGES": len(images),
        "STEPS": hardware.groups * hardware.steps,
    }
    require("icarus")
    for command in (
        [
            *("iverilog", "-g2005", "-o", "tb.vvp", "-s", BENCH.stem),
            *(f"-P{BENCH.stem}.{name}={value}" for name, value in sizes.items()),
            *map(str, (BENCH, *sources())),
        ],
        ["vvp", "-n", "tb.vvp"],
    ):
        done = subprocess.run(
            command,
            cwd=folder,
            env=tool_environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.needs("icarus")
@pytest.mark.parametrize("seed", [1, 2])
def test_icarus_gives_the_same_and_nothing_unknown(seed: int, tmp_path: Path) -> None:
    """64-100-10: after reset no output is X, valid ones are the golden model's."""
    rng = np.random.default_rng([60, seed])
    network, images = steered(rng, (64, 100, 10), 5)
    said = icarus(tmp_path, DIGITS, network, images)
    assert said.splitlines()[-1] == "PASS 5", said


@pytest.mark.needs("icarus")
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_icarus_gives_the_same_for_more(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([60, seed])
    network = random_network(rng, (64, 100, 10))
    said = icarus(tmp_path, DIGITS, network, random_images(rng, 20, 64))
    assert said.splitlines()[-1] == "PASS 20", said


@pytest.mark.needs("icarus")
def test_icarus_sees_an_unknown_value_and_a_wrong_one(tmp_path: Path) -> None:
    """A memory word that was never written comes out as X; an expected logit off by one differs."""
    rng = np.random.default_rng(61)
    network, images = steered(rng, (16, 6, 3), 3)
    assert "PASS 3" in icarus(tmp_path, SMALL, network, images)
    for region in (Region.W1, Region.B1):
        address = int(memories(SMALL)[region].addresses()[0, 0])
        said = icarus(tmp_path, SMALL, network, images, unwritten=address)
        assert "an output is unknown" in said
        assert "FAIL" in said.splitlines()[-1]
    said = icarus(tmp_path, SMALL, network, images, shifted=1)
    assert "result 0 = " in said
    assert said.splitlines()[-1].startswith("FAIL 1 wrong, 3 results")
