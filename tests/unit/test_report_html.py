"""The report's data, and that whatever a stranger writes stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
import subprocess
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.benchmarks.records import Baseline
from ohmbench.claims.commits import commit_of
from ohmbench.claims.html.history import history, in_order, short_commit
from ohmbench.claims.html.number_line import Mark, interval_of, number_line
from ohmbench.claims.html.pages import svg_of
from ohmbench.claims.html.render import SYMBOLS, report_html
from ohmbench.claims.html.rows import claim_rows
from ohmbench.claims.html.sources import read_test
from ohmbench.claims.ledger import Claim, ClaimMeasurement, ClaimStatus, Fault, ledger_lines
from ohmbench.claims.outcomes import Outcome, StoredRun, csv_text, read_outcomes, write_outcomes
from ohmbench.errors import FileError
from ohmbench.files import item_lines, parse_yaml
from ohmbench.pages import networks, project
from ohmbench.pages.speed import speed_page
from ohmbench.pages.synthesis import synthesis_page
from ohmbench.report.figures import confusion_figure
from ohmbench.stats import Interval
from tests.browser.reports import HOSTILE, SCRIPT, outcomes, pages, write_example
from tests.unit.option_rows import GOLDENS, benchmark_run, measurement

ROW: dict[str, Any] = {
    "id": "a.b",
    "statement": "s",
    "source": "here",
    "why": "w",
    "test": "t.py::t",
}


def reproduced(**changes: Any) -> Claim:
    return Claim(**{**ROW, "expect": "reproduced", "published": 10.0, "tolerance": 0.5, **changes})


def judged(claim: Claim, value: float, detail: str = "", **more: Any) -> Outcome:
    return Outcome.of(
        claim, ClaimMeasurement(id=claim.id, value=value, detail=detail, **more), None
    )


# ------------------------------------------------------------------------------------------------
# The number line

numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))


@given(numbers, st.floats(1e-3, 1e3), numbers)
def test_places_on_the_line_are_in_the_order_of_the_values(
    published: float, tolerance: float, value: float
) -> None:
    """One straight map from values to places: differences keep their ratios."""
    outcome = judged(reproduced(published=published, tolerance=tolerance), value)
    line = number_line(outcome)
    assert line is not None
    (band,) = line.spans
    at = {mark.kind: mark.at for mark in line.marks}
    low, high = published - tolerance, published + tolerance
    rounded = 0.002 * (high - low + abs(value - low))  # places have three decimals
    assert band.start + band.width / 2 == pytest.approx(at["published"], abs=0.01)
    placed = (at["here"] - band.start) * (high - low)
    assert placed == pytest.approx(band.width * (value - low), abs=rounded)
    assert all(0 < mark.at < 100 for mark in line.marks)
    # What is drawn is what was judged, but for the last digit of a place.
    inside = band.start - 0.01 <= at["here"] <= band.start + band.width + 0.01
    assert inside or outcome.status is ClaimStatus.FAILED


@pytest.mark.parametrize(
    ("value", "drawn"), [(1e300, True), (math.nextafter(1e300, math.inf), False), (-1e308, False)]
)
def test_numbers_too_large_for_a_line_have_none(value: float, drawn: bool) -> None:
    """Their differences are more than a float holds."""
    assert (number_line(judged(reproduced(published=0.0), value)) is not None) is drawn


@pytest.mark.parametrize(
    ("bounds", "start", "stop"),
    [({"at_least": 3.0}, "bound", 100.0), ({"at_most": 3.0}, 0.0, "bound")],
)
def test_an_open_target_goes_to_the_end_of_the_line(
    bounds: dict[str, float], start: Any, stop: Any
) -> None:
    claim = Claim(**{**ROW, "expect": "met", **bounds})
    line = number_line(judged(claim, 5.0))
    assert line is not None
    (band,) = line.spans
    bound = next(mark.at for mark in line.marks if mark.kind == "bound")
    ends = [bound if end == "bound" else end for end in (start, stop)]
    assert [band.start, band.start + band.width] == pytest.approx(ends, abs=0.01)


def test_one_value_stands_in_the_middle() -> None:
    for value in (0.0, -3.0, 1e-12, 1e12):
        line = number_line(judged(reproduced(published=value, tolerance=0.0), value))
        assert line is not None
        assert {mark.at for mark in line.marks} == {50.0}
        assert line.ticks


@pytest.mark.parametrize(
    ("at", "anchor"),
    [(0.0, "start"), (19.999, "start"), (20.0, "middle"), (80.0, "middle"), (80.001, "end")],
)
def test_labels_stay_on_the_line(at: float, anchor: str) -> None:
    assert Mark("here", at, "here 1").anchor == anchor


def test_what_is_not_finite_is_not_drawn() -> None:
    for value in (math.nan, math.inf):
        line = number_line(judged(reproduced(), value))
        assert line is not None
        assert [mark.kind for mark in line.marks] == ["published"]
    text = Claim(**{**ROW, "expect": "not checkable", "test": None, "published": "about one"})
    assert number_line(Outcome.of(text, None, None)) is None


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_on_the_line(published: float, tolerance: float) -> None:
    line = number_line(judged(reproduced(published=published, tolerance=tolerance), published))
    assert line is not None
    assert 2 <= len(line.ticks) <= 8
    assert all(-0.01 <= tick.at <= 100.01 for tick in line.ticks)


@pytest.mark.parametrize(
    ("value", "detail", "interval", "expected"),
    [
        (97.0, "seed 0, 95 % 96.1 to 97.9", None, (96.1, 97.9)),
        (96.1, "95 % 96.1 to 97.9", None, (96.1, 97.9)),
        (97.9, "95 % 96.1 to 97.9", None, (96.1, 97.9)),
        (96.09, "95 % 96.1 to 97.9", None, None),
        (97.0, "95 % t interval over seeds 96.10 to 97.90", None, (96.1, 97.9)),
        (-2e-3, "95 % -3e-3 to 1e-3", None, (-3e-3, 1e-3)),
        (5.0, "95 % 96.1 to 97.9", None, None),  # of something else
        (5.0, "other 95 % 96.1 to 97.9; 95 % 4 to 6", None, (4.0, 6.0)),
        (5.0, "seeds 0 to 9", None, None),
        (97.0, "95 % 96.1 to 97.9", (96.5, 97.5), (96.5, 97.5)),
    ],
)
def test_an_interval_is_the_measurements_own_or_its_details(
    value: float, detail: str, interval: Any, expected: Any
) -> None:
    found = ClaimMeasurement(id="a.b", value=value, detail=detail, interval=interval)
    assert interval_of(found) == expected
    line = number_line(Outcome.of(reproduced(), found, None))
    assert line is not None
    assert ("interval" in {span.kind for span in line.spans}) == (expected is not None)


# ------------------------------------------------------------------------------------------------
# Sources

CODE = """
open("begun", "w").close()

def test_a(claim):
    "first"

@mark(
    1
)
@other
def test_a(claim):
    "last"

class TestIt:
    @staticmethod
    async def test_b():
        return "\\d"

X = 1
"""


@pytest.mark.parametrize(
    ("test", "line", "expected"),
    [
        ("t.py::test_a", 7, '@mark(\n    1\n)\n@other\ndef test_a(claim):\n    "last"'),
        ("t.py::test_a[x::y]", 7, '@mark(\n    1\n)\n@other\ndef test_a(claim):\n    "last"'),
        ("t.py::TestIt::test_b", 15, '@staticmethod\nasync def test_b():\n    return "\\d"'),
    ],
)
def test_a_tests_source_is_read_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str, line: int, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.py").write_text(CODE, encoding="utf-8")
    found = read_test(tmp_path, test)
    assert (found.file, found.line, found.text, found.missing) == ("t.py", line, expected, "")
    assert not (tmp_path / "begun").exists()


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("gone.py::test_a", "cannot open"),
        ("t.py::test_c", "has no test_c"),
        ("t.py::TestIt::test_a", "has no test_a"),
        ("t.py::TestIt", "no test function is named"),
        ("t.py", "has no"),
        ("bad.py::test_a", "is not Python that can be read"),
        ("null.py::test_a", "is not Python that can be read"),
        ("binary.py::test_a", "is not text in UTF-8"),
    ],
)
def test_a_source_that_is_not_there_says_why(tmp_path: Path, test: str, reason: str) -> None:
    (tmp_path / "t.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "bad.py").write_text("def (", encoding="utf-8")
    (tmp_path / "null.py").write_text("a\0b", encoding="utf-8")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe")
    found = read_test(tmp_path, test)
    assert reason in found.missing
    assert (found.line, found.text) == (None, "")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("- a\n- b\n", [1, 2]),
        ("# c\n\n- {x: [1, 2],\n   y: 2}\n-\n  z: 1\n  w:\n    - 1\n- [1,\n  2]\n", [3, 6, 9]),
        ("[a, {b: 1}, [c]]\n", [1, 1, 1]),
        ("- |\n  text\n  more\n- last\n", [1, 4]),
        ("[]\n", []),
        ("a:\n- 1\n", []),
        ("3\n", []),
    ],
)  # fmt: skip
def test_the_lines_of_a_lists_items(tmp_path: Path, text: str, lines: list[int]) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(text, encoding="utf-8")
    assert item_lines(path) == lines
    value = parse_yaml(text, "list.yaml")
    assert len(lines) == (len(value) if isinstance(value, list) else 0)


def test_rows_are_found_on_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    row = "- id: {}\n  statement: s\n  source: s\n  expect: not checkable\n  why: w\n"
    path.write_text("# Claims\n" + row.format("a.b") + "\n" + row.format("a.c"), encoding="utf-8")
    assert ledger_lines(path) == {"a.b": 2, "a.c": 8}


# ------------------------------------------------------------------------------------------------
# Stored runs and history


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    found = [
        judged(reproduced(), 10.1, "seed 7", interval=(10.0, 10.2)),
        judged(reproduced(), math.nan),
        Outcome.of(reproduced(family="analog"), None, "no tool"),
    ]
    before = datetime.now(timezone.utc).replace(microsecond=0)
    write_outcomes(tmp_path / "run.json", {"claims.yaml": found})
    run = read_outcomes(tmp_path / "run.json")
    (again,) = run.ledgers.values()
    assert again[0] == found[0]
    assert again[0].measurement is not None
    assert again[0].measurement.interval == (10.0, 10.2)
    assert again[1].measurement is not None
    assert math.isnan(again[1].measurement.value)
    assert again[2] == found[2]
    assert run.date is not None
    assert before <= run.date <= datetime.now(timezone.utc)


OLD = {
    "format": 1,
    "versions": {"torch": "2"},
    "ledgers": {"/a/claims.yaml": [{**ROW, "expect": "reproduced", "published": 10.0, "unit": "",
                                    "tolerance": 0.5, "status": "reproduced", "reason": "",
                                    "value": 10.2, "detail": ""}]},
}  # fmt: skip


def stored(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_files_without_date_and_commit_still_read(tmp_path: Path) -> None:
    run = read_outcomes(stored(tmp_path, OLD))
    assert (run.date, run.commits) == (None, {})
    (point,) = history("a.b", [run])
    assert (point.date, point.commit, point.value) == ("no date", "-", "10.2")
    assert (point.x, point.y) == (50.0, 50.0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"format": 2}, "format: is not a run of claims", id="format"),
        pytest.param({"date": "yesterday"}, "date: is not a run of claims", id="date"),
        pytest.param({"versions": 3}, "versions: is not a run of claims", id="versions"),
        pytest.param({"ledgers": {"x": [{"id": "a.b"}]}}, "claim a.b: ", id="row"),
        pytest.param({"ledgers": {"x": [3]}}, "ledgers.x.0: ", id="no-row"),
        pytest.param(
            {"ledgers": {"x": [{**OLD["ledgers"]["/a/claims.yaml"][0], "status": "good"}]}},  # type: ignore[index]
            "claim a.b: ", id="status"),
        pytest.param(
            {"ledgers": {"x": [{**OLD["ledgers"]["/a/claims.yaml"][0], "value": "much"}]}},  # type: ignore[index]
            "claim a.b: ", id="value"),
    ],
)  # fmt: skip
def test_other_files_are_refused_in_one_line(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(FileError) as caught:
        read_outcomes(stored(tmp_path, {**OLD, **change}))
    assert complaint in str(caught.value)
    assert "name a file of 'ohmbench claims --json'" in str(caught.value)
    assert str(caught.value).isprintable()
    with pytest.raises(FileError, match="is not a run of claims"):
        read_outcomes(stored(tmp_path, []))


def test_runs_are_in_the_order_of_their_dates() -> None:
    def run(day: int | None, value: float) -> StoredRun:
        date = None if day is None else datetime(2026, 1, day, tzinfo=timezone.utc)
        commits = {"x": f"{day}" * 40 + "+"}
        return StoredRun({"x": [judged(reproduced(), value)]}, {}, date, commits)

    runs = in_order([run(3, 10.1), run(None, 9.9), run(1, math.nan), run(2, 10.3)])
    points = history("a.b", runs)
    assert [point.value for point in points] == ["9.9", "nan", "10.3", "10.1"]
    assert [point.commit for point in points[1:]] == ["1111111111+", "2222222222+", "3333333333+"]
    xs, ys = [p.x for p in points], [p.y for p in points]
    assert (xs[1], ys[1]) == (None, None)  # a value that is not one has no place
    assert xs[0] < xs[2] < xs[3]  # type: ignore[operator]
    assert ys[0] > ys[3] > ys[2]  # type: ignore[operator]  # larger is higher up
    assert history("a.c", runs) == []
    assert short_commit("abc+") == "abc+"


def test_a_commit_is_the_checked_out_one(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]

    def call(*words: str) -> str:
        return subprocess.run([*git, *words], check=True, capture_output=True, text=True).stdout

    call("init", "-q")
    (tmp_path / "a").write_text("1", encoding="utf-8")
    call("add", "a")
    call("commit", "-qm", "a")
    head = call("rev-parse", "HEAD").strip()
    (tmp_path / "inside").mkdir()
    assert commit_of(tmp_path / "inside") == head
    (tmp_path / "a").write_text("2", encoding="utf-8")
    assert commit_of(tmp_path) == f"{head}+"


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit_of(Path(__file__).parent) is None


# ------------------------------------------------------------------------------------------------
# Rows


def test_the_same_id_in_two_ledgers_has_two_anchors() -> None:
    found = [judged(reproduced(), 10.0)]
    rows = claim_rows(StoredRun({"/a/claims.yaml": found, "/b/claims.yaml": found}, {}))
    assert [row.key for row in rows] == ["a.b", "a.b~2"]
    assert [row.ledger for row in rows] == ["/a/claims.yaml", "/b/claims.yaml"]


def test_a_fault_is_shown_where_a_row_has_one() -> None:
    fault = Fault(file="f", replace="r", by="b", says="s")
    found = [judged(reproduced(id="a.b", fault=fault), 10.0), judged(reproduced(id="a.c"), 10.0)]
    rows = claim_rows(StoredRun({"/a/claims.yaml": found}, {}))
    assert [row.fault for row in rows] == [fault, None]


def test_what_runs_a_claim_again_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a paper"
    folder.mkdir()
    (folder / "t.py").write_text("def test_x(claim): ...\n", encoding="utf-8")
    claim = reproduced(test="t.py::test_x[$(id)]")
    (row,) = claim_rows(StoredRun({str(folder / "claims.yaml"): [judged(claim, 10.0)]}, {}))
    assert row.command == "pytest 'a paper/t.py::test_x[$(id)]'"
    assert row.line is None  # the ledger is not there
    assert row.seeds == ""


@pytest.mark.parametrize(
    ("detail", "seeds"),
    [
        ("seed 3, 450 images", "seed 3"),
        ("seeds 0 to 9 on the same 360 images", "seeds 0 to 9"),
        ("450 images", ""),
    ],
)
def test_seeds_are_those_of_the_detail(detail: str, seeds: str) -> None:
    (row,) = claim_rows(StoredRun({"x": [judged(reproduced(), 10.0, detail)]}, {}))
    assert row.seeds == seeds


# ------------------------------------------------------------------------------------------------
# The file


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        self.scripts += [""] if tag == "script" else []

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Page:
    file = write_example(tmp_path_factory.mktemp("example"))
    return Page(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Page:
    file = write_example(tmp_path_factory.mktemp("hostile"), **HOSTILE)
    return Page(file.read_text(encoding="utf-8"))


def test_a_strangers_texts_stay_texts(example: Page, hostile: Page) -> None:
    assert len(hostile.scripts) == len(example.scripts) == 2
    assert {tag for tag, _ in hostile.tags} <= {tag for tag, _ in example.tags}
    names = {name for _, attributes in hostile.tags for name in attributes}
    assert names <= {name for _, attributes in example.tags for name in attributes}
    for name in ("statement", "source", "why", "detail", "family", "title"):
        assert HOSTILE[name].strip() in hostile.text, name
    assert "49" not in hostile.text  # nothing of it is a template either
    assert SCRIPT in hostile.text


def test_a_text_cannot_reorder_what_is_shown(tmp_path: Path) -> None:
    """Characters that change the direction of writing are shown by their numbers."""
    file = write_example(tmp_path, statement="safe \u202egnihton\u2066 end")
    html = file.read_text(encoding="utf-8")
    assert "\\u202egnihton\\u2066 end" in html
    assert not set(html) & {chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def test_the_check_of_texts_sees_what_is_not_escaped(tmp_path: Path) -> None:
    html = write_example(tmp_path, **HOSTILE).read_text(encoding="utf-8")
    planted = Page(html.replace("&lt;img", "<img"))
    assert "img" in [tag for tag, _ in planted.tags]
    assert "onerror" in {name for _, attributes in planted.tags for name in attributes}


def test_the_policy_allows_this_script_alone(example: Page) -> None:
    (policy,) = (a["content"] or "" for tag, a in example.tags if a.get("http-equiv") is not None)
    digest = base64.b64encode(hashlib.sha256(example.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_nothing_outside_the_file_is_named(example: Page) -> None:
    for tag, attributes in example.tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:")), (tag, address)


def test_anchors_are_there_once_each(example: Page) -> None:
    ids = [a["id"] for _, a in example.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in example.tags:
        for name in ("aria-controls", "aria-labelledby"):
            assert attributes.get(name, ids[0]) in ids
        address = attributes.get("href") or attributes.get("xlink:href") or ""
        assert not address.startswith("#") or address[1:] in ids


def test_the_csv_in_the_page_is_that_of_the_command(example: Page) -> None:
    assert json.loads(example.scripts[0]) == csv_text(outcomes())


def test_every_status_has_a_symbol_and_a_style() -> None:
    assert set(SYMBOLS) == set(ClaimStatus)
    html = report_html(StoredRun({}, {}))
    for status in ClaimStatus:
        assert f".s-{status.name.lower()}" in html


def test_a_report_of_claims_alone_has_no_pages() -> None:
    page = Page(report_html(StoredRun({"x": outcomes()}, {})))
    assert "nav" not in [tag for tag, _ in page.tags]
    assert "nav" in [tag for tag, _ in Page(report_html(StoredRun({}, {}), pages=pages())).tags]


# ------------------------------------------------------------------------------------------------
# Drawings


def figure() -> Any:
    found = SimpleNamespace(
        confusion=[[9, 1], [0, 10]], correct=19, total=20, accuracy=Interval(0.95, 0.8, 0.99)
    )
    return confusion_figure(found, 'a "title" <b>')


def test_two_drawings_share_no_names_and_find_their_own() -> None:
    parts = [Page(svg_of(figure(), prefix, "confusion <1>").text) for prefix in ("a", "b")]
    ids = [{a["id"] for _, a in part.tags if "id" in a} for part in parts]
    assert ids[0]
    assert not ids[0] & ids[1]
    for part, own in zip(parts, ids, strict=True):
        used = [a.get("xlink:href") or "" for _, a in part.tags]
        used += re.findall(r"url\(([^)]*)\)", str(part.tags))
        references = [address for address in used if address.startswith("#")]
        assert references
        assert {address[1:] for address in references} <= own
        assert part.tags[0][1]["aria-label"] == "confusion <1>"
        assert "style" not in [tag for tag, _ in part.tags]


def test_drawings_are_of_the_texts_colour_unless_they_have_pictures() -> None:
    assert 'class="pictured"' in svg_of(figure(), "a", "t").text
    plain = pages()[0].parts[0].drawings[0].text
    assert 'class="plain"' in plain
    assert "#000000" not in plain
    assert "fill: #ffffff" not in plain


# ------------------------------------------------------------------------------------------------
# The other pages


def test_what_is_missing_is_said_in_a_sentence() -> None:
    for page in (speed_page([], []), synthesis_page(None)):
        assert not page.parts
        assert re.fullmatch(r"There (is|are) no .*\.", page.note, re.DOTALL)
    none = networks.networks_page("none")
    assert "No figures were asked for" in none.note
    assert [part.title for part in none.parts] == ["All networks"]


def test_a_network_whose_data_are_missing_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OHMBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(networks, "SOME", ("int8-mnist28",))
    part = networks.networks_page("some").parts[0]
    assert part.note.startswith("Not drawn: ")
    assert part.drawings == ()


def test_a_small_network_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "SOME", ("int8-digits",))
    part = networks.networks_page("some").parts[0]
    assert dict(part.facts)["Seed"] == "0"
    (drawing,) = part.drawings
    assert 'aria-label="confusion of int8-digits"' in drawing.text


def test_speed_shows_baseline_and_runs(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(benchmark_run(measurement("flow", 20.0)))
    new.write_text(
        benchmark_run(measurement("flow", 5.0), when="2026-01-02T12:00:00Z", commit="b" * 40)
    )
    page = project.speed([os.fspath(new), os.fspath(old)])
    latest, over = page.parts
    assert dict(latest.facts)["Commit"] == "b" * 40
    assert [bar.value for bar in latest.bars] == ["5 times"]
    assert over.note.startswith("2 runs")
    assert len(over.drawings) == 1


def test_bars_are_logarithmic() -> None:
    level = {"floor": 0.0, "memory_ratio": None, "commit": "c" * 40, "versions": {}}
    entries = {
        name: {"counts": {}, "machines": {"m": {**level, "ratio": ratio}}}
        for name, ratio in (("one", 1.0), ("ten", 10.0), ("hundred", 100.0))
    }
    baseline = Baseline.model_validate_json(json.dumps(entries))
    one, ten, hundred = speed_page([baseline], []).parts[0].bars
    assert (ten.percent, hundred.percent) == (50.0, 100.0)
    assert 0 < one.percent < 1  # seen, and next to nothing


def test_synthesis_has_latency_and_rate_from_clocks(tmp_path: Path) -> None:
    path = tmp_path / "goldens.json"
    path.write_text(json.dumps(GOLDENS), encoding="utf-8")
    (row,) = synthesis_page(path).parts[0].tables[0].rows
    # 80 clocks and 64 clocks at 160 MHz.
    assert list(row[:6]) == ["64-100-10 lanes 13 requants 2", "flow", "160.0", "", "0.500",
                             "2,500,000"]  # fmt: skip
    path.write_text(json.dumps({"a | b": {"seeds": []}}), encoding="utf-8")
    with pytest.raises(FileError, match="not goldens of synthesis"):
        synthesis_page(path)


def test_this_checkouts_own_pages() -> None:
    speed, synthesis = project.speed(), project.synthesis()
    assert speed.parts[0].title == "Baseline"
    assert {row[1] for row in synthesis.parts[0].tables[0].rows} >= {"ecp5", "vtr"}
