"""Mutants of constant expressions are told apart by rows of ``configurations.py``, and killed.

A sample of them: ``mutants/elaboration.txt`` says of each what kills it, or why nothing can, and
what that says of all. Each is told apart by a row, or by no admissible parameters at all. The last
part tests the tests: Python gives the constants the values that a simulator gives them, a new
expression without rows around its turning point is noticed, and so is one wrong bit in a recording.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmbench.eda.environment import tool_environment
from ohmbench.eda.hdl import sources
from ohmbench.eda.tools import require

from .configurations import LINT_ROWS, ROWS, USUAL_ROWS, Configuration, possible_pairs
from .elaborate import Design, Undefined, value
from .mutants.elaboration import Telling, mutants_of, told
from .mutants.elaboration_run import (
    LIST,
    SAME,
    Hunt,
    Mutants,
    core_clocks,
    fate,
    head,
    rank,
    rates,
    read_list,
    sample,
    told_by_drawn,
)
from .replay import record_core
from .verilog import expression, read

ANEW = "python -m tests.rtl.mutants.elaboration_run"
FIRST = 40
"""Of the killed mutants, the default tests run so many, the first of the list."""
needs_tools = pytest.mark.needs("icarus", "verilator", "compiler")


@pytest.fixture(scope="module")
def mutants() -> Mutants:
    return Mutants()


@pytest.fixture(scope="module")
def hunt(mutants: Mutants, tmp_path_factory: pytest.TempPathFactory) -> Hunt:
    return Hunt(mutants, tmp_path_factory.mktemp("hunt"))


# ------------------------------------------------------------------------------------------------
# The rows suffice


def test_list_is_the_sample_of_these_sources(mutants: Mutants) -> None:
    """Its head says what the sample found, with intervals for all mutants."""
    listed = read_list()
    assert list(listed) == sample(mutants.by_id), (
        f"{LIST.name} is of other sources; make it anew: {ANEW}"
    )
    lines = LIST.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("#")] == head(listed, len(mutants.by_id))


def test_no_mutant_is_alive() -> None:
    alive = [name for name, verdict in read_list().items() if fate(verdict) == "alive"]
    assert not alive, f"these survive and have no reason: {alive}"


def test_every_mutant_is_told_apart(mutants: Mutants) -> None:
    """By a row, unless the list says that nothing does."""
    listed = read_list()
    same = {name for name, verdict in listed.items() if verdict == SAME}
    untold = {name for name in listed if not mutants.is_told(mutants.by_id[name])}
    assert untold == same, f"no row tells apart {untold - same}, some row {same - untold}; {ANEW}"


@pytest.mark.slow
def test_nothing_tells_apart_what_is_called_the_same(mutants: Mutants) -> None:
    same = [mutants.by_id[name] for name, verdict in read_list().items() if verdict == SAME]
    assert told_by_drawn(same, mutants.design) == []


def test_every_two_properties_meet() -> None:
    """Of sizes alone in the library's formats, of sizes and formats in all."""
    for usual, rows in ((True, USUAL_ROWS), (False, [*USUAL_ROWS, *ROWS])):
        possible = possible_pairs(usual=usual)
        met = set().union(*(row.pairs_of_properties(usual=usual) for row in rows))
        assert possible <= met, f"in no row: {sorted(map(str, possible - met))}"
        assert len(possible) > 250


def test_lint_rows_are_rows() -> None:
    assert all(row in USUAL_ROWS or row in ROWS for row in LINT_ROWS)


def test_what_is_in_the_sample_depends_on_the_name_alone() -> None:
    names = [f"module | wire {k} | + 1" for k in range(3000)]
    found = sample(names, one_in=10)
    assert 200 < len(found) < 400
    assert found == sample(reversed(names), one_in=10) == sorted(found, key=rank)
    assert sample(names, one_in=30) == found[: len(sample(names, one_in=30))]
    assert sample(names[::2], one_in=10) == [name for name in found if name in names[::2]]


# ------------------------------------------------------------------------------------------------
# What tells a mutant apart kills it


def killed() -> dict[str, str]:
    return {name: verdict for name, verdict in read_list().items() if fate(verdict) == "killed"}


@needs_tools
def test_first_mutants_are_killed(hunt: Hunt) -> None:
    """As the list says: in that row, in that way."""
    first = list(killed().items())[:FIRST]
    alive = [name for name, how in first if not hunt.confirms(hunt.mutants.by_id[name], how)]
    assert not alive, f"these are not killed as {LIST.name} says: {alive}"


@needs_tools
def test_what_survives_is_not_confirmed(hunt: Hunt) -> None:
    """A mutant that changes nothing, under the ways in which others are killed."""
    (name,) = [name for name in read_list() if name.startswith("block_adder | wire unused_sum")]
    mutant = hunt.mutants.by_id[name]
    row = next(iter(hunt.mutants.rows(mutant)))
    for how in (f"{row.name} differs", f"{row.name} cannot be built", "64-100-10 lint"):
        assert not hunt.confirms(mutant, how), how


@pytest.mark.slow
@needs_tools
def test_all_listed_mutants(hunt: Hunt, report: Callable[[str], None]) -> None:
    """Each with the fate that the list gives it; what survives may have its reason only there."""
    listed = read_list()
    report(rates(listed))
    for name, verdict in listed.items():
        found = hunt.verdict(hunt.mutants.by_id[name])
        wanted = {"killed": "killed", "same": "same"}.get(fate(verdict), "alive")
        assert fate(found) == wanted, f"{name}: {found}, not {verdict}; {ANEW}"


# ------------------------------------------------------------------------------------------------
# The judges themselves

CASES = (
    "A + B * C - 1",
    "(A + B - 1) / B",
    "A - B - C",
    "-A / B",
    "-A % B",
    "A > B ? A : B",
    "A > B ? A : B > C ? B : C",
    "(A & (A - 1)) != 0 || (B & (B - 1)) != 0",
    "A < B == 1 && C >= 4",
    "$clog2(A) + $clog2(A + 1) + $clog2(A - 1)",
    "2 << B",
    "1 << B + 1",
    "A[B:0] - 1'b1",
    "A[2 +: 3]",
    "~A & 255",
    "!A + !(A - A)",
    "A | B ^ C & 6",
)


def simulated(folder: Path, text: str) -> list[str]:
    """What a module ``t`` prints in Icarus Verilog."""
    (folder / "t.v").write_text(text)
    files = [str(path) for path in sources()]
    command = [require("icarus"), "-g2005", "-o", "t.vvp", "-s", "t", "t.v", *files]
    for each in (command, ["vvp", "-n", "t.vvp"]):
        done = subprocess.run(
            each, cwd=folder, env=tool_environment(), capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.splitlines()


@pytest.mark.needs("icarus")
def test_expressions_are_a_simulators(tmp_path: Path) -> None:
    for values in ({"A": 13, "B": 4, "C": 7}, {"A": 8, "B": 3, "C": 2}, {"A": 1, "B": 2, "C": 9}):
        given = "".join(f"  parameter {name} = {n};\n" for name, n in values.items())
        shown = "".join(f'    $display("%0d", {text});\n' for text in CASES)
        said = simulated(tmp_path, f"module t;\n{given}  initial begin\n{shown}  end\nendmodule\n")
        assert said == [str(value(expression(text), values)) for text in CASES]


@pytest.mark.needs("icarus")
@pytest.mark.parametrize("row", LINT_ROWS, ids=lambda row: row.name)
def test_constants_are_a_simulators(row: Configuration, tmp_path: Path) -> None:
    """Of the accelerator and of each module in it: all parameters and localparams."""
    design = Design(path.read_text(encoding="utf-8") for path in sources())
    top = design.modules["accelerator"]
    paths = {"dut": top}
    for instance in top.instances:
        if instance.module in design.modules:
            paths[f"dut.{instance.name}"] = design.modules[instance.module]
    shown = "".join(
        f'    $display("%0d", {path}.{name});\n'
        for path, module in paths.items()
        for name in module.names(0)
    )
    parameters = ", ".join(f".{name}({n})" for name, n in row.parameters().items())
    dut = f"accelerator #({parameters}) dut ();"
    text = f"module t;\n  {dut}\n  initial begin\n{shown}  end\nendmodule\n"
    said = iter(simulated(tmp_path, text))
    scopes = design.scopes("accelerator", row.parameters())
    for path, module in paths.items():
        found = {name: next(said) for name in module.names(0)}
        here = [s.values for s in scopes if (s.module, s.block) == (module.name, 0)]
        wanted = [{k: str(v) for k, v in values.items() if isinstance(v, int)} for values in here]
        assert any(each.items() <= found.items() for each in wanted), f"{path}: {found}, {wanted}"


@pytest.mark.parametrize(
    "text",
    ["1 / (A - A)", "A[2:3]", "{(A - 9) {1'b0}}", "1 << (0 - A)"],
)
def test_what_has_no_value_is_refused(text: str) -> None:
    with pytest.raises(Undefined):
        value(expression(text), {"A": 3})


@pytest.mark.parametrize(
    "text",
    [
        "module m (input wire a);\n  initial a = 1;\nendmodule",
        "module m (inout wire a);\nendmodule",
        "module m (input wire [3:1] a);\nendmodule",
        "module m #(parameter A = ) (input wire a);\nendmodule",
    ],
)
def test_what_the_parser_does_not_know_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"stands where|does not end at 0|no token"):
        read(text)


NEW = {
    "a comparison": "localparam NEW = (LANES > 41) ? 2 : 1;",
    "a condition": "generate if (CLASSES == 21) begin : odd wire never; end endgenerate",
    "a logarithm": "localparam NEW = $clog2(INPUTS + 300);",
    "a width": "wire [((INPUTS == 77) ? 1 : 2):0] never;",
}


@pytest.mark.parametrize("text", NEW.values(), ids=NEW)
def test_an_expression_without_rows_is_seen(mutants: Mutants, text: str) -> None:
    """In a copy of accelerator.v, something whose turning point no row is near."""
    changed = mutants.files["accelerator"].read_text().replace("endmodule", f"  {text}\nendmodule")
    design = Design([changed])
    design.modules = {**mutants.design.modules, **design.modules}
    added = [m for m in mutants_of(design.modules["accelerator"]) if m.id not in mutants.by_id]
    telling = Telling(design)
    for row in mutants.core_rows:
        telling.add("accelerator", row)
    assert len(added) > 2
    assert not all(telling.tells(mutant) for mutant in added)


def test_a_row_tells_by_its_value_alone(mutants: Mutants) -> None:
    """Two mutants that 64-100-10 cannot tell apart, and the least sizes that do."""
    names = {
        "accelerator | localparam SHARE1 | 2 <= -> <": Configuration(64, 100, 10, requants=4),
        "axi_result_stream | localparam BEAT_W | 1 $clog2 of - 1": Configuration(64, 100, 8),
    }
    for name, row in names.items():
        mutant = [mutants.by_id[name]]
        top = "accelerator_axi" if mutant[0].is_around else "accelerator"
        assert told(mutants.design, top, Configuration(64, 100, 10), mutant) == set()
        assert told(mutants.design, top, row, mutant) == {name}


@pytest.mark.needs("icarus", "compiler")
def test_a_recording_sees_one_bit(tmp_path: Path) -> None:
    """Each output, and a value that is unknown where one is promised."""
    row = Configuration(8, 2, 2, lanes=2, requants=2)
    core = [path for path in sources() if "axi" not in path.name]
    clocks = core_clocks(row)
    right = record_core(tmp_path / "right", row, clocks)
    assert right.difference(core, tmp_path / "right.vvp") is None
    for column in range(clocks.expected.shape[1]):
        expected = clocks.expected.copy()
        at = int(np.flatnonzero(clocks.care[:, column])[-1])
        expected[at, column] ^= np.uint64(1)
        wrong = record_core(tmp_path / "wrong", row, replace(clocks, expected=expected))
        said = wrong.difference(core, tmp_path / "wrong.vvp")
        assert said is not None
        assert said.startswith(f"clock {at}: ")
    broken = tmp_path / "argmax.v"
    broken.write_text(
        (core[2]).read_text().replace("value_q <= pair_value_q", "value_q <= {WIDTH{1'bx}}")
    )
    unknown = [broken if path.stem == "argmax" else path for path in core]
    assert "x" in str(right.difference(unknown, tmp_path / "x.vvp")).partition(",")[0]
