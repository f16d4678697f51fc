"""The ledger as a pytest plugin, in a repository that has nothing but a ledger and tests."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ohmbench.claims.ledger import Claim
from ohmbench.claims.outcomes import Outcome
from ohmbench.claims.plugin import ClaimsRun

pytestmark = pytest.mark.usefixtures("no_papers")

LEDGER = """
- {id: x.one, statement: one, source: here, published: 1, tolerance: 0.5, expect: reproduced,
   why: rounding, unit: mV, test: tests/test_it.py::test_one}
- {id: x.two, statement: two, source: there, at_least: 10, expect: met,
   why: target, test: tests/test_it.py::test_two}
- {id: x.three, statement: three, source: here, expect: not checkable, why: a chip}
"""
ONE = "def test_one(claim): claim('x.one', 1.4, 'seed 7')\n"
TWO = "def test_two(claim): claim('x.two', 11)\n"


@pytest.fixture
def no_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PYTEST_XDIST_WORKER", "CI", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(variable, raising=False)


class Repository:
    """A stranger's repository: a ledger, tests, and no configuration of pytest."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester, self.path = pytester, pytester.path
        self.write("claims.yaml", LEDGER)

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *options: str, tests: str = "") -> pytest.RunResult:
        if tests:
            self.write("tests/test_it.py", tests)
        # Workers need a process of their own; all else is faster in this one.
        run = self.pytester.runpytest_subprocess if "-n" in options else self.pytester.runpytest
        return run("-p", "no:cacheprovider", *options)

    def outcomes(self, *options: str, tests: str = "") -> dict[str, dict[str, Any]]:
        """Each claim of a run by its id, as stored in JSON."""
        self.run("--claims-json", "claims.json", *options, tests=tests)
        return self.stored()

    def stored(self) -> dict[str, dict[str, Any]]:
        stored = json.loads((self.path / "claims.json").read_text(encoding="utf-8"))
        return {row["id"]: row for rows in stored["ledgers"].values() for row in rows}


@pytest.fixture
def repository(pytester: pytest.Pytester) -> Repository:
    return Repository(pytester)


def rows(result: pytest.RunResult) -> dict[str, str]:
    """The claims table as printed: a line each, by the end of the claim's id."""
    lines = result.stdout.str().partition("claims ledger")[2].splitlines()
    return {
        name: line for name in ("one", "two", "three") for line in lines if f" x.{name} " in line
    }


# ------------------------------------------------------------------------------------------------
# What is printed and stored


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "workers"])
def test_claims_are_judged_and_printed(repository: Repository, options: tuple[str, ...]) -> None:
    result = repository.run(*options, tests=ONE + TWO)
    assert result.ret == 0
    table = rows(result)
    assert "1 mV" in table["one"]
    assert "1.4 mV" in table["one"]
    assert table["one"].startswith("reproduced")
    assert ">= 10" in table["two"]
    assert table["two"].startswith("met")
    assert table["three"].startswith("not checkable")
    assert "seed 7" not in result.stdout.str()


def test_verbose_prints_the_reasons(repository: Repository) -> None:
    result = repository.run("-v", tests=ONE + TWO)
    result.stdout.fnmatch_lines(
        [
            *(
                "reproduced *x.one *",
                "    one [[]here]",
                "    published: 1 mV; here: 1.4 mV (seed 7)",
            ),
            *("not checkable *x.three *", "    reason: a chip"),
        ]
    )


def test_json_has_each_claim_and_its_circumstances(repository: Repository) -> None:
    found = repository.outcomes(tests=ONE + TWO)
    assert found["x.one"]["status"] == "reproduced"
    assert found["x.one"]["value"] == 1.4
    assert found["x.one"]["detail"] == "seed 7"
    assert found["x.one"]["published"] == 1
    assert found["x.two"]["status"] == "met"
    assert found["x.three"] == {
        "id": "x.three",
        "statement": "three",
        "source": "here",
        "expect": "not checkable",
        "why": "a chip",
        "unit": "",
        "status": "not checkable",
        "reason": "a chip",
    }
    stored = json.loads((repository.path / "claims.json").read_text(encoding="utf-8"))
    assert stored["format"] == 1
    assert list(stored["ledgers"]) == [os.fspath((repository.path / "claims.yaml").resolve())]
    assert {"python", "torch", "ohmbench"} <= stored["versions"].keys()


def test_a_run_without_claims_prints_no_ledger(repository: Repository) -> None:
    result = repository.run(tests="def test_plain(): pass\n")
    assert result.ret == 0
    assert "claims ledger" not in result.stdout.str()
    assert "no claim was judged" not in result.stdout.str()


def test_a_ledger_that_the_run_did_not_touch_is_not_printed(repository: Repository) -> None:
    repository.write("tests/test_other.py", "def test_other(claim): pass\n")
    repository.write("tests/test_it.py", ONE + TWO)
    assert "claims ledger" not in repository.run("tests/test_other.py").stdout.str()
    assert "claims ledger" in repository.run().stdout.str()


def test_what_is_only_collected_is_not_judged(repository: Repository) -> None:
    options = ("--collect-only", "--claims-json", "claims.json")
    assert repository.run(*options, tests=ONE + TWO).ret == 0
    assert not (repository.path / "claims.json").exists()


@pytest.mark.parametrize("terminal", [80, 100, 130])
def test_a_table_is_100_columns_wide_on_any_terminal(
    pytestconfig: pytest.Config, terminal: int
) -> None:
    run, written, titles = ClaimsRun(pytestconfig), io.StringIO(), []
    screen = SimpleNamespace(fullwidth=terminal, _file=written)
    reporter = SimpleNamespace(_tw=screen, section=lambda title, sep: titles.append((title, sep)))
    claim = Claim(id=f"x.{'o' * 99}", statement="one", source="s", expect="not checkable", why="w")
    outcomes = [Outcome.of(claim, None, None)]
    for ledgers in (["/a/claims.yaml"], ["/a/claims.yaml", "/b/claims.yaml"]):
        run._outcomes = {Path(ledger): outcomes for ledger in ledgers}
        run._print(reporter, Path("/a/claims.yaml"), outcomes)
    assert titles == [("claims ledger", "="), ("claims ledger /a/claims.yaml", "=")]
    assert "not checkable  x.ooo" in written.getvalue()
    # The columns end with 'here', which has a dash here.
    assert [line[77] for line in written.getvalue().splitlines() if "x.ooo" in line] == ["-", "-"]
    assert max(map(len, written.getvalue().splitlines())) <= 100


def test_the_table_can_be_left_out(repository: Repository) -> None:
    result = repository.run("--no-claims-table", tests=ONE + TWO)
    assert result.ret == 0
    assert "claims ledger" not in result.stdout.str()


def test_pytest_starts_without_the_heavy_imports(repository: Repository) -> None:
    """The plugin is loaded in every pytest run of its environment."""
    tests = """
import sys

def test_light():
    heavy = {"torch", "numpy", "pydantic", "rich", "matplotlib", "numba"}
    loaded = {name for name in sys.modules if name.startswith("ohmbench.")}
    assert loaded == {"ohmbench.claims", "ohmbench.claims.plugin"}
    assert not heavy & sys.modules.keys()
"""
    repository.write("tests/test_it.py", tests)
    result = repository.pytester.runpytest_subprocess(
        *(
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "-p",
            "no:benchmark",
            "-p",
            "no:jaxtyping",
        )
    )
    result.assert_outcomes(passed=1)


# ------------------------------------------------------------------------------------------------
# Ledgers that claim more than their tests establish


def test_a_measurement_that_does_not_fit_fails(repository: Repository) -> None:
    result = repository.run(tests=(ONE + TWO).replace("1.4", "1.6").replace("11", "9"))
    result.assert_outcomes(failed=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*x.one is 1.6 mV, but should be reproduced (1 within 0.5)*"], consecutive=False
    )
    result.stdout.fnmatch_lines(["*x.two is 9, but should be met (>= 10)*"])
    assert "1.6 mV" in rows(result)["one"]
    assert all("FAILED" in rows(result)[name] for name in ("one", "two"))


BREAKS = {
    "setup": """
import pytest

@pytest.fixture
def v3(): raise OSError

def test_one(claim, v3): claim("x.one", 1)
""",
    "before": """
def test_one(claim): raise OSError
""",
    "after": """
def test_one(claim):
    claim("x.one", 1)
    raise OSError
""",
    "teardown": """
import pytest

@pytest.fixture
def v3():
    yield
    raise OSError

def test_one(claim, v3): claim("x.one", 1)
""",
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS.keys())
def test_a_claim_whose_test_breaks_is_failed(repository: Repository, broken: str) -> None:
    found = repository.outcomes("-k", "test_one", tests=broken + TWO)
    assert (found["x.one"]["status"], found["x.one"]["reason"]) == ("FAILED", "its test failed")
    assert found["x.two"]["status"] == "not run"
    assert found["x.two"]["reason"] == "not selected in this run"


_SILENT = "its test passed without measuring it"


@pytest.mark.parametrize(
    ("tests", "reason", "options"),
    [
        pytest.param("def test_one(claim): pass\n", _SILENT, (), id="silent"),
        pytest.param("def test_one(): pass\n", _SILENT, (), id="no-fixture"),
        pytest.param("", "its test does not exist", (), id="no-test"),
        # What workers collected has to reach the process that judges.
        pytest.param("", "its test does not exist", ("-n", "1"), id="no-test-workers"),
    ],
)
def test_a_row_that_nothing_measures_fails_the_run(
    repository: Repository, tests: str, reason: str, options: tuple[str, ...]
) -> None:
    result = repository.run("--claims-json", "claims.json", *options, tests=tests + TWO)
    assert result.ret == 1
    assert "FAILED" in rows(result)["one"]
    found = repository.stored()
    assert (found["x.one"]["status"], found["x.one"]["reason"]) == ("FAILED", reason)
    assert found["x.two"]["status"] == "met"


def test_a_missing_test_among_several_files_is_failed(repository: Repository) -> None:
    repository.write("tests/test_other.py", "def test_other(claim): pass\n")
    found = repository.outcomes(tests=TWO)
    assert (found["x.one"]["status"], found["x.one"]["reason"]) == (
        *("FAILED", "its test does not exist"),
    )
    # Where one argument names a test, what else its file has is not known.
    found = repository.outcomes("tests/test_it.py::test_two", "tests/test_other.py")
    assert (found["x.one"]["status"], found["x.one"]["reason"]) == (
        *("not run", "not selected in this run"),
    )


def test_a_row_whose_file_does_not_exist_fails_the_run(repository: Repository) -> None:
    repository.write("claims.yaml", LEDGER.replace("test_it.py::test_one", "gone.py::test_one"))
    result = repository.run(tests=TWO)
    assert result.ret == 1
    found = repository.outcomes()
    assert found["x.one"]["reason"] == "its test file does not exist"


def test_a_file_that_cannot_be_collected_fails_its_rows(repository: Repository) -> None:
    repository.write("tests/test_broken.py", "raise OSError\n")
    repository.write("claims.yaml", LEDGER.replace("test_it.py::test_one", "test_broken.py::t"))
    found = repository.outcomes("--continue-on-collection-errors", tests=TWO)
    assert found["x.one"]["reason"] == "its test file could not be collected"
    assert found["x.two"]["status"] == "met"


@pytest.mark.parametrize(
    "select",
    [("-k", "test_one"), ("tests/test_it.py::test_one",), ("tests/test_other.py",)],
    ids=["expression", "node", "file"],
)
def test_what_is_not_selected_is_not_run(repository: Repository, select: tuple[str, ...]) -> None:
    repository.write("tests/test_other.py", "def test_other(claim): pass\n")
    repository.write("tests/test_it.py", ONE + TWO)
    result = repository.run(*select)
    assert result.ret == 0
    found = repository.outcomes(*select)
    assert found["x.two"]["status"] == "not run"
    assert found["x.two"]["reason"] == "not selected in this run"


def test_a_skipped_claim_says_why(repository: Repository) -> None:
    skips = "import pytest\ndef test_one(claim): pytest.skip('no chip here')\n"
    found = repository.outcomes(tests=skips + TWO)
    assert (found["x.one"]["status"], found["x.one"]["reason"]) == ("not run", "no chip here")


def test_a_test_that_is_expected_to_fail_establishes_nothing(repository: Repository) -> None:
    fails = "import pytest\n@pytest.mark.xfail(reason='later')\n" + ONE.replace("1.4", "9")
    found = repository.outcomes(tests=fails + TWO)
    assert found["x.one"]["status"] != "reproduced"
    breaks = fails.replace("claim('x.one', 9, 'seed 7')", "1 / 0")
    found = repository.outcomes(tests=breaks + TWO)["x.one"]
    assert found["status"] == "not run"
    assert found["reason"] == "its test is expected to fail: later"


def test_properties_of_others_are_theirs(repository: Repository) -> None:
    noted = "def test_one(claim, record_property):\n    record_property('sizes', [1, 2])\n"
    noted += "    record_property('ohmbench-claim', 'no measurement')\n"
    result = repository.run(tests=noted + "    claim('x.one', 1)\n" + TWO)
    assert result.ret == 0
    assert "reproduced" in rows(result)["one"]


def test_a_claim_belongs_to_the_test_its_row_names(repository: Repository) -> None:
    result = repository.run(tests=ONE + TWO.replace("test_two", "test_other"))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*x.two names test tests/test_it.py::test_two, not *::test_other*"]
    )
    assert "reproduced" in rows(result)["one"]
    assert not rows(result)["two"].rstrip().endswith("met")


@pytest.mark.parametrize(
    ("tests", "complaint"),
    [
        pytest.param(ONE.replace("x.one", "x.none"), "has no claim x.none", id="no-row"),
        pytest.param(ONE.replace("x.one", "x.three"), "x.three names test None", id="no-test"),
        pytest.param(
            "def test_one(claim):\n    claim('x.one', 1)\n    claim('x.one', 1.2)\n",
            "x.one was recorded before",
            id="twice",
        ),
        pytest.param(ONE.replace("1.4", "float('nan')"), "x.one is nan mV", id="nan"),
    ],
)
def test_a_wrong_record_fails_its_test(repository: Repository, tests: str, complaint: str) -> None:
    result = repository.run(tests=tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{complaint}*"])


def test_what_is_not_finite_is_stored_too(repository: Repository) -> None:
    found = repository.outcomes(tests=ONE.replace("1.4", "float('nan')") + TWO)
    assert (found["x.one"]["status"], found["x.one"]["value"]) == ("FAILED", "nan")


# ------------------------------------------------------------------------------------------------
# Which ledger


def test_the_nearest_ledger_counts(repository: Repository) -> None:
    repository.write("claims.yaml", "- {id: x.far, statement: f, source: s, expect: met, why: w,"
                     " at_least: 0, test: tests/test_it.py::test_far}\n")  # fmt: skip
    near = LEDGER.replace("tests/test_it.py", "test_it.py")
    repository.write("tests/claims.yaml", near)
    found = repository.outcomes(tests=ONE + TWO)
    assert found.keys() == {"x.one", "x.two", "x.three"}
    assert found["x.one"]["status"] == "reproduced"


def test_two_ledgers_are_two_tables(repository: Repository) -> None:
    second = (
        "- {id: y.one, statement: one, source: s, expect: met, why: w, at_most: 3, test: t.py::t}"
    )
    repository.write("other/claims.yaml", second.replace("t.py::t", "test_y.py::test_y"))
    repository.write("other/test_y.py", "def test_y(claim): claim('y.one', 2)\n")
    result = repository.run(tests=ONE + TWO)
    titles = [line for line in result.outlines if "claims ledger" in line]
    assert [Path(title.split()[3]).parent.name for title in titles] == [
        repository.path.name,
        "other",
    ]


def test_the_named_ledger_counts_rather_than_the_nearest(repository: Repository) -> None:
    repository.write("named.yaml", LEDGER.replace("tolerance: 0.5", "tolerance: 0.1"))
    found = repository.outcomes("--claims-ledger", "named.yaml", tests=ONE + TWO)
    assert found["x.one"]["status"] == "FAILED"
    assert found["x.one"]["tolerance"] == 0.1


def test_ledgers_above_the_root_are_not_looked_for(repository: Repository) -> None:
    repository.write("inner/tests/test_it.py", ONE)
    result = repository.run("--rootdir", "inner", "inner")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no claims.yaml in *"])


def test_an_older_json_file_is_replaced(repository: Repository) -> None:
    repository.write("claims.json", "older")
    assert repository.outcomes(tests=ONE + TWO)["x.one"]["status"] == "reproduced"


def test_what_workers_saw_is_told_to_the_process_that_judges(pytestconfig: pytest.Config) -> None:
    worker, judge = ClaimsRun(pytestconfig), ClaimsRun(pytestconfig)
    worker._ledgers, worker._collected = {Path("/a/claims.yaml")}, {"/a/t.py::two", "/a/t.py::one"}
    output: dict[str, Any] = {}
    config = SimpleNamespace(workerinput={}, workeroutput=output)
    worker._config = config  # type: ignore[assignment]
    worker.pytest_sessionfinish(SimpleNamespace(exitstatus=0))  # type: ignore[arg-type]
    sent = json.loads(json.dumps(output))  # execnet carries plain values alone
    judge.pytest_testnodedown(SimpleNamespace(workeroutput=sent))
    judge.pytest_testnodedown(SimpleNamespace(workeroutput={}))
    judge.pytest_testnodedown(SimpleNamespace())  # one that broke down
    assert (judge._ledgers, judge._collected) == (worker._ledgers, worker._collected)


@pytest.mark.parametrize("start", [".", "tests", "tests/test_it.py"])
def test_ids_hold_whatever_folder_pytest_takes_as_its_root(
    repository: Repository, start: str
) -> None:
    """Without configuration pytest's root is what its arguments have in common."""
    repository.write("tests/test_it.py", ONE + TWO)
    ledger = os.fspath(repository.path / "claims.yaml")
    found = repository.outcomes(start, "--claims-ledger", ledger)
    assert found["x.one"]["status"] == "reproduced"


def test_a_claim_without_a_ledger_is_an_error(repository: Repository) -> None:
    (repository.path / "claims.yaml").unlink()
    result = repository.run(tests=ONE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no claims.yaml in *name one with --claims-ledger*"])


@pytest.mark.parametrize(
    "options", [(), ("--claims-ledger", "claims.yaml")], ids=["found", "named"]
)
def test_a_bad_ledger_ends_the_run_with_one_line(
    repository: Repository, options: tuple[str, ...]
) -> None:
    repository.write("claims.yaml", LEDGER.replace("tolerance: 0.5", "tolerance: half"))
    result = repository.run(*options, tests=ONE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    found = [line for line in (*result.errlines, *result.outlines) if "claim x.one" in line]
    assert len(found) == 1
    assert "tolerance: Input should be a valid number" in found[0]


@pytest.mark.parametrize(
    ("options", "takes"),
    [((), "claim"), (("--claims-ledger", "claims.yaml"), "claim, tmp_path"),
     (("--claims-ledger", "claims.yaml"), "tmp_path")],
)  # fmt: skip
def test_no_test_begins_under_a_bad_ledger(
    repository: Repository, options: tuple[str, ...], takes: str
) -> None:
    repository.write("claims.yaml", LEDGER.replace("tolerance: 0.5", "tolerance: half"))
    begins = f"def test_one({takes}): open({os.fspath(repository.path / 'begun')!r}, 'w').close()\n"
    result = repository.run(*options, tests=begins)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not (repository.path / "begun").exists()


def test_a_json_file_that_cannot_be_written_ends_the_run(repository: Repository) -> None:
    result = repository.run("--claims-json", "none/claims.json", tests=ONE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--claims-json: none/claims.json: *"])


# ------------------------------------------------------------------------------------------------
# The report


def test_a_report_has_each_claim(repository: Repository) -> None:
    repository.write("claims.html", "of an earlier run")
    assert repository.run("--report-html", "claims.html", tests=ONE + TWO).ret == 0
    html = (repository.path / "claims.html").read_text(encoding="utf-8")
    for expected in ("x.one", "x.two", "x.three", "1.4 mV (seed 7)", "def test_two(claim)"):
        assert expected in html
    assert "<nav" not in html  # a stranger has no pages of ohmbench's own


def test_a_conftest_adds_pages_to_the_report(repository: Repository) -> None:
    page = "from ohmbench.claims.html.pages import Page\n"
    page += "def pytest_ohmbench_report_pages(config): return [Page('more', 'More', 'Added.')]\n"
    repository.write("conftest.py", page)
    assert repository.run("--report-html", "claims.html", tests=ONE + TWO).ret == 0
    html = (repository.path / "claims.html").read_text(encoding="utf-8")
    assert '<section id="more"' in html
    assert "Added." in html


def test_a_report_that_cannot_be_written_ends_the_run(repository: Repository) -> None:
    result = repository.run("--report-html", "none/claims.html", tests=ONE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--report-html: none/claims.html: *"])


@pytest.mark.parametrize(
    ("interval", "status"),
    [
        ((1.3, 1.5), "reproduced"),
        ((1.4, 1.5), "reproduced"),
        ((1.3, 1.4), "reproduced"),
        ((1.41, 1.5), "FAILED"),
        ((1.3, 1.39), "FAILED"),
    ],
)
def test_an_interval_is_kept_and_holds_its_value(
    repository: Repository, interval: tuple[float, float], status: str
) -> None:
    tests = ONE.replace("'seed 7'", f"'seed 7', interval={interval}")
    found = repository.outcomes(tests=tests + TWO)["x.one"]
    assert found["status"] == status
    if status == "reproduced":
        assert (found["low"], found["high"]) == interval


# ------------------------------------------------------------------------------------------------
# Honesty about runs that judged nothing


@pytest.mark.parametrize(
    ("tests", "ret"),
    [
        pytest.param(ONE + TWO, 0, id="judged"),
        pytest.param("def test_plain(): pass\n", 1, id="no-claims"),
        pytest.param("import pytest\ndef test_one(claim): pytest.skip('no')\n"
                     "def test_two(claim): pytest.skip('no')\n", 1, id="skipped"),
    ],
)  # fmt: skip
def test_required_claims(repository: Repository, tests: str, ret: int) -> None:
    result = repository.run("--require-claims", tests=tests)
    assert result.ret == ret
    assert ("FAILED: no claim was judged" in result.outlines) == (ret == 1)
