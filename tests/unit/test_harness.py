"""The test harness itself goes red when it should: a small project under this one's conftest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ohmbench.constants import FANN_VARIABLE, KIRCHHOFF_VARIABLE, MODELS_VARIABLE
from ohmbench.data.mnist import DATA_VARIABLE, missing_files
from ohmbench.needs import NEEDS, Availability, skip_reason

ROOT = Path(__file__).parents[2]

LEDGER = """
- {id: x.one, statement: one, source: here, published: 1, tolerance: 0.5, expect: reproduced,
   why: rounding, unit: mV, test: test_it.py::test_one}
- {id: x.two, statement: two, source: here, at_least: 10, expect: met,
   why: target, test: test_it.py::test_two}
- {id: x.three, statement: three, source: here, expect: not checkable, why: a chip}
"""
GOOD_CLAIMS = """
def test_one(claim):
    claim("x.one", 1.4, "seed 7")

def test_two(claim):
    claim("x.two", 11)
"""
UNIT = "def test_unit(): pass\n"


class Project:
    """A folder with this project's conftest and configuration, and tests and ledger of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        for name in ("conftest.py", "pyproject.toml"):
            self.write(name, (ROOT / name).read_text(encoding="utf-8"))
        self.write("tests/repro/claims.yaml", LEDGER)

    def write(self, name: str, text: str) -> None:
        path = self.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *options: str | Path, unit: str = "", repro: str = "") -> pytest.RunResult:
        for name, text in (("unit/test_that.py", unit), ("repro/test_it.py", repro)):
            if text:
                self.write(f"tests/{name}", text)
        # Workers need a process of their own; all else is faster in this one.
        run = self.pytester.runpytest_subprocess if "-n" in options else self.pytester.runpytest
        return run("-p", "no:cacheprovider", *options)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    papers = (FANN_VARIABLE, KIRCHHOFF_VARIABLE, MODELS_VARIABLE)
    for variable in (DATA_VARIABLE, *papers, "PYTEST_XDIST_WORKER", "CI"):
        monkeypatch.delenv(variable, raising=False)
    return Project(pytester)


def counts(result: pytest.RunResult) -> str:
    (line,) = [line for line in result.outlines if line.startswith("checks: ")]
    return line


# ------------------------------------------------------------------------------------------------
# Needs


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_missing_is_skipped_with_a_reason(
    project: Project, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if NEEDS[name].version is not None:  # a tool, which may well be installed here
        gone = replace(NEEDS[name], look=lambda: Availability(None, "not found"))
        monkeypatch.setitem(NEEDS, name, gone)
    unit = f"import pytest\n@pytest.mark.needs({name!r})\ndef test_it(): raise SystemError\n"
    result = project.run("-rs", unit=unit)
    result.assert_outcomes(skipped=1)
    assert result.ret == 0
    (line,) = [line for line in result.outlines if line.startswith("SKIPPED")]
    assert f"needs {name}: " in line
    assert NEEDS[name].hint in line
    none = "bench 0 run; browser 0 run; docs 0 run; repro 0 run; rtl 0 run; synth 0 run"
    assert counts(result) == f"checks: {none}; unit 0 run, 1 skipped"
    header = result.stdout.str().partition("collected")[0]
    assert f"needs {name}: " in header


def test_what_is_missing_fails_where_tools_are_required(project: Project) -> None:
    unit = "import pytest\n@pytest.mark.needs('mnist')\ndef test_it(): pass\n"
    result = project.run("--require-tools", unit=unit)
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*--require-tools: needs mnist: {DATA_VARIABLE} is not set*"])


def test_what_is_there_is_not_skipped(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    unit = "import pytest\n@pytest.mark.needs('mnist')\ndef test_it(): pass\n"
    for stem in missing_files():
        assert f"lacks {stem}" in str(skip_reason("mnist"))
        (tmp_path / stem).touch()
    project.run("--require-tools", unit=unit).assert_outcomes(passed=1)


def test_a_need_nobody_knows_is_an_error(project: Project) -> None:
    unit = "import pytest\n@pytest.mark.needs('minst')\ndef test_it(): pass\n"
    project.run(unit=unit).assert_outcomes(errors=1)


# ------------------------------------------------------------------------------------------------
# Kinds

SKIPPED = "import pytest\ndef test_it(): pytest.skip('no')\n"


def test_a_test_outside_the_checkout_runs_and_is_of_no_kind(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "unit" / "test_outside.py"
    outside.parent.mkdir()
    outside.write_text(UNIT, encoding="utf-8")
    result = project.run("-c", "pyproject.toml", "tests", outside, unit=UNIT)
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    first = "bench 0 run; browser 0 run; docs 0 run; other 1 run"
    assert counts(result) == f"checks: {first}; repro 0 run; rtl 0 run; synth 0 run; unit 1 run"


@pytest.mark.parametrize("name", ["test_top.py", "tests/test_top.py", "lib/unit/test_it.py"])
def test_a_test_in_no_kinds_folder_is_of_no_kind(project: Project, name: str) -> None:
    project.write(name, UNIT)
    result = project.run(name)
    result.assert_outcomes(passed=1)
    assert "other 1 run" in counts(result)
    assert "unit 0 run" in counts(result)


@pytest.mark.parametrize(
    ("unit", "options"),
    [
        pytest.param("", (), id="none-there"),
        pytest.param(UNIT, ("-k", "nothing"), id="none-selected"),
        pytest.param(SKIPPED, (), id="all-skipped"),
        pytest.param(SKIPPED, ("-n", "2"), id="all-skipped-workers"),
    ],
)
def test_a_required_kind_that_did_not_run_fails(
    project: Project, unit: str, options: tuple[str, ...]
) -> None:
    result = project.run("--require-kind", "unit", *options, unit=unit, repro=GOOD_CLAIMS)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED: no unit test ran"])


def test_a_required_kind_fails_where_nothing_is_collected(project: Project) -> None:
    assert project.run().ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert project.run("--require-kind", "repro").ret == 1


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(UNIT, id="passed"),
        pytest.param(
            "import pytest\n@pytest.mark.xfail\ndef test_it(): raise OSError\n", id="xfailed"
        ),
    ],
)
def test_a_required_kind_that_ran_passes(project: Project, unit: str) -> None:
    result = project.run("--require-kind", "unit", unit=unit)
    assert result.ret == 0
    none = "bench 0 run; browser 0 run; docs 0 run; repro 0 run; rtl 0 run; synth 0 run"
    assert counts(result) == f"checks: {none}; unit 1 run"


SLOW = UNIT + "import pytest\n@pytest.mark.slow\ndef test_slow(): pass\n"


def test_slow_tests_run_on_request_only(project: Project) -> None:
    result = project.run(unit=SLOW)
    result.assert_outcomes(passed=1, deselected=1)
    assert counts(result).endswith("unit 1 run; slow 1 not selected (--slow)")
    result = project.run("--slow", unit=SLOW)
    result.assert_outcomes(passed=2)
    assert counts(result).endswith("unit 2 run")


COLLECTED = {"bench": 1, "browser": 1, "docs": 1, "repro": 2, "rtl": 1, "synth": 2, "unit": 1}


@pytest.mark.parametrize(
    "kind", ["unit", "docs", "repro", "rtl", "synth", "bench", "browser", "vtr"]
)
def test_the_folder_is_the_marker(project: Project, kind: str) -> None:
    """But for the paper's synthesis flow, which has a marker of its own."""
    project.write("tests/rtl/test_hardware.py", UNIT)
    project.write("tests/bench/test_fast.py", UNIT)
    project.write("tests/docs/test_site.py", UNIT)
    project.write("tests/browser/test_page.py", UNIT)
    project.write("tests/synth/test_pip.py", UNIT + "def test_another(): pass\n")
    project.write("tests/synth/test_vtr.py", f"import pytest\n@pytest.mark.vtr\n{UNIT}")
    result = project.run("-m", kind, unit=UNIT, repro=GOOD_CLAIMS)
    ran = {k: {k: n}.get(kind, 0) for k, n in COLLECTED.items()}
    if kind == "vtr":
        ran["synth"] = 1
    expected = "; ".join(f"{k} {n} run" for k, n in ran.items())
    assert counts(result) == f"checks: {expected}"


@pytest.mark.parametrize("option", ["--update-golden", "--update-baseline"])
def test_one_file_is_written_by_one_process(project: Project, option: str) -> None:
    result = project.run(option, "-n", "2", unit=UNIT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{option} writes one file: run it without -n"])


def test_a_planted_fault_is_no_baseline(project: Project) -> None:
    result = project.run("--update-baseline", "--plant", "slow", unit=UNIT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--plant: a planted fault is no baseline"])


# ------------------------------------------------------------------------------------------------
# Strictness


def test_unknown_markers_are_errors(project: Project) -> None:
    result = project.run(unit="import pytest\n@pytest.mark.solw\ndef test_it(): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*'solw' not found in `markers` configuration option*"])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param("import warnings; warnings.warn('careful')", "UserWarning", id="warning"),
        # Not the warning, which a library may silence, but numpy's own error.
        pytest.param("np.divide(1.0, 0.0)", "FloatingPointError", id="division-by-zero"),
        pytest.param("np.exp(1e4)", "FloatingPointError", id="overflow"),
        pytest.param("np.subtract(np.inf, np.inf)", "FloatingPointError", id="invalid"),
        pytest.param("assert np.exp(-1e4) == 0.0", None, id="underflow"),
    ],
)
def test_strictness(project: Project, body: str, error: str | None) -> None:
    result = project.run(unit=f"import numpy as np\ndef test_it():\n    {body}\n")
    if error is None:
        result.assert_outcomes(passed=1)
    else:
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E *{error}: *"])


def test_a_test_expected_to_fail_must_fail(project: Project) -> None:
    result = project.run(unit="import pytest\n@pytest.mark.xfail\ndef test_it(): pass\n")
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
def test_reports_are_shown_at_the_end(project: Project, options: tuple[str, ...]) -> None:
    unit = "def test_it(report): report('977 of 1000 killed')\n"
    result = project.run(*options, unit=unit)
    shown = result.stdout.str().partition("tests/unit/test_that.py::test_it -")[2]
    assert "977 of 1000 killed" in shown.partition("checks: ")[0].splitlines()
