"""A report that has everything: each status, both kinds of lines, history, fault, all pages."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ohmbench.claims.html.pages import Bar, Page, PageTable, Part, svg_of
from ohmbench.claims.html.render import write_report
from ohmbench.claims.ledger import Claim, ClaimMeasurement, Fault
from ohmbench.claims.outcomes import Outcome, StoredRun
from ohmbench.report.synthesis_figures import Curve, sweep_figure

SCRIPT = "<script>window.broken = 1</script>"
IMAGE = "\"'><img src=x onerror='window.broken = 2'>"
HOSTILE = {
    "statement": f"{SCRIPT} {{{{ 7 * 7 }}}} {IMAGE}",
    "source": f"</script>{SCRIPT}<!--",
    "why": f"</td></table>{IMAGE}&lt;b&gt;",
    "unit": SCRIPT,
    "family": f'"{IMAGE}',
    "detail": f"seed 3, {SCRIPT}]]>",
    "code": f'"""{SCRIPT}</code></pre>{IMAGE}"""',
    "title": f"{IMAGE}{SCRIPT}",
}


CODE = '''
import pytest


@pytest.mark.parametrize("size", [3])
def test_all(claim, size):
    """{docstring}"""
    claim("lab.accuracy", 97.02)
'''

LEDGER = "- {{id: {}, statement: s, source: s, expect: not checkable, why: w}}\n"


def outcomes(**texts: str) -> list[Outcome]:
    """A claim of each status, with these texts in each."""
    statement, why = texts.get("statement", ""), texts.get("why", "one decimal")
    detail = texts.get("detail", "seed 3, 450 images, 95 % 96.1 to 97.9")
    common = {"why": why, "test": "test_lab.py::test_all[3]"}

    def claim(name: str, says: str, **values: Any) -> Claim:
        source = texts.get("source", "Lab, table 1" if name.startswith("lab") else "Other, page 2")
        unit = texts.get("unit", "%")
        row = {"id": name, "statement": f"{says} {statement}", "source": source, "unit": unit}
        return Claim.model_validate({**row, **common, **values})

    def measured(one: Claim, value: float) -> Outcome:
        return Outcome.of(one, ClaimMeasurement(id=one.id, value=value, detail=detail), None)

    fault = Fault(
        file="lab/model.py",
        replace="gain = 2.0\n",
        by=f"gain = 3.0  # {texts.get('statement', 'too much')}\n",
        says="The amplifier has a wrong gain.",
    )
    analog, digital = {"family": texts.get("family", "analog")}, {"family": "digital"}
    untested = {"test": None, "expect": "not checkable"}
    return [
        measured(
            claim("lab.accuracy", "It classifies 97 %", expect="reproduced", published=97.0,
                  tolerance=0.05, fault=fault, **analog),
            97.02,
        ),
        measured(
            claim("lab.power", "It draws 2 mW", expect="differs", published=2.0, ours=2.5,
                  tolerance=0.1, **analog),
            2.52,
        ),
        measured(claim("lab.speed", "It is fast", expect="met", at_least=10.0, **digital), 12.0),
        measured(
            claim("lab.energy", "It needs little energy", expect="missed", ours=5.0, at_most=3.0,
                  tolerance=0.2, **digital),
            5.1,
        ),
        Outcome.of(claim("lab.chip", "It works on a chip", **untested, **analog), None, None),
        Outcome.of(
            claim("other.size", "It has 100 nodes", expect="reproduced", published=100.0,
                  tolerance=0.0),
            None,
            "needs lab-data: not found",
        ),
        measured(
            claim("other.error", "Its error is below 1", expect="met", at_most=1.0, **digital), 4.0
        ),
    ]  # fmt: skip


def pages(title: str = "A page") -> list[Page]:
    """One page with a part of every kind."""
    curve = Curve("energy, uJ", [3.0, 2.0], [2.9, 1.9], [3.1, 2.1])
    figure = sweep_figure([1.0, 2.0], ["13", "26"], [curve], title.replace("$", ""))
    part = Part(
        title,
        "A note.",
        facts=[("Tools", title)],
        bars=[Bar(title, 40.0, "12 times")],
        tables=[PageTable(title, ("name", "value"), [(title, "1")], numeric=(1,))],
        drawings=[svg_of(figure, "example", title)],
    )
    return [Page("speed", "Speed", title, [part]), Page("networks", "Networks", "None are here.")]


def write_example(folder: Path, **texts: str) -> Path:
    """The report on ``outcomes``, in ``folder`` beside its ledger and test."""
    ledger = folder / "claims.yaml"
    found = outcomes(**texts)
    ledger.write_text("".join(LEDGER.format(o.claim.id) for o in found), encoding="utf-8")
    code = CODE.format(docstring=texts.get("code", "It holds.").replace('"""', ""))
    (folder / "test_lab.py").write_text(code, encoding="utf-8")

    def run(day: int) -> StoredRun:
        at = datetime(2026, 1, day, 12, tzinfo=timezone.utc)
        return StoredRun({str(ledger): found}, {"torch": "2"}, at, {str(ledger): f"{day}" * 40})

    title = texts.get("title", "A page")
    file = folder / "report.html"
    write_report(file, run(3), earlier=[run(1), run(2)], pages=pages(title))
    return file
