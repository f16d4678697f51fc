"""Synthesis without its tools: results, what follows from them, designs, kept runs, --out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from ohmbench import cli
from ohmbench.cli import synth, synth_output
from ohmbench.digital.widths import Hardware
from ohmbench.eda.cache import CACHE_VARIABLE
from ohmbench.eda.hdl import sources
from ohmbench.eda.synthesis import calibration, flows, reports_vpr, vtr
from ohmbench.eda.synthesis.defaults import LANES
from ohmbench.eda.synthesis.design import VerilogSource, core_sources, source, with_parameters
from ohmbench.eda.synthesis.flows import Finished, _all, check_out, least_requants, save
from ohmbench.eda.synthesis.reports import ReportError, read_report
from ohmbench.eda.synthesis.result import (
    Activity,
    Area,
    Calibration,
    Clocks,
    Compared,
    Cost,
    CriticalPath,
    Design,
    PathElement,
    Power,
    Report,
    Synthesis,
    Versions,
    median_run,
    performance,
    read_record,
    spread,
    write_record,
)
from ohmbench.eda.synthesis.runs import DoesNotFit, Failed, keep, kept_run, run_measured, take
from ohmbench.eda.synthesis.sweep import Point, candidates
from ohmbench.eda.tools import VTR_VARIABLE, ToolError
from ohmbench.errors import FileError, OhmbenchError, RangeError
from tests.eda.mutation import MutantList, MutationError, prove_no_change

DESIGN = Design(inputs=64, hidden=100, classes=10, lanes=13, requants=2, sources_sha256="0" * 64)
CLOCKS = Clocks(load=8, latency=93, interval=64, mean_interval=64.0, simulator="verilator 5")
PUBLISHED = Clocks(
    load=1, latency=1213, interval=1213, mean_interval=1213.0, simulator="verilator 5"
)
UNEVEN = Clocks(load=1, latency=26, interval=18, mean_interval=13.0, simulator="verilator 5")


def power(total: float = 0.341, static: float = 0.59) -> Power:
    return Power(
        activity="vectorless",
        temperature_C=85.0,
        voltage_V=1.3,
        total_W=total,
        dynamic_W=total * (1 - static),
        static_W=total * static,
        routing_W=total * 0.5,
        clock_W=total * 0.1,
        logic_W=total * 0.2,
        memory_W=total * 0.1,
        multipliers_W=total * 0.1,
        other_W=0.0,
        table=(),
        table_by_block=(),
    )


def run(seed: int = 1, fmax_Hz: float = 68.9e6, *, with_power: bool = True) -> Synthesis:
    return Synthesis(
        flow="vtr",
        device="k6",
        design=DESIGN,
        seed=seed,
        options=("--seed", str(seed)),
        versions=Versions(tools={"vtr": "9.0.0"}, files={"k6.xml": "1" * 64}),
        fmax_Hz=fmax_Hz,
        critical_path=CriticalPath(
            start="a.Q",
            end="b.D",
            delay_s=1 / fmax_Hz,
            elements=(PathElement(at="b.D", kind="routing", delay_s=1 / fmax_Hz),),
        ),
        area=Area(
            logic_blocks=613,
            luts=5000,
            flip_flops=3000,
            multiplier_blocks=16,
            multipliers={"mult_9x9": 20},
            memory_blocks=23,
            memories={},
            grid=(36, 36),
            grid_limited_by="memory",
            wire_length=1e5,
            wire_unit="blocks",
        ),
        power=power() if with_power else None,
        cost=Cost(wall_s=1.0 + seed, peak_memory_MiB=100.0),
    )


class TestPerformance:
    def test_published_design(self) -> None:
        """The paper's accelerator by its measured clocks, Fmax and power: 17.6 us and 6.0 uJ."""
        found = performance(run(), PUBLISHED)
        assert found.latency_s == pytest.approx(17.6e-6, rel=1e-3)
        assert found.inferences_per_s == pytest.approx(56_800, rel=1e-3)
        assert found.energy_J == pytest.approx(6.0e-6, rel=2e-3)

    @given(st.floats(1e3, 68.9e6))
    def test_dynamic_energy_does_not_depend_on_the_clock(self, clock: float) -> None:
        """Each image toggles the same nets; what waits longer leaks longer."""
        one = run()
        assert one.power is not None
        at_clock = performance(one, CLOCKS, clock)
        leaked = one.power.static_W * CLOCKS.interval / clock
        toggled = one.power.dynamic_W * CLOCKS.interval / one.fmax_Hz
        assert at_clock.energy_J == pytest.approx(leaked + toggled)
        assert at_clock.inferences_per_s * CLOCKS.interval == pytest.approx(clock)

    def test_latency_with_the_loading(self) -> None:
        found = performance(run(), CLOCKS, 1e6)
        assert found.latency_s == pytest.approx(93e-6)
        assert found.whole_latency_s == pytest.approx(100e-6)

    @pytest.mark.parametrize("clock", [0.0, -1.0, 69e6, float("nan"), float("inf")])
    def test_a_clock_it_does_not_reach_is_refused(self, clock: float) -> None:
        with pytest.raises(RangeError, match=r"at most 68\.90 MHz"):
            performance(run(), CLOCKS, clock)

    def test_uneven_results_count_on_average(self) -> None:
        """In turn 18 and 8 clocks apart: one in 13 is sustained, and is what each image costs."""
        one = run()
        assert one.power is not None
        found = performance(one, UNEVEN, 1.3e6)
        assert found.inferences_per_s == pytest.approx(1e5)
        assert found.energy_J == pytest.approx(one.power.at(1.3e6, one.fmax_Hz) * 1e-5)

    def test_no_energy_without_power(self) -> None:
        found = performance(run(with_power=False), CLOCKS)
        assert (found.power_W, found.energy_J) == (None, None)


class TestRecords:
    def test_round_trip(self, tmp_path: Path) -> None:
        report = Report(runs=(run(1), run(2, 70e6)), clocks=CLOCKS)
        write_record(tmp_path / "r.json", report)
        assert read_record(tmp_path / "r.json", Report) == report

    @pytest.mark.parametrize(
        ("where", "value"),
        [
            (("runs", 0, "fmax_Hz"), None),
            (("runs", 0, "fmax_Hz"), "68.9e6"),
            (("runs", 0, "fmax_Hz"), -1.0),
            (("runs", 0, "power", "total_W"), 0.5),
            (("runs", 0, "power", "static_W"), 0.0),
            (("runs", 0, "area", "luts"), 1.5),
            (("runs", 0, "flow"), "odin"),
            (("runs", 0, "surprise"), 1),
            (("clocks", "interval"), 0),
            (("clocks", "mean_interval"), 64.5),
            (("runs",), []),
        ],
    )
    def test_anything_else_is_refused(
        self, tmp_path: Path, where: tuple[str | int, ...], value: object
    ) -> None:
        content = json.loads(Report(runs=(run(),), clocks=CLOCKS).model_dump_json())
        at = content
        for key in where[:-1]:
            at = at[key]
        if value is None:
            del at[where[-1]]
        else:
            at[where[-1]] = value
        (tmp_path / "r.json").write_text(json.dumps(content))
        with pytest.raises(FileError, match="not a Report"):
            read_record(tmp_path / "r.json", Report)

    def test_one_report_is_of_one_design(self) -> None:
        other = run(2).model_copy(update={"design": DESIGN.model_copy(update={"lanes": 25})})
        with pytest.raises(ValidationError, match="different designs"):
            Report(runs=(run(1), other), clocks=CLOCKS)
        with pytest.raises(ValidationError, match="a seed occurs twice"):
            Report(runs=(run(1), run(1)), clocks=CLOCKS)

    def test_the_cost_is_no_part_of_the_identity(self) -> None:
        one = run()
        slow = one.model_copy(update={"cost": Cost(wall_s=9.0, peak_memory_MiB=9.0)})
        assert one.identity() == slow.identity()
        assert one.identity() != run(2).identity()

    def test_median_and_spread(self) -> None:
        runs = [run(1, 70e6), run(2, 66e6), run(3, 68e6)]
        assert median_run(runs).seed == 3
        found = spread([r.fmax_Hz for r in runs])
        assert (found.median, found.low, found.high) == (68e6, 66e6, 70e6)
        assert found.relative == pytest.approx(2 / 68)


ACTIVITY = Activity(
    network="int8-digits",
    images=64,
    warm_up=4,
    clocks=4096,
    seed=1,
    checked=69,
    nets=26786,
    collisions=0,
    mean_density=0.2,
    mean_density_vectorless=0.1,
)


def simulated_run(seed: int = 1) -> Synthesis:
    more = power(0.5).model_copy(update={"activity": "simulated"})
    return run(seed).model_copy(update={"power_simulated": more, "activity": ACTIVITY})


class TestBothPowers:
    def test_side_by_side(self, capsys: pytest.CaptureFixture[str]) -> None:
        report = Report(runs=(simulated_run(1), simulated_run(2)), clocks=CLOCKS)
        synth_output.print_report(report, 50e6)
        said = capsys.readouterr().out
        for words in (
            *("power at Fmax (vectorless), mW", "power at 50 MHz (vectorless), mW"),
            *("energy per inference at Fmax (simulated), uJ", "vectorless activity, mW"),
            *("simulated activity, mW", "simulated: 64 images of int8-digits (seed 1)"),
        ):
            assert words in said
        found = synth_output.report_json(report, 50e6)
        for name, expected in (("at_fmax", 0.341), ("at_fmax_simulated", 0.5)):
            assert [row["power_W"] for row in found[name]] == [expected, expected]
            energy = expected * CLOCKS.interval / report.runs[0].fmax_Hz
            assert found[name][0]["energy_J"] == pytest.approx(energy)
        assert found["at_clock_simulated"][0]["power_W"] < 0.5
        assert found["runs"][0]["activity"]["clocks"] == 4096

    def test_one_alone_needs_no_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        report = Report(runs=(run(),), clocks=CLOCKS)
        synth_output.print_report(report, None)
        said = capsys.readouterr().out
        assert "(vectorless)" not in said
        assert "unevenly" not in said
        assert "at_fmax_simulated" not in synth_output.report_json(report, None)

    @pytest.mark.parametrize(
        ("update", "words"),
        [
            ({"activity": None}, "power_simulated without activity"),
            ({"power_simulated": None}, "power_simulated without activity"),
            ({"power_simulated": power()}, "power is vectorless, not simulated"),
        ],
    )
    def test_where_it_is_from_must_be_said(
        self, tmp_path: Path, update: dict[str, object], words: str
    ) -> None:
        report = Report(runs=(simulated_run(),), clocks=CLOCKS)
        write_record(tmp_path / "good.json", report)
        assert read_record(tmp_path / "good.json", Report) == report
        bad = report.model_copy(update={"runs": (report.runs[0].model_copy(update=update),)})
        write_record(tmp_path / "bad.json", bad)
        with pytest.raises(FileError, match=words):
            read_record(tmp_path / "bad.json", Report)

    def test_the_order_of_tools_is_no_part_of_the_identity(self) -> None:
        tools = {"a": "1", "b": "2"}
        found = [
            run().model_copy(update={"versions": Versions(tools=t, files={})}).identity()
            for t in (tools, dict(reversed(tools.items())))
        ]
        assert found[0] == found[1]

    def test_kept_beside_the_reports(self, tmp_path: Path) -> None:
        for name in ("kept", "simulated"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "accelerator.power").write_text(name)
        report = Report(runs=(simulated_run(),), clocks=CLOCKS)
        save(Finished(report, (tmp_path / "kept",), (tmp_path / "simulated",)), tmp_path / "out")
        found = tmp_path / "out" / "seed-1"
        assert (found / "accelerator.power").read_text() == "kept"
        assert (found / "simulated" / "accelerator.power").read_text() == "simulated"


class TestStimulusOfADesign:
    def test_sizes_take_the_stored_digits(self) -> None:
        found = synth._stimulus("64-100-10", Hardware(64, 100, 10), 8, None)
        assert (found.name, found.images, found.network.sizes) == ("int8-digits", 8, (64, 100, 10))

    def test_other_sizes_have_none(self) -> None:
        with pytest.raises(OhmbenchError, match=r"8-4-2 are other sizes .* \(64-100-10\)"):
            synth._stimulus("8-4-2", Hardware(8, 4, 2), 8, None)

    def test_too_many_images(self) -> None:
        with pytest.raises(OhmbenchError, match="from 1 to 355"):
            synth._stimulus("int8-digits", Hardware(64, 100, 10), 356, None)


class TestDesign:
    def test_buses_are_left_out_and_parameters_set(self) -> None:
        made = source(Hardware(64, 100, 10, lanes=7, requants=1))
        assert "module accelerator_axi" not in made.verilog
        assert made.verilog.count("module accelerator ") == 1
        for line in ("LANES    = 7,", "REQUANTS = 1,"):
            assert f"parameter {line}" in made.verilog
        assert made.design.name == "64-100-10 lanes 7 requants 1"

    def test_everything_else_stays(self) -> None:
        text = (sources()[0].parent / "accelerator.v").read_text(encoding="utf-8")
        assert with_parameters(text, {}) == text
        changed = with_parameters(text, {"LANES": 999})
        differ = [a for a, b in zip(text.splitlines(), changed.splitlines(), strict=True) if a != b]
        assert len(differ) == 1

    @pytest.mark.parametrize(
        "header",
        [
            "module accelerator (\n input a\n);",
            "module accelerator #(\n    parameter LANE = 1,\n    parameter X = 1\n) (\n);",
            "module accelerator #(\n    parameter LANES = 1,\n    parameter LANES = 1,\n) (\n);",
            "module accelerator #(\n    parameter LANES = A + 1,\n) (\n);",
            "module other #(\n    parameter LANES = 1,\n) (\n);",
        ],
    )
    def test_a_header_that_is_another_is_refused(self, header: str) -> None:
        with pytest.raises(ToolError, match=r"accelerator\.v: "):
            with_parameters(header, {"LANES": 2})

    def test_a_folder_without_the_core(self, tmp_path: Path) -> None:
        with pytest.raises(ToolError, match=r"no file accelerator\.v"):
            core_sources([tmp_path / "ram.v"])

    def test_fewest_requantisers(self) -> None:
        base = Hardware(64, 100, 10)
        found = {n: least_requants(replace(base, lanes=n)).requants for n in LANES}
        assert found == {4: 1, 7: 1, 13: 2, 25: 4, 50: 8}
        with pytest.raises(RangeError, match="cannot be built"):
            candidates(base, [65])


class TestKeptRuns:
    @pytest.fixture(autouse=True)
    def _own_cache(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))

    def test_made_once_and_whole(self) -> None:
        calls = []

        def make(work: Path) -> tuple[Synthesis, tuple[str, ...]]:
            calls.append(work)
            (work / "a.rpt").write_text("short")
            (work / "b.rpt").write_text("long " * 100_000)
            return run(), ("a.rpt", "b.rpt")

        first, folder = kept_run("k", Synthesis, make)
        again, _ = kept_run("k", Synthesis, make)
        assert first == again
        assert len(calls) == 1
        assert sorted(p.name for p in folder.iterdir()) == ["a.rpt", "b.rpt.gz", "result.json"]
        take(folder, "b.rpt", folder.parent / "b")
        assert (folder.parent / "b").read_text() == "long " * 100_000
        kept_run("k", Synthesis, make, anew=True)
        assert len(calls) == 2
        assert not list(folder.parent.glob("build-*"))

    @pytest.mark.parametrize("damage", ["", "{}", "not JSON"])
    def test_a_damaged_one_is_made_again(self, damage: str) -> None:
        _, folder = kept_run("k", Synthesis, lambda work: (run(1), ()))
        (folder / "result.json").write_text(damage)
        found, _ = kept_run("k", Synthesis, lambda work: (run(2), ()))
        assert found.seed == 2
        assert read_record(folder / "result.json", Synthesis).seed == 2

    def test_a_failure_keeps_nothing(self, tmp_path: Path) -> None:
        def make(work: Path) -> tuple[Synthesis, tuple[str, ...]]:
            raise ToolError("broken")

        with pytest.raises(ToolError, match="broken"):
            kept_run("k", Synthesis, make)
        assert list((tmp_path / "cache" / "synthesis").iterdir()) == []

    def test_what_does_not_fit_is_kept_too(self) -> None:
        calls = []

        def make(work: Path) -> tuple[Synthesis, tuple[str, ...]]:
            calls.append(work)
            raise DoesNotFit("too many wires")

        for _ in range(2):
            with pytest.raises(DoesNotFit, match="too many wires"):
                kept_run("k", Synthesis, make)
        assert len(calls) == 1

    def test_a_lost_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ToolError, match=r"gone\.v\.gz: No such file"):
            take(tmp_path, "gone.v", tmp_path / "x")

    def test_compressed_the_same_twice(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("y" * 300_000)
        for n in ("1", "2"):
            (tmp_path / n).mkdir()
            keep(tmp_path / "x", tmp_path / n)
        assert (tmp_path / "1/x.gz").read_bytes() == (tmp_path / "2/x.gz").read_bytes()


def _end(pid: int) -> bool:
    """Whether a process ends; a killed one takes a moment to go."""
    end = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not _runs(pid)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


class TestRunMeasured:
    @staticmethod
    def python(tmp_path: Path, code: str, timeout_s: float = 30) -> Cost:
        return run_measured(
            [sys.executable, "-c", code],
            tmp_path,
            log="log",
            name="it",
            timeout_s=timeout_s,
            error="ERROR",
        )

    def test_measures(self, tmp_path: Path) -> None:
        cost = self.python(tmp_path, "x = bytearray(200 << 20); print('done')")
        assert cost.peak_memory_MiB > 200
        assert cost.wall_s > 0
        assert (tmp_path / "log").read_text() == "done\n"

    def test_a_failure_gives_its_line(self, tmp_path: Path) -> None:
        with pytest.raises(Failed, match=r"^it failed: ERROR: that$"):
            self.python(tmp_path, "print('a\\nERROR: that\\nb'); exit(1)")
        with pytest.raises(Failed, match="it failed: last"):
            self.python(tmp_path, "print('first\\nlast'); exit(1)")

    def test_too_late_is_ended_with_what_it_started(self, tmp_path: Path) -> None:
        code = (
            "import subprocess, sys, time\n"
            "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "open('pid', 'w').write(str(p.pid))\ntime.sleep(60)\n"
        )
        with pytest.raises(ToolError, match="took more than 3 s"):
            self.python(tmp_path, code, timeout_s=3)
        assert _end(int((tmp_path / "pid").read_text()))


def test_a_seed_that_fails_ends_what_others_start_later(tmp_path: Path) -> None:
    def one(seed: int) -> tuple[Synthesis, Path, None]:
        if seed == 1:
            raise DoesNotFit("too many wires")
        time.sleep(0.5)  # no tool is under way yet when the first seed fails
        TestRunMeasured.python(tmp_path, "import time; time.sleep(60)", timeout_s=60)
        return run(seed), tmp_path, None

    begun = time.monotonic()
    with pytest.raises(DoesNotFit, match="too many wires"):
        _all(one, (1, 2), 2)
    assert time.monotonic() - begun < 30


class TestOut:
    @pytest.fixture
    def finished(self, tmp_path: Path) -> Finished:
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / "vpr.out").write_text("report")
        return Finished(Report(runs=(run(),), clocks=CLOCKS), (tmp_path / "kept",))

    def test_whole_and_not_twice(self, tmp_path: Path, finished: Finished) -> None:
        out = tmp_path / "new" / "out"
        save(finished, out)
        assert read_record(out / "result.json", Report) == finished.report
        assert (out / "seed-1" / "vpr.out").read_text() == "report"
        with pytest.raises(FileError, match="holds a result already"):
            save(finished, out)
        save(finished, out, force=True)
        assert [p.name for p in out.parent.iterdir()] == ["out"]

    def test_what_is_no_result_is_left_alone(self, tmp_path: Path, finished: Finished) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.tex").touch()
        (tmp_path / "file").touch()
        (tmp_path / "empty").mkdir()
        (tmp_path / "link").symlink_to("empty")
        (tmp_path / "broken").symlink_to("nowhere")
        for name, reason in (
            ("mine", "holds something else"),
            ("file", "is not a folder"),
            ("link", "is not a folder"),
            ("broken", "is not a folder"),
        ):
            with pytest.raises(FileError, match=reason):
                save(finished, tmp_path / name, force=True)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "mine" / "thesis.tex").exists()

    def test_the_old_result_stays_where_the_new_one_fails(
        self, tmp_path: Path, finished: Finished
    ) -> None:
        out = tmp_path / "out"
        save(finished, out)
        lost = Finished(finished.report, (tmp_path / "gone",))
        with pytest.raises(FileError, match="cannot be written"):
            save(lost, out, force=True)
        assert read_record(out / "result.json", Report) == finished.report
        assert sorted(p.name for p in tmp_path.iterdir()) == ["kept", "out"]

    def test_a_place_that_cannot_be_written(self) -> None:
        with pytest.raises(FileError, match="cannot be written"):
            check_out(Path(f"/proc/{os.getpid()}/out"), force=False)


class TestFailedFlow:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (
                "a\nCircuit is unroutable with a channel width factor of 100.\nVPR failed",
                "unroutable",
            ),
            ("a\nError 1:\nMessage: no such pin\nVPR failed", "no such pin"),
            ("a\nlast words\n\tCommand being timed: vpr\n", "last words"),
            ("Command terminated by signal 9\n\tCommand being timed: vpr", "signal 9"),
            ("", "is empty"),
        ],
    )
    def test_the_stage_says_why(self, tmp_path: Path, text: str, reason: str) -> None:
        (tmp_path / "parmys.out").write_text("fine")
        (tmp_path / "vpr.out").write_text(text)
        assert vtr._reason(tmp_path).startswith("; vpr.out: ")
        assert reason in vtr._reason(tmp_path)


class TestCalibration:
    HEADER = "arch\tcircuit\tvpr_revision\tcritical_path_delay\ttotal_power\n"
    ROW = "k6\tdiffeq1.v\tv8\t23.0252\t0.04763\n"

    @pytest.fixture
    def golden(self, tmp_path: Path) -> Path:
        (tmp_path / "golden.txt").write_text(self.HEADER + self.ROW)
        return tmp_path / "golden.txt"

    def test_measured_here(self, golden: Path) -> None:
        found = calibration.compare(golden, "9", 23.02e-9, 53.3e-3)
        calibration.check(found)
        assert found.compared[1].ratio == pytest.approx(1.119, abs=1e-3)
        assert found.golden_version == "v8"

    @pytest.mark.parametrize(
        ("delay", "watts"), [(11e-9, 0.048), (33e-9, 0.048), (23e-9, 0.035), (23e-9, 0.06)]
    )
    def test_out_of_band(self, golden: Path, delay: float, watts: float) -> None:
        with pytest.raises(calibration.OutOfBand, match="fails its calibration on diffeq1"):
            calibration.check(calibration.compare(golden, "9", delay, watts))

    @pytest.mark.parametrize(
        "text",
        [
            "",
            HEADER,
            HEADER + ROW + ROW,
            HEADER.replace("total_power", "power") + ROW,
            HEADER + ROW.replace("0.04763", "-1"),
            HEADER + ROW.replace("0.04763", "nan"),
            HEADER + ROW.replace("23.0252", ""),
            HEADER.replace("circuit", "design") + ROW,
        ],
    )
    def test_another_golden_file_is_refused(self, golden: Path, text: str) -> None:
        golden.write_text(text)
        with pytest.raises(ReportError, match=r"golden\.txt"):
            calibration.compare(golden, "9", 23e-9, 0.05)


class TestCommand:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ("64-100", "not INPUTS-HIDDEN-CLASSES"),
            ("0-1-1", "at least 1"),
            ("floatgate-digits", "takes int8 networks"),
            ("64-100-10 --lanes 200", "cannot be built"),
            ("64-100-10 --requants 3", "not a power of two"),
            ("64-100-10 --seed 1 --seeds 2", "give one of them"),
            ("64-100-10 --clock nan", "a positive number of MHz"),
            ("64-100-10 --clock -5", "a positive number of MHz"),
            ("64-100-10 --clock 1e6", "a positive number of MHz"),
            ("64-100-10 --activity simulated", "only --flow vtr knows power, not ecp5"),
            ("sweep --lanes 70", "cannot be built"),
            ("sweep --plot table.txt", "not a figure format"),
            ("64-100-10 --flow vtr", "VTR_ROOT is not set"),
            ("sweep --flow vtr", "set VTR_ROOT"),
        ],
    )
    def test_bad_input_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, arguments: str, words: str
    ) -> None:
        monkeypatch.delenv(VTR_VARIABLE, raising=False)
        result = CliRunner().invoke(cli.app, ["synth", *arguments.split()])
        assert isinstance(result.exception, OhmbenchError)
        assert words in str(result.exception)
        assert "\n" not in str(result.exception)

    def test_uneven_results_are_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        finished = Finished(Report(runs=(run(),), clocks=UNEVEN), ())
        synth_output.print_report(finished.report, None)
        synth_output.print_sweep([Point(Hardware(64, 100, 10), finished)])
        said = " ".join(capsys.readouterr().out.split())
        assert "26 latency, 13 (at most 18) between images" in said
        assert "inferences per second and energy are those of the mean interval" in said
        # 64-100-10 of this project takes other clocks.
        assert "which has 94 latency, 64 between images" in said
        assert said.count("13 (at most 18)") == 2

    @pytest.mark.parametrize("arguments", ["--flow odin 64-100-10", "", "64-100-10 --seed -1"])
    def test_bad_options_are_refused(self, arguments: str) -> None:
        result = CliRunner().invoke(cli.app, ["synth", *arguments.split()])
        assert result.exit_code == 2

    def test_help_of_both(self) -> None:
        for arguments, option in (("64-100-10", "--clock"), ("sweep", "--plot")):
            result = CliRunner().invoke(cli.app, ["synth", *arguments.split(), "--help"])
            assert option in result.output

    def test_a_sweep_shows_what_fits_and_says_what_does_not(self) -> None:
        fits = replace(Hardware(64, 100, 10), lanes=13)
        finished = Finished(Report(runs=(run(1), run(2, 70e6)), clocks=CLOCKS), ())
        none = Point(replace(fits, lanes=25), None, "Circuit is unroutable")
        figure = synth_output.figure_of_sweep([Point(fits, finished), none])
        (axes,) = figure.axes
        assert axes.get_ylabel() == "energy per inference, uJ"
        energy = [1e6 * (at.energy_J or 0) for at in finished.report.at()]
        latency = [1e6 * at.latency_s for at in finished.report.at()]
        x, y = axes.lines[0].get_data()
        assert list(x) == pytest.approx([sum(latency) / 2])
        assert list(y) == pytest.approx([sum(energy) / 2])
        assert "with 25 lanes it does not fit" in figure.get_suptitle()
        slower = Finished(Report(runs=(run(1, 10e6),), clocks=CLOCKS), ())
        (axes,) = synth_output.figure_of_sweep([Point(fits, slower), Point(fits, finished)]).axes
        assert list(axes.lines[0].get_xdata()) == sorted(axes.lines[0].get_xdata())
        with pytest.raises(OhmbenchError, match="nothing to draw"):
            synth_output.figure_of_sweep([none])

    def test_a_table_of_a_sweep(self, capsys: pytest.CaptureFixture[str]) -> None:
        fits = Hardware(64, 100, 10)
        finished = Finished(Report(runs=(run(),), clocks=CLOCKS), ())
        synth_output.print_sweep(
            [Point(fits, finished), Point(fits, None, "Circuit is unroutable")]
        )
        out = capsys.readouterr().out
        assert "logic blocks" in " ".join(out.split())
        assert str(run().area.logic_blocks) in out
        assert out.splitlines()[-1] == "13 lanes: Circuit is unroutable"

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
        """What a flow was asked for, which ends at once with ready results, with and without
        power."""
        calls: list[tuple[object, ...]] = []

        def finished(*arguments: object, **_: object) -> Finished:
            calls.append(arguments)
            return Finished(Report(runs=(run(),), clocks=CLOCKS), ())

        def points(*arguments: object, **_: object) -> list[Point]:
            return [Point(Hardware(64, 100, 10), finished(*arguments))]

        monkeypatch.setattr("ohmbench.eda.synthesis.flows.check_tools", lambda flow: None)
        monkeypatch.setattr("ohmbench.eda.synthesis.flows.synthesise", finished)
        monkeypatch.setattr("ohmbench.eda.synthesis.sweep.sweep", points)
        return calls

    @pytest.mark.parametrize(
        ("options", "lanes", "requants", "seeds"),
        [
            ("", 13, 2, [1, 2, 3]),
            ("--lanes 25", 25, 4, [1, 2, 3]),  # as few as 25 lanes can have
            ("--lanes 13 --requants 4", 13, 4, [1, 2, 3]),
            ("--requants 4", 13, 4, [1, 2, 3]),
            ("--seeds 1", 13, 2, [1]),
            ("--seed 7 --seed 5", 13, 2, [7, 5]),
        ],
    )
    def test_what_is_asked_for_is_made(
        self, asked: list[tuple[object, ...]], options: str, lanes: int, requants: int, seeds: int
    ) -> None:
        arguments = ["synth", "64-100-10", "--json", *options.split()]
        result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
        hardware = Hardware(64, 100, 10, lanes=lanes, requants=requants)
        assert asked == [("ecp5", hardware, seeds)]
        assert len(json.loads(result.stdout)["runs"]) == 1

    def test_says_where_the_reports_are(
        self, monkeypatch: pytest.MonkeyPatch, asked: object, tmp_path: Path
    ) -> None:
        (tmp_path / "kept").mkdir()
        finished = Finished(Report(runs=(run(),), clocks=CLOCKS), (tmp_path / "kept",))
        monkeypatch.setattr("ohmbench.eda.synthesis.flows.synthesise", lambda *_, **__: finished)
        out = tmp_path / "reports"
        arguments = ["synth", "64-100-10", "--out", str(out)]
        result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
        assert f"wrote {out}" in result.output.replace("\n", "")
        assert (out / "result.json").is_file()

    def test_a_sweep_as_json_or_as_a_table(self, asked: object) -> None:
        arguments = ["synth", "sweep", "64-100-10"]
        as_json = CliRunner().invoke(cli.app, [*arguments, "--json"], catch_exceptions=False)
        assert len(json.loads(as_json.stdout)["points"]) == 1
        table = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
        assert "logic blocks" in " ".join(table.output.split())

    def test_each_row_has_its_name_first(self, capsys: pytest.CaptureFixture[str]) -> None:
        synth_output.print_report(Report(runs=(run(),), clocks=CLOCKS), None)
        said = capsys.readouterr().out.split("Power at Fmax")[0]
        names = [row.split("│")[1].strip() for row in said.splitlines() if row.startswith("│")]
        assert names[:2] == ["Fmax, MHz", "latency at Fmax, us"]
        assert all(name[0].isalpha() for name in names), names

    def test_one_seed_without_power_is_drawn(self) -> None:
        finished = Finished(Report(runs=(run(with_power=False),), clocks=CLOCKS), ())
        luts, fmax = synth_output.figure_of_sweep([Point(Hardware(64, 100, 10), finished)]).axes
        assert luts.get_ylabel() == "LUTs"
        assert list(luts.lines[0].get_ydata()) == [5000]
        assert fmax.get_ylabel() == "Fmax, MHz"
        assert list(fmax.lines[0].get_ydata()) == pytest.approx([68.9])

    @pytest.mark.parametrize("jobs", [1, 2])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_an_end_from_outside_ends_the_tools(
        self, tmp_path: Path, number: signal.Signals, jobs: int
    ) -> None:
        """The command with a tool in a tool's place that sleeps, and a child of it that sleeps."""
        command = [sys.executable, "-c", SLEEPING_TOOL, str(tmp_path), str(jobs)]
        environment = os.environ | {CACHE_VARIABLE: str(tmp_path / "cache")}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as synth:
            end = time.monotonic() + 120
            while len(list(tmp_path.glob("*.pid"))) < 2 * jobs and time.monotonic() < end:
                assert synth.poll() is None, synth.communicate()[1]
                time.sleep(0.05)
            synth.send_signal(number)
            try:
                _, error = synth.communicate(timeout=60)
            finally:
                synth.kill()  # one that does not end must not hold the test
        assert synth.returncode == 128 + number
        last = error.splitlines()[-1]
        assert last.startswith("ohmbench: interrupted; what is finished is kept")
        pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
        assert len(pids) == 2 * jobs
        assert all(map(_end, pids))
        assert list((tmp_path / "cache" / "synthesis").iterdir()) == []  # no half a run

    def test_other_handlers_stay(self) -> None:
        before = signal.getsignal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        try:
            with synth._ending_tools():
                assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
                assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        finally:
            signal.signal(signal.SIGHUP, before)


SLEEPING_TOOL = r"""
import signal, sys
from pathlib import Path
from ohmbench import cli
from ohmbench.eda.synthesis import ecp5, flows, runs
from ohmbench.eda.synthesis.result import Synthesis

# A shell's background ignores the first, nohup the second; both are inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
tmp_path, jobs = sys.argv[1:]
sleep = "import pathlib, os, time; pathlib.Path(f'{os.getpid()}.pid').touch(); time.sleep(300)"
code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleep!r}]); {sleep}"

def make(work):
    command = [sys.executable, "-c", f"import os; os.chdir({tmp_path!r}); {code}"]
    runs.run_measured(command, work, log="log", name="it", timeout_s=300, error="ERROR")

flows.check_tools = lambda flow: None
flows.count_clocks = ecp5.netlist = lambda *arguments: None
flows.FLOWS["ecp5"] = lambda source, seed: runs.kept_run(f"run-{seed}", Synthesis, make)
sys.argv = ["ohmbench", "synth", "64-100-10", "--seeds", "2", "--jobs", jobs]
cli.main()
"""


def test_a_mean_interval_is_not_above_the_longest() -> None:
    values = UNEVEN.model_dump()
    assert Clocks(**{**values, "mean_interval": float(UNEVEN.interval)}).interval == UNEVEN.interval
    with pytest.raises(ValidationError, match="mean_interval above interval"):
        Clocks(**{**values, "mean_interval": UNEVEN.interval + 0.5})


def test_a_result_says_of_which_vtr_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vtr, "root", lambda: tmp_path)
    monkeypatch.setattr(vtr, "_hashes", lambda folder: (("k6.xml", "1" * 64),))
    monkeypatch.setitem(vtr.TOOLS, "vtr", replace(vtr.TOOLS["vtr"], version=lambda: "9.0"))
    assert vtr.versions() == Versions(tools={"vtr": "9.0"}, files={"k6.xml": "1" * 64})


def test_a_finished_run_of_vtr_is_read() -> None:
    work = Path(__file__).parents[1] / "synth" / "excerpts"
    version = reports_vpr.version(read_report(work / "vpr.out"))
    known = Versions(tools={"vtr": version}, files={"k6.xml": "1" * 64})
    delay = Compared(what="delay", golden=1.0, here=1.0, low=0.75, high=1.25, why="a reason")
    compared = Calibration(
        circuit="c", task="t", golden_version="1", version="2", conditions="x", compared=(delay,)
    )
    made = vtr.read_run(
        work, VerilogSource(DESIGN, ""), 7, known, compared, Cost(wall_s=1, peak_memory_MiB=1)
    )
    assert (made.design, made.seed, made.options[-2:]) == (DESIGN, 7, ("--seed", "7"))
    assert made.options[:-2] == vtr.OPTIONS
    assert made.power is not None
    assert (made.power.activity, made.power.total_W) == ("vectorless", 0.8249)
    assert made.area.luts == 5647
    assert made.versions.tools["vtr"] == version


def test_mutants_of_other_sources_are_not_proven() -> None:
    stale = MutantList("0", "0" * 64, 1, Hardware(8, 2, 2), ())
    with pytest.raises(MutationError, match="of other sources"):
        prove_no_change(stale, [])


def test_clocks_are_counted_on_the_verilog_that_is_synthesised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted(Exception):
        pass

    asked: list[tuple[object, ...]] = []

    def count(*arguments: object) -> None:
        asked.append(arguments)
        raise Counted

    def taken(*arguments: object) -> None:
        asked.append(arguments)

    monkeypatch.setattr(flows, "check_tools", lambda flow: None)
    monkeypatch.setattr(flows, "source", taken)
    monkeypatch.setattr(flows, "count_clocks", count)
    hardware = Hardware(4, 3, 2)
    for files in ([tmp_path / "own.v"], None):
        with pytest.raises(Counted):
            flows.synthesise("ecp5", hardware, [0], files)
    assert asked == [(hardware, [tmp_path / "own.v"])] * 2 + [(hardware, None)] * 2


@pytest.mark.parametrize("design", ["64-100", "64-100-10-5", "1000000-100-10", "64"])
def test_sizes_that_are_no_design_are_refused(design: str) -> None:
    for words in (["synth", design], ["synth", "sweep", design]):
        result = CliRunner().invoke(cli.app, words)
        assert isinstance(result.exception, OhmbenchError), words
        assert str(result.exception).startswith(f"{design}: not INPUTS-HIDDEN-CLASSES; ")
