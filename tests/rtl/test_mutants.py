"""A thousand mutants of the netlist: every one killed, proven to change nothing, or argued by name.

``mutants/list.txt`` is drawn by yosys from a fixed seed and belongs to one state of ``hdl/``; after
a change there ``python -m tests.rtl.mutants`` makes it anew. The default tests run every tenth.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ohmbench.eda.hdl import sources
from tests.eda.mutation import (
    MutantList,
    MutationError,
    prove_no_change,
    source_hash,
    used_sources,
    without_comments,
)

from .mutants import (
    LIST,
    NUMBER,
    PROVEN,
    SAMPLE,
    SEED,
    describe,
    hunt,
    rates,
    read_survivors,
)

ANEW = "python -m tests.rtl.mutants"
LEAST_KILLED = 0.90
# The proof cuts registers and memories open, so it cannot see what is the same for all reachable
# states only: memories whose words are permuted for host and computation alike, addresses that no
# memory has, sums that cannot meet in this size. Such a mutant is argued, one by one.
MOST_ARGUED = 16


@pytest.fixture(scope="module")
def mutants() -> MutantList:
    return MutantList.read(LIST)


@pytest.mark.needs("yosys")
def test_list_is_of_these_sources(mutants: MutantList) -> None:
    try:
        mutants.check_applies()
    except MutationError as error:
        pytest.fail(f"{error}; make it anew: {ANEW}", pytrace=False)
    assert len(mutants.commands) == NUMBER
    assert mutants.seed == SEED


def test_survivors_are_of_this_list(mutants: MutantList) -> None:
    """Each stands where the file says, and has a reason; few are only argued."""
    survivors = read_survivors()
    for number, each in survivors.items():
        assert each.where == describe(mutants, number), f"{number}: {ANEW}"
        assert each.reason != "?", f"{number} ({each.where}) survives and has no reason"
    assert sum(each.reason != PROVEN for each in survivors.values()) <= MOST_ARGUED
    assert len(survivors) <= (1 - LEAST_KILLED) * NUMBER


def check(mutants: MutantList, numbers: range, report: Callable[[str], None]) -> None:
    killers = hunt(mutants, numbers)
    report(rates(mutants, killers))
    alive = {k for k, killer in killers.items() if killer is None}
    known = set(read_survivors()) & set(numbers)
    new = [f"{k} ({mutants.location(k)}): {describe(mutants, k)}" for k in sorted(alive - known)]
    assert not new, "these survive:\n" + "\n".join(new)
    assert alive == known, f"{sorted(known - alive)} are killed; {ANEW}"
    assert len(alive) <= (1 - LEAST_KILLED) * len(numbers)


@pytest.mark.needs("yosys", "verilator", "compiler")
def test_sample_of_mutants(mutants: MutantList, report: Callable[[str], None]) -> None:
    check(mutants, SAMPLE, report)


@pytest.mark.slow
@pytest.mark.needs("yosys", "verilator", "compiler")
def test_all_mutants(mutants: MutantList, report: Callable[[str], None]) -> None:
    check(mutants, range(1, NUMBER + 1), report)


@pytest.mark.slow
@pytest.mark.needs("yosys")
def test_proofs(mutants: MutantList) -> None:
    """What is called proven can be proven again, and what is argued cannot."""
    survivors = read_survivors()
    proven = {k for k, each in survivors.items() if each.reason == PROVEN}
    assert prove_no_change(mutants, sorted(survivors)) == proven


@pytest.mark.needs("yosys")
def test_what_a_check_kills_is_not_proven(mutants: MutantList) -> None:
    """The proof itself can fail: two mutants that a check rejects, beside one that it proves."""
    survivors = read_survivors()
    killed = [1, 600]
    assert not set(killed) & set(survivors)
    (one, *_) = [k for k, each in survivors.items() if each.reason == PROVEN]
    assert prove_no_change(mutants, [*killed, one]) == {one}


# ------------------------------------------------------------------------------------------------
# The list's own rules


def test_comments_and_blank_lines_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "a.v"
    file.write_text("module a;  // one\n\n// two\nendmodule\n")
    before = source_hash([file])
    assert without_comments(file.read_text()) == ("module a;\nendmodule\n", [1, 4])
    file.write_text("// three\nmodule a;\nendmodule // four\n")
    assert source_hash([file]) == before
    file.write_text("module a; wire b;\nendmodule\n")
    assert source_hash([file]) != before


def test_used_sources() -> None:
    """What the accelerator is made of, and not what is around it."""
    names = {path.stem for path in used_sources()}
    assert {"accelerator", "ram", "carry_save", "argmax"} <= names
    assert not {name for name in names if "axi" in name}
    assert names < {path.stem for path in sources()}
    with pytest.raises(MutationError, match=r"no file nothing\.v"):
        used_sources("nothing")


def test_other_sources_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sources():
        (tmp_path / path.name).write_text(path.read_text())
    changed = tmp_path / "argmax.v"
    changed.write_text(changed.read_text().replace("b_wins ? index_i", "~b_wins ? index_i"))
    monkeypatch.setenv("OHMBENCH_HDL", str(tmp_path))
    with pytest.raises(MutationError, match="other sources"):
        MutantList.read(LIST).check_applies()


def test_a_damaged_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("# yosys 0\n# seed 1\n-mode inv\n")
    with pytest.raises(MutationError, match=r"list\.txt: not a list of mutants"):
        MutantList.read(file)
