"""Generated figures are as their inputs have them, and the stored run is of this ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ohmbench.claims.ledger import ClaimStatus

from . import figures, generate, measure, tables
from .inputs import Inputs, inputs
from .markers import MarkerError, fill, names
from .pages import README, name, pages


@pytest.fixture(scope="module")
def known() -> Inputs:
    return inputs()


@pytest.mark.parametrize("page", pages(), ids=name)
def test_fresh(page: Path, known: Inputs) -> None:
    stale = generate.stale([page], known)
    assert not stale, f"{name(page)} is stale: python -m tests.docs.generate"


def test_every_table_is_shown() -> None:
    shown = {n for page in pages() for _, n in names(page.read_text(encoding="utf-8"))}
    assert set(tables.BLOCKS) - shown == {"claim-counts"}  # it is a part of others


# ------------------------------------------------------------------------------------------------
# The stored run


def complaints(known: Inputs) -> list[str]:
    """Where the stored run does not fit the ledger."""
    ledger, found = known.ledger, known.claims.found
    wrong = [f"{claim}: not in the stored run" for claim in ledger if claim not in found]
    wrong += [f"{claim}: not in the ledger" for claim in found if claim not in ledger]
    for claim, stored in found.items():
        if claim not in ledger:
            continue
        row = ledger[claim]
        if stored.status is ClaimStatus.FAILED:
            wrong.append(f"{claim}: failed")
        elif stored.value is not None and row.judge(stored.value) is not stored.status:
            wrong.append(f"{claim}: {stored.value:g} is not {stored.status.value} by the ledger")
        elif stored.value is None and stored.status not in (
            ClaimStatus.NOT_RUN,
            ClaimStatus.NOT_CHECKABLE,
        ):
            wrong.append(f"{claim}: {stored.status.value} without a value")
        elif (stored.status is ClaimStatus.NOT_CHECKABLE) != (row.expect == "not checkable"):
            wrong.append(f"{claim}: stored as {stored.status.value}, the ledger says {row.expect}")
    return wrong


def test_the_stored_run_is_of_this_ledger(known: Inputs) -> None:
    found = complaints(known)
    assert not found, "\n".join([*found, "python -m tests.docs.measure runs the ledger anew"])


def test_a_run_of_another_ledger_is_noticed(known: Inputs) -> None:
    ledger, found = dict(known.ledger), dict(known.claims.found)

    def planted(**changes: object) -> list[str]:
        run = known.claims.model_copy(update={"found": changes.pop("found", found)})
        return complaints(replace(known, claims=run, **changes))  # type: ignore[arg-type]

    claim = "fann.v3-accuracy"
    assert planted(ledger={k: v for k, v in ledger.items() if k != claim})
    assert planted(found={k: v for k, v in found.items() if k != claim})
    off = found[claim].model_copy(update={"value": 91.0})
    assert planted(found={**found, claim: off})
    stricter = ledger[claim].model_copy(update={"published": 99.0})
    assert planted(ledger={**ledger, claim: stricter})
    empty = found[claim].model_copy(update={"value": None})
    assert planted(found={**found, claim: empty})
    failed = found[claim].model_copy(update={"status": ClaimStatus.FAILED})
    assert planted(found={**found, claim: failed})


def test_a_run_is_stored_as_it_was(known: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON of a run, made of the stored outcomes, is stored as the same outcomes."""
    monkeypatch.setattr(measure, "commit", lambda: "a" * 40)
    rows = [known.outcome(claim).as_dict() for claim in known.ledger]
    run = {"versions": known.claims.versions, "ledgers": {"/a/claims.yaml": rows}}
    stored = measure.stored(run)
    assert stored.found == known.claims.found
    assert stored.versions == known.claims.versions
    assert complaints(replace(known, claims=stored)) == []
    assert "/" not in stored.model_dump_json(include={"commit", "date", "processor", "versions"})


# ------------------------------------------------------------------------------------------------
# Markers

NUMBERED = "a <!-- figure: x -->1<!-- end --> b\n\n<!-- generated: y -->\n\n2\n\n<!-- end -->\n"


def test_markers_are_filled() -> None:
    found = fill(NUMBERED, lambda kind, which: f"{kind} {which}")
    assert found == (
        "a <!-- figure: x -->figure x<!-- end --> b\n\n"
        "<!-- generated: y -->\n\ngenerated y\n\n<!-- end -->\n"
    )
    assert fill(found, lambda kind, which: f"{kind} {which}") == found
    assert names(NUMBERED) == [("figure", "x"), ("generated", "y")]


def test_markers_in_code_are_text() -> None:
    text = f"```\n{NUMBERED}```\n"
    assert fill(text, lambda kind, which: "other") == text
    spans = "`<!-- figure: x -->` and `<!-- end -->`"
    assert fill(spans, lambda kind, which: "other") == spans
    assert fill(f"{text}a {NUMBERED}", lambda kind, which: "other").count("other") == 2


@pytest.mark.parametrize(
    "text",
    [
        "a <!-- figure: x --> b",
        "a <!-- figure: x -->1 <!-- figure: y -->2<!-- end -->",
        "a <!-- end -->",
        "a\n<!-- figure: x -->1<!-- end --> at the start of a line",
    ],
)
def test_markers_without_a_pair_are_refused(text: str) -> None:
    with pytest.raises(MarkerError):
        fill(text, lambda kind, which: "other")


def test_a_stale_number_is_noticed(tmp_path: Path, known: Inputs) -> None:
    """Each kind, in a copy of a page with one digit changed."""
    for text in (
        "a <!-- claim: fann.v3-accuracy -->92.67 %<!-- end -->",
        "a <!-- figure: vtr fmax_MHz -->160.5 MHz<!-- end -->",
        f"<!-- generated: headline -->\n\n{tables.headline(known)}\n\n<!-- end -->",
    ):
        page = README.parent / "README.md"
        assert generate.generated(text, known) == text
        changed = text.replace("7 %<", "8 %<").replace("160.5", "160.6").replace("94 c", "95 c")
        assert changed != text
        copy = tmp_path / page.name
        copy.write_text(changed, encoding="utf-8")
        assert generate.generated(copy.read_text(encoding="utf-8"), known) == text


def test_the_command_checks_writes_and_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    text = "a <!-- figure: properties -->0<!-- end -->\n"
    page.write_text(text, encoding="utf-8")
    monkeypatch.setattr(generate, "pages", lambda: [page])
    monkeypatch.setattr(generate, "name", lambda page: page.name)
    assert generate.main(["--check"]) == 1
    assert "page.md is stale" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8") == text
    assert generate.main([]) == 0
    assert page.read_text(encoding="utf-8") != text
    assert generate.main(["--check"]) == 0
    page.write_text("a <!-- figure: nothing -->0<!-- end -->\n", encoding="utf-8")
    assert generate.main(["--check"]) == 2
    assert "page.md: figure: nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "marker",
    [
        "claim: fann.nothing",
        "claim: fann.v3-accuracy nothing",
        "claim: fann.8x8-accuracy",
        "figure: nothing",
        "figure: vtr nothing",
        "figure: speed nothing",
        "figure: accuracy nothing",
        "figure: claims nothing",
        "generated: nothing",
    ],
)
def test_an_unknown_name_is_refused(marker: str, known: Inputs) -> None:
    with pytest.raises(MarkerError):
        generate.generated(f"a <!-- {marker} -->1<!-- end -->", known)


# ------------------------------------------------------------------------------------------------
# What is generated


def test_counts_add_up(known: Inputs) -> None:
    statuses = [figures.figure(known, f"claims {s.value}") for s in ClaimStatus]
    assert sum(map(int, statuses)) == int(figures.figure(known, "claims")) == len(known.ledger)


def test_every_claim_is_in_the_table(known: Inputs) -> None:
    text = tables.claims(known)
    assert all(f"`{claim}`<br>" in text for claim in known.ledger)
    assert text.count("| `") == len(known.ledger)


def test_every_stored_network_is_in_a_table(known: Inputs) -> None:
    made = (tables.classifiers, tables.densities, tables.others)
    text = "".join(make(known) for make in made)
    for stored in known.manifest:
        assert f"| `{stored.partition('-seed')[0]}` |" in text


def test_numbers_as_people_read_them() -> None:
    written = {92.6666: "92.67", 0.66091: "0.6609", 920272.0: "920 272", 94: "94", 1e-5: "1e-05"}
    assert {v: figures.number(v) for v in written} == written
    assert figures.number(3830660216.5) == "3.83e+09"


def test_bars_do_not_break_a_table() -> None:
    assert tables.table(("a",), [("KL(p||q)",)]).splitlines()[2] == r"| KL(p\|\|q) |"
