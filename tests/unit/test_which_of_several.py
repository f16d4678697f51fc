"""Where several lines, files or results could be meant, the one that is said to be meant counts."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohmbench import paper, streams
from ohmbench.benchmarks import timing
from ohmbench.claims import running
from ohmbench.claims.running import ClaimsRunError, run_ledger
from ohmbench.digital import Images, infer, save_int8
from ohmbench.eda.synthesis import calibration, vtr
from ohmbench.eda.synthesis.design import BUSES, core_sources
from ohmbench.eda.synthesis.flows import Finished, save
from ohmbench.eda.synthesis.reports import ReportError, ReportText
from ohmbench.eda.synthesis.result import Report, median_run, performance, spread
from ohmbench.eda.synthesis.runs import Failed, run_measured
from ohmbench.eda.tools import ToolError, run_tool
from ohmbench.errors import FileError
from ohmbench.weights import describe, read_manifest, register
from tests.unit.int8_networks import random_scaled
from tests.unit.option_rows import CLOCKS, DESIGN, LEDGER, synthesised

# ------------------------------------------------------------------------------------------------
# What a tool said

SAID = [
    pytest.param("a\nerror: out\nb", "c\nError: one\nerror: two\nd", "Error: one", id="both"),
    pytest.param("a\nError: out\nerror: too\nb", "c\nd", "Error: out", id="only-output"),
    pytest.param("a\nb", "c\n\nd\n \n", "d", id="none"),
    pytest.param("a\nb\n\n", "", "b", id="none-and-no-errors"),
    pytest.param("", "", "no message", id="nothing"),
]


@pytest.mark.parametrize(("out", "err", "shown"), SAID)
def test_the_line_of_a_tool_that_failed(tmp_path: Path, out: str, err: str, shown: str) -> None:
    """The first that names an error, of its error stream first; else the last that says why."""
    code = f"import sys; sys.stdout.write({out!r}); sys.stderr.write({err!r}); sys.exit(3)"
    with pytest.raises(ToolError) as caught:
        run_tool([sys.executable, "-c", code], tmp_path, timeout_s=60, name="it")
    assert str(caught.value) == f"it failed: {shown}"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [("a\nERROR: b\nERROR: c\nd", "ERROR: b"), ("a\nerror\nb", "b"), ("", "no message")],
)
def test_the_line_of_a_run_that_failed(tmp_path: Path, printed: str, shown: str) -> None:
    with pytest.raises(Failed) as caught:
        run_measured(
            [sys.executable, "-c", f"print({printed!r}); exit(1)"],
            tmp_path, log="log", name="it", timeout_s=60, error="ERROR",
        )  # fmt: skip
    assert str(caught.value) == f"it failed: {shown}"
    assert caught.value.output == f"{printed}\n"


def test_the_stage_of_vtr_that_failed(tmp_path: Path) -> None:
    """The latest stage that ran, and the last error in what it said before its times."""
    logs = (vtr.VPR_OUT, "ace.out", "abc0.out", vtr.FRONT_END)
    for log in reversed(logs):
        text = f"Error: first\nERROR of {log}\nsaid\n\tCommand being timed: x\nError: none\n"
        (tmp_path / log).write_text(text)
        assert vtr._reason(tmp_path) == f"; {log}: ERROR of {log}"
    (tmp_path / vtr.VPR_OUT).write_text("one\ntwo\n\n")
    assert vtr._reason(tmp_path) == f"; {vtr.VPR_OUT}: two"


def test_the_places_of_a_report() -> None:
    text = ReportText("r", "start\na 1\nend\na 2\nend\nb 3\nb 3\n")
    assert text.last(r"^a (\d)$")[1] == "2"
    assert text.same(r"^b (\d)$")[1] == "3"
    assert text.number(r"^start\na (\d)$") == 1.0
    assert text.between(r"^start\n", r"^end$").text == "a 1\n"
    assert text.after(r"^a 2\n").text == "end\nb 3\nb 3\n"
    for wrong in (
        lambda: text.one(r"^a (\d)$"),
        lambda: text.same(r"^a (\d)$"),
        lambda: text.last("^c"),
        lambda: text.between("^start$", "^c"),
        lambda: text.after("^b"),
    ):
        with pytest.raises(ReportError):
            wrong()


def test_the_row_and_column_of_golden_results(tmp_path: Path) -> None:
    path = tmp_path / "golden.txt"
    path.write_text("vpr_revision\tcircuit\ttotal_power\tcritical_path_delay\n"
                    "v1\tother.v\t0.5\t10.0\nv2\tdiffeq1.v\t0.25\t20.0\n")  # fmt: skip
    found = calibration.compare(path, "v3", 18e-9, 0.2)
    assert (found.golden_version, found.version) == ("v2", "v3")
    delay, power = found.compared
    assert (delay.golden, delay.here, delay.ratio) == pytest.approx((20e-9, 18e-9, 0.9))
    assert (power.golden, power.here, power.ratio) == pytest.approx((0.25, 0.2, 0.8))
    assert (delay.low, delay.high) == calibration.DELAY_BAND
    assert (power.low, power.high) == calibration.POWER_BAND
    calibration.check(found)
    for delay_s, power_W, what in ((9.9e-9, 0.25, "delay"), (28.1e-9, 0.25, "delay"),
                                   (20e-9, 0.18, "power"), (20e-9, 0.32, "power")):  # fmt: skip
        with pytest.raises(calibration.OutOfBand, match=f"{what}, [sW]: "):
            calibration.check(calibration.compare(path, "v3", delay_s, power_W))
    path.write_text(path.read_text() + "v4\tdiffeq1.v\t1.0\t1.0\n")
    with pytest.raises(ReportError, match="found 2 times"):
        calibration.read_golden(path, "diffeq1.v")


# ------------------------------------------------------------------------------------------------
# Results of several seeds


def test_the_run_in_the_middle() -> None:
    """Of an even number the slower of two, of equal ones by their seeds; and figures of all."""
    runs = [synthesised("ecp5", DESIGN, seed) for seed in (4, 1, 3, 2)]
    assert median_run(runs).seed == 2
    assert median_run(runs[:3]).seed == 3
    assert median_run(runs[:1]).seed == 4
    same = [run.model_copy(update={"fmax_Hz": 5e7}) for run in runs]
    assert median_run(same).seed == 2
    found = spread([5.0, 1.0, 2.0, 9.0])
    assert (found.median, found.low, found.high) == (3.5, 1.0, 9.0)
    assert spread([4.0, 5.0, 7.0]).relative == pytest.approx(1.5 / 5)


def test_performance_counts_mean_intervals_and_the_loading() -> None:
    """Eight clocks of loading of which the last counts with the latency, 60 between results."""
    found = performance(synthesised("vtr", DESIGN, 1), CLOCKS, 30.5e6)
    assert found.whole_latency_s == pytest.approx((7 + 93) / 30.5e6)
    assert found.latency_s == pytest.approx(93 / 30.5e6)
    assert found.inferences_per_s == pytest.approx(30.5e6 / 60)
    assert found.power_W == pytest.approx(0.6 + 0.4 * 30.5 / 61)
    assert found.energy_J == pytest.approx(0.8 * 60 / 30.5e6)


def test_each_seed_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """... with what was simulated for it inside."""
    folders = []
    for name in ("one", "two", "sim-one", "sim-two"):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        (folders[-1] / "log").write_text(name)
    runs = tuple(synthesised("ecp5", DESIGN, seed) for seed in (7, 5))
    finished = Finished(Report(runs=runs, clocks=CLOCKS), tuple(folders[:2]), tuple(folders[2:]))
    save(finished, tmp_path / "out")
    found = {
        str(p.relative_to(tmp_path / "out")): p.read_text() for p in (tmp_path / "out").rglob("log")
    }
    assert found == {
        "seed-7/log": "one",
        "seed-5/log": "two",
        "seed-7/simulated/log": "sim-one",
        "seed-5/simulated/log": "sim-two",
    }


@pytest.mark.parametrize("bus", BUSES)
def test_the_core_has_no_bus(bus: str) -> None:
    assert bus in {"accelerator_axi.v", "axi_lite_port.v", "axi_result_stream.v"}
    files = [Path("a") / name for name in (bus, "accelerator.v", "lane.v")]
    assert [p.name for p in core_sources(files)] == ["accelerator.v", "lane.v"]


# ------------------------------------------------------------------------------------------------
# Errors, folders and files


class Failing(io.StringIO):
    """A stream whose writing fails in one way, and its flushing in another."""

    def write(self, text: str) -> int:
        raise OSError(28, "first")

    def flush(self) -> None:
        raise OSError(5, "later")

    def fileno(self) -> int:
        raise OSError(9, "none")


def test_the_first_error_of_a_stream_is_kept() -> None:
    lossy = streams.Lossy(Failing())
    lossy.write("a")
    lossy.flush()
    lossy.write("b")
    assert (lossy.error.errno, lossy.error.strerror) == (28, "first")  # type: ignore[union-attr]


def test_what_a_run_of_claims_is_given_before_what_it_inherits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "claims.yaml").write_text(LEDGER)
    (tmp_path / "test_a.py").write_text("")
    seen: list[Any] = []
    monkeypatch.setattr(running, "_show", lambda command, folder, env: seen.append(env) or 3)
    monkeypatch.setenv("OHMBENCH_PAPER_FANN", "inherited")
    monkeypatch.setenv("OTHER", "inherited")
    for given, expected in (({}, "inherited"), ({"OHMBENCH_PAPER_FANN": "given"}, "given")):
        with pytest.raises(ClaimsRunError, match="status 3"):
            run_ledger(tmp_path / "claims.yaml", environment=given)
        assert seen[-1]["OHMBENCH_PAPER_FANN"] == expected
        assert seen[-1]["OTHER"] == "inherited"


def test_the_folder_of_the_papers_results(tmp_path: Path) -> None:
    """As it lies in the checkout, before one of the same name, before the folder itself."""

    def made(*parts: str) -> Path:
        folder = tmp_path.joinpath(*parts)
        folder.mkdir(parents=True)
        return folder

    with pytest.raises(FileError, match="not found"):
        paper.kirchhoff_results(tmp_path)
    made("gauss").joinpath("config.yaml").touch()
    assert paper.kirchhoff_results(tmp_path) == tmp_path
    results = made("results")
    assert paper.kirchhoff_results(tmp_path) == results
    inside = made("src", "results")
    assert paper.kirchhoff_results(tmp_path) == inside


@pytest.mark.parametrize(
    ("images", "predictions", "lacking"),
    [(False, False, "test_inputs_u8"), (True, False, "pytorch_test_pred")],
)
def test_the_field_that_a_published_file_lacks(
    tmp_path: Path, images: bool, predictions: bool, lacking: str
) -> None:
    network, x = random_scaled(0, (64, 100, 10))
    path = tmp_path / paper.FANN_INT8
    path.parent.mkdir(parents=True)
    answers = infer(network, x).classes
    save_int8(path, network, images=Images(x, answers, "test") if images else None)
    with pytest.raises(FileError, match="missing") as caught:
        paper.read_fann_int8(tmp_path)
    assert caught.value.field == lacking


def test_an_entry_is_added_and_the_others_stay(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    made: dict[str, Any] = {}
    for name, seed in (("one", 1), ("two", 2), ("one", 3)):
        np.savez(tmp_path / f"{name}.npz", a=np.array(seed))
        made[name] = describe(
            tmp_path / f"{name}.npz", command=f"c{seed}", seed=seed, recipe={"s": seed},
            metrics={"m": float(seed)},
        )  # fmt: skip
        register(name, made[name], manifest=manifest)
    assert read_manifest(manifest) == made
    assert [e.seed for e in made.values()] == [3, 2]
    assert {e.file for e in made.values()} == {"one.npz", "two.npz"}


REFUSED: dict[str, Callable[[], FileError]] = {
    "all": lambda: FileError("p", "reason", field="f", remedy="r"),
    "no field": lambda: FileError("p", "reason", remedy="r"),
    "no remedy": lambda: FileError("p", "reason", field="f"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_error_is_itself_in_another_process(kind: str) -> None:
    """Each part in its place: ``pickle`` makes it anew of what it says that it is made of."""
    error = REFUSED[kind]()
    make, arguments = error.__reduce__()
    again = make(*arguments)  # type: ignore[operator, misc]
    assert str(again) == str(error)
    for name in ("path", "reason", "field", "remedy"):
        assert getattr(again, name) == getattr(error, name)


def test_the_counts_that_are_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of user, nice, system, idle, waiting, both interrupts, stolen, and guests (which are part of
    the first two), all but idle and waiting; of this process' cores alone."""
    counts = [3**k for k in range(10)]
    text = "".join(f"{cpu} {' '.join(map(str, counts))}\n" for cpu in ("cpu", "cpu0", "cpu7"))
    stat = tmp_path / "stat"
    stat.write_text(text)
    monkeypatch.setattr(timing, "_STAT", stat)
    monkeypatch.setattr(timing.os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(timing.time, "process_time", lambda: 1.0)
    work = sum(counts[k] for k in (0, 1, 2, 5, 6, 7))
    assert timing.others_s() == pytest.approx(work / timing.os.sysconf("SC_CLK_TCK") - 1.0)
