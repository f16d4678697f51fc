"""The benchmarks' own machinery: measuring, judging, keeping; each goes red on a planted fault."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.benchmarks import memory, records, timing
from ohmbench.benchmarks.counting import allocated_bytes
from ohmbench.benchmarks.judging import (
    BUSY,
    UNKNOWN,
    Standing,
    Status,
    compare,
    floor,
    judge,
    judge_against,
    not_run,
    stored_standing,
    updated,
)
from ohmbench.benchmarks.memory import peak_bytes
from ohmbench.benchmarks.records import (
    HOST_VARIABLE,
    KEY,
    Band,
    Baseline,
    Circumstances,
    Estimate,
    Goal,
    Machine,
    Measurement,
    Memory,
    Run,
    Speed,
    read_baseline,
    read_run,
    read_stored,
    this_machine,
    write_baseline,
)
from ohmbench.benchmarks.timing import Race, Round, estimate, median_interval, others_s, quiet
from ohmbench.errors import FileError, OhmbenchError
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.report import benchmark_tables
from ohmbench.report.benchmark_tables import _goal, _value, measurements_table
from tests.bench import gate, plants
from tests.bench.cases import CASES, CLOCKS, Case, Done, Pair, difference
from tests.bench.gate import (
    Tolerances,
    judged,
    read_tolerances,
    rounds_for,
    suspicious,
)
from tests.bench.plants import PLANTS, planted
from tests.unit.command_line import assert_refused
from tests.unit.markdown_checks import cells_of

ROOT = Path(__file__).parents[2]
HERE = Machine(cpu="a processor", host="0" * 8, cores=2)
ELSEWHERE = Machine(cpu="another", host="1" * 8, cores=64)
BANDS = {
    "ratio": Band(worse=0.06, elsewhere=0.5, why="as measured"),
    "memory_ratio": Band(worse=0.25, elsewhere=0.5, why="as measured"),
    "evaluations": Band(worse=0, why="these are counted"),
}


def exactly(value: float, spread: float = 0.0) -> Estimate:
    return Estimate(value=value, low=value * (1 - spread), high=value * (1 + spread))


def measured(
    ratio: float = 20.0,
    *,
    name: str = "flow",
    noise: float = 0.01,
    memory_ratio: int = 10,
    evaluations: int = 40,
) -> Measurement:
    return Measurement(
        name=name,
        seed=0,
        items=100,
        unit="points",
        speed=Speed(
            ratio=exactly(ratio, noise / 2),
            same=Estimate(value=1.0, low=1 - noise / 2, high=(1 + noise) ** 2),
            others=0.0,
            rounds=12,
            reference_s=ratio * 1e-3,
            ours_s=1e-3,
            bound_s=1e-4,
        ),
        memory=Memory(reference_bytes=memory_ratio * 1000, ours_bytes=1000),
        counts={"evaluations": evaluations},
        bands=BANDS,
        goal=Goal(ratio=15),
    )


def replace_goal(found: Measurement, goal: Goal | None) -> Measurement:
    return found.model_copy(update={"goal": goal})


def baseline_of(*found: Measurement, machine: Machine = HERE) -> Baseline:
    return updated(Baseline({}), found, (machine, "0" * 40, {"torch": "2"}))


# ------------------------------------------------------------------------------------------------
# Measuring


class Machinery:
    """A clock that calls move on: by their own seconds, times what ``disturbed`` says of now."""

    def __init__(self, disturbed: Callable[[float], float] = lambda now: 1.0) -> None:
        self.now = self.others = 0.0
        self.order = ""
        self.disturbed = disturbed

    def call(self, name: str, seconds: float) -> Callable[[], str]:
        def run() -> str:
            took = seconds * self.disturbed(self.now)
            self.now += took
            self.others += took - seconds
            self.order += name
            return name

        return run

    def race(self, reference_s: float, ours_s: float) -> Race:
        return Race(
            self.call("r", reference_s),
            self.call("o", ours_s),
            clock=lambda: self.now,
            others=lambda: self.others,
            cores=1,
        )


class TestRace:
    @given(st.floats(1e-4, 10), st.floats(1e-4, 10))
    def test_the_ratio_is_that_of_the_times(self, reference_s: float, ours_s: float) -> None:
        race = Machinery().race(reference_s, ours_s)
        race.warm_up()
        for _ in range(3):
            race.round()
        found = race.speed()
        assert found.ratio.value == pytest.approx(reference_s / ours_s, rel=1e-6)
        assert found.same.value == pytest.approx(1, rel=1e-6)
        assert found.reference_s == pytest.approx(reference_s, rel=1e-6)
        assert floor(found) < 1e-6

    def test_sides_take_turns_and_fill_their_time(self) -> None:
        machinery = Machinery()
        race = machinery.race(1.0, 0.1)
        assert race.warm_up() == ("r", "o", pytest.approx(1 + 2 * 3 * 0.1))
        machinery.order = ""
        race.round()
        race.round()
        assert machinery.order == "oooroooooorooo"
        race = machinery.race(0.04, 0.06)
        assert race.warm_up()[2] == pytest.approx(3 * 0.04 + 2 * 2 * 0.06)

    def test_a_steady_drift_moves_no_ratio(self) -> None:
        """The machine gets slower all the time, to half its speed."""
        race = Machinery(lambda now: 1 + now / 50).race(1.0, 0.1)
        race.warm_up()
        for _ in range(20):
            race.round()
        assert race.rounds[-1].r > 1.5
        assert race.speed().ratio.value == pytest.approx(10, rel=0.01)

    def test_rounds_of_others_are_left_out(self) -> None:
        """In every third round all takes twice as long, for want of a core."""
        factor = 1.0
        race = Machinery(lambda now: factor).race(1.0, 0.1)
        race.warm_up()
        for k in range(12):
            factor = 2.0 if k % 3 == 2 else 1.0
            race.round()
        found = race.speed()
        assert found.rounds == 8
        assert found.others == 0
        assert found.ratio.value == pytest.approx(10)

    def test_what_others_have_raises_the_floor(self) -> None:
        for factor, others, expected in ((1.05, 1 / 21, 0.05), (1.25, 1 / 5, UNKNOWN)):
            race = Machinery(lambda now, x=factor: x).race(1.0, 0.1)
            race.warm_up()
            for _ in range(6):
                race.round()
            assert race.speed().ratio.value == pytest.approx(10)
            assert race.speed().others == pytest.approx(others)
            assert floor(race.speed()) == pytest.approx(expected)

    def test_nothing_is_said_before_the_first_round(self) -> None:
        with pytest.raises(ValueError, match="no round"):
            Machinery().race(1, 1).speed()

    def test_quiet_rounds_are_at_least_half(self) -> None:
        rounds = [Round(1, 1, 1, others=w) for w in (0.0, 0.4, 0.1, 0.3)]
        assert [x.others for x in quiet(rounds)] == [0.0, 0.1]
        rounds = [Round(1, 1, 1, others=w) for w in (0.0, 0.02, 0.01, 0.3)]
        assert [x.others for x in quiet(rounds)] == [0.0, 0.02, 0.01]

    def test_what_rounds_say(self) -> None:
        """Medians over the quiet ones, worked out by hand."""
        race = Machinery().race(1.0, 1.0)
        race.rounds = [
            Round(2, 12, 3, others=0.0),
            Round(4, 20, 5, others=0.01),
            Round(1, 9, 6, others=0.02),
            Round(50, 1, 50, others=0.5),
        ]
        found = race.speed(0.25)
        assert found.ratio.value == pytest.approx(20 / math.sqrt(20))
        assert (found.ratio.low, found.ratio.high) == pytest.approx((9 / 6**0.5, 12 / 6**0.5))
        assert found.same.value == pytest.approx(2 / 3)
        assert (found.same.low, found.same.high) == pytest.approx((1 / 6, 4 / 5))
        assert (found.reference_s, found.ours_s, found.bound_s) == (12, 3.5, 0.25)
        assert found.others == pytest.approx(0.01)
        assert found.rounds == 3

    def test_what_others_have_is_a_part_of_all_cores(self) -> None:
        """Others take as long as we do: half of one core, an eighth of four."""
        for cores, part in ((1, 0.5), (4, 0.125)):
            race = replace(Machinery(lambda now: 2.0).race(1.0, 0.1), cores=cores)
            race.warm_up()
            race.round()
            assert race.rounds[0].others == pytest.approx(part)

    @pytest.mark.parametrize("told", [[None, 5.0], [5.0, None], [None, None]])
    def test_a_round_in_which_the_system_fell_silent_counts_as_quiet(
        self, told: list[float | None]
    ) -> None:
        answers = iter(told)
        race = replace(Machinery().race(1.0, 0.1), others=lambda: next(answers))
        race._repeats = {"r": 1, "a": 1, "b": 1}
        race.round()
        assert race.rounds[0].others == 0.0

    def test_the_system_tells_of_others(self) -> None:
        """A process that spins for a second is seen, but this process' own spinning is not."""
        if others_s() is None:
            pytest.skip("this system does not tell what others do")

        def others_had(what: Callable[[], object]) -> float:
            before = others_s()
            what()
            after = others_s()
            assert before is not None
            assert after is not None
            return after - before

        def spin() -> None:
            end = time.process_time() + 1
            while time.process_time() < end:
                pass

        script = "import time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass"
        other = others_had(lambda: subprocess.run([sys.executable, "-c", script], check=True))
        assert other > 0.9
        start = time.perf_counter()
        had = others_had(spin)
        # Whatever else runs meanwhile has at most what is left of the cores.
        assert had < (time.perf_counter() - start) * this_machine().cores - 0.8

    def test_a_system_that_does_not_tell(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timing, "_STAT", tmp_path / "stat")
        assert others_s() is None


class TestMedianInterval:
    def test_coverage(self) -> None:
        """Exactly: both ends are as far out as 95 % asks for, and no farther; or the extremes."""
        allowed = Fraction(1, 20)

        def missed(n: int, below: int) -> Fraction:
            """That the median is outside of the values with ``below`` others beyond them."""
            return 2 * Fraction(sum(math.comb(n, k) for k in range(below + 1)), 2**n)

        for n in range(1, 201):
            low, high = (int(x) for x in median_interval([float(k) for k in range(n)]))
            assert low + high == n - 1
            assert missed(n, low) <= allowed or (low == 0 and n < 6), n
            assert missed(n, low + 1) > allowed, n

    def test_order_of_the_values_does_not_matter(self) -> None:
        values = [0.3, -2.0, 7.0, 1.0, 5.0, -1.0, 4.0, 2.5, 9.0]
        assert median_interval(values) == (-1.0, 7.0)
        assert values[0] == 0.3  # nor does it change

    def test_estimate(self) -> None:
        found = estimate([math.log(x) for x in (2.0, 3.0, 2.1)])
        assert (found.low, found.value, found.high) == pytest.approx((2.0, 2.1, 3.0))
        # Of an even number the middle is that of the logarithms.
        assert estimate([math.log(2), math.log(8)]).value == pytest.approx(4)


class TestMemory:
    def test_peak_of_a_call(self) -> None:
        """32 MiB held and 32 MiB in passing; what was freed before is not reused unseen."""

        def call() -> Any:
            kept = np.ones(4 << 20)
            return kept, float(np.ones(4 << 20).sum())

        call()
        assert peak_bytes(call) == pytest.approx(64 << 20, rel=0.05)
        assert peak_bytes(lambda: None) < 1 << 20

    @pytest.mark.parametrize(("peak_kB", "pages"), [(100, 1), (104, 1), (105, 1.25), (140, 10)])
    def test_a_call_that_needs_nothing_needs_a_page(
        self, monkeypatch: pytest.MonkeyPatch, peak_kB: int, pages: float
    ) -> None:
        """A ratio of two sides has to have something to divide by."""
        monkeypatch.setattr(memory, "_kB", {"VmRSS": 100, "VmHWM": peak_kB}.__getitem__)
        assert peak_bytes(lambda: None) == 4096 * pages

    def test_a_system_that_does_not_tell(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "_PROCESS", tmp_path)
        with pytest.raises(OhmbenchError, match="only Linux"):
            peak_bytes(lambda: None)

    def test_allocated_bytes(self) -> None:
        x = torch.ones(100)
        assert allocated_bytes(lambda: x + x) == 400
        assert allocated_bytes(lambda: x.view(10, 10)[2:]) == 0
        assert allocated_bytes(lambda: x.add_(1)) == 0
        assert allocated_bytes(lambda: (x + 1, x * 2)) == 800

    def test_allocated_bytes_inside_a_count_are_in_both(self) -> None:
        x, inner = torch.ones(100), []

        def call() -> None:
            (x + 1).neg_()
            inner.append(allocated_bytes(lambda: (x + 1, x[:50] + 1)))
            inner.append(allocated_bytes(lambda: x.clone()))

        assert allocated_bytes(call) == 400 + 600 + 400
        assert inner == [600, 400]

    def test_a_call_that_fails_leaves_no_count_behind(self) -> None:
        def call() -> None:
            torch.ones(100)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            allocated_bytes(call)
        assert allocated_bytes(lambda: torch.ones(25)) == 100

    def test_bytes_of_a_gradient_count(self) -> None:
        x = torch.ones(100, requires_grad=True)
        forward = allocated_bytes(lambda: (x * x).sum())
        assert allocated_bytes(lambda: (x * x).sum().backward()) > forward


# ------------------------------------------------------------------------------------------------
# Judging


def speed_of(ratio: tuple[float, float], same: tuple[float, float], others: float = 0.0) -> Speed:
    """A ratio of 20 and an A/A pair at 1, with these relative ends of their intervals."""
    found = measured().speed
    assert found is not None
    low, high = ratio
    return found.model_copy(
        update={
            "ratio": Estimate(value=20.0, low=20 * low, high=20 * high),
            "same": Estimate(value=1.0, low=same[0], high=same[1]),
            "others": others,
        }
    )


NONE = (1.0, 1.0)


class TestFloor:
    @pytest.mark.parametrize(
        ("speed", "expected"),
        [
            pytest.param(speed_of(NONE, NONE), 0.0, id="no-noise"),
            pytest.param(speed_of(NONE, (1.0, 1.21)), 0.1, id="pair-above"),
            pytest.param(speed_of(NONE, (1 / 1.21, 1.0)), 0.1, id="pair-below"),
            pytest.param(speed_of((1.0, 1.1), NONE), 0.1, id="ratio-above"),
            pytest.param(speed_of((1 / 1.1, 1.0), NONE), 0.1, id="ratio-below"),
            pytest.param(speed_of(NONE, NONE, 1 / 11), 0.1, id="others"),
            # The largest of them, not their sum.
            pytest.param(speed_of((1 / 1.05, 1.06), (1 / 1.21, 1.1), 0.05), 0.1, id="pair-rules"),
            pytest.param(speed_of((1 / 1.1, 1.06), (1 / 1.1, 1.1), 0.05), 0.1, id="ratio-rules"),
            pytest.param(speed_of((1 / 1.05, 1.06), (0.9, 1.1), 1 / 11), 0.1, id="others-rule"),
        ],
    )
    def test_of_one_kind_of_noise(self, speed: Speed, expected: float) -> None:
        assert floor(speed) == pytest.approx(expected, rel=1e-9, abs=1e-12)

    def test_a_tenth_in_other_hands_is_the_most(self) -> None:
        assert floor(speed_of(NONE, NONE, BUSY)) == pytest.approx(1 / 9)
        assert floor(speed_of(NONE, NONE, math.nextafter(BUSY, 1))) == UNKNOWN

    def test_those_of_both_runs_add_up_as_independent_ones_do(self) -> None:
        """Ratios of 20 before and 16 now, in a band of 6 %: what the noise of both lets pass."""
        step = math.log(20 / 16)
        for part in (0.0, 0.3, 0.6, 0.8, 1.0):
            floors = math.expm1(part * step), math.expm1(math.sqrt(1 - part**2) * step)
            for slack, expected in ((0.999, Status.WORSE), (1.001, Status.NOT_JUDGED)):
                old, new = (
                    Standing({"ratio": ratio}, slack * noise)
                    for ratio, noise in zip((20.0, 16.0), floors, strict=True)
                )
                (verdict,) = judge("flow", old, new, {"ratio": BANDS["ratio"]})
                assert verdict.status is expected, (part, slack)


def one_verdict(figure: str, before: float, now: float, band: Band, **options: Any) -> Status:
    old = Standing({figure: before}, **options)
    (verdict,) = judge("flow", old, Standing({figure: now}), {figure: band})
    return verdict.status


class TestBands:
    """At, just inside and just outside of both ends of a band."""

    @pytest.mark.parametrize("figure", ["ratio", "memory_ratio"])
    def test_of_a_ratio_are_as_wide_up_as_down(self, figure: str) -> None:
        band, inside, outside = BANDS["ratio"], 1 - 1e-9, 1 + 1e-9
        least, most = 20 * 0.94, 20 / 0.94
        # No noise: the smallest change is judged.
        for now, expected in (
            (least * inside, Status.WORSE),
            (least * outside, Status.SAME),
            (most * inside, Status.SAME),
            (most * outside, Status.BETTER),
        ):
            assert one_verdict(figure, 20.0, now, band) is expected, now

    @pytest.mark.parametrize("figure", ["ratio", "memory_ratio"])
    def test_on_another_machine_nothing_is_better(self, figure: str) -> None:
        band, far = BANDS["ratio"], {"elsewhere": True}
        assert one_verdict(figure, 20.0, 100.0, band, **far) is Status.SAME
        assert one_verdict(figure, 20.0, 10.001, band, **far) is Status.SAME
        assert one_verdict(figure, 20.0, 9.999, band, **far) is Status.WORSE
        same_everywhere = band.model_copy(update={"elsewhere": None})
        assert one_verdict(figure, 20.0, 100.0, same_everywhere, **far) is Status.BETTER
        assert one_verdict(figure, 20.0, 10.001, same_everywhere, **far) is Status.WORSE

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (89, Status.BETTER),
            (90, Status.BETTER),
            (91, Status.SAME),
            (110, Status.SAME),
            (111, Status.WORSE),
        ],
    )
    def test_of_a_count(self, now: int, expected: Status) -> None:
        """A tenth more is the most; as ratios 110 and 91 of 100 are about as far."""
        band = Band(worse=0.1, why="for this test")
        assert one_verdict("evaluations", 100, now, band) is expected

    def test_what_is_just_allowed_is_no_loss(self) -> None:
        """Whatever rounding makes of the band: 100 + p of 100 counts, and 100 - p of a ratio."""
        for percent in range(1, 100):
            band = Band(worse=percent / 100, why="for this test")
            for figure, now, expected in (
                ("evaluations", 100 + percent, Status.SAME),
                ("evaluations", 101 + percent, Status.WORSE),
                ("memory_ratio", 100.0 - percent, Status.SAME),
                ("memory_ratio", 99.999 - percent, Status.WORSE),
            ):
                assert one_verdict(figure, 100.0, now, band) is expected, (percent, figure, now)

    @pytest.mark.parametrize(
        ("before", "now", "expected"),
        [(0, 0, Status.SAME), (0, 1, Status.WORSE), (1, 0, Status.BETTER)],
    )
    def test_of_a_count_of_nothing(self, before: int, now: int, expected: Status) -> None:
        assert one_verdict("evaluations", before, now, BANDS["evaluations"]) is expected

    def test_a_change_of_just_the_noise_is_not_judged(self) -> None:
        """None from none: the noise floor is 0 and the change as well."""
        assert one_verdict("ratio", 20.0, 20.0, BANDS["ratio"]) is Status.NOT_JUDGED


def status(found: Measurement, machine: Machine = HERE, figure: str = "ratio") -> Status:
    verdicts = judge_against(baseline_of(measured()), found, machine)
    return {v.figure: v.status for v in verdicts}[figure]


class TestJudging:
    @pytest.mark.parametrize(
        ("ratio", "noise", "expected"),
        [
            (20.0, 0.01, Status.NOT_JUDGED),
            (20.1, 0.01, Status.NOT_JUDGED),
            (19.5, 0.01, Status.SAME),
            (18.9, 0.01, Status.SAME),
            (18.7, 0.01, Status.WORSE),
            (18.7, 0.10, Status.NOT_JUDGED),
            (16.0, 0.10, Status.WORSE),
            (21.6, 0.01, Status.BETTER),
            (21.6, 0.10, Status.NOT_JUDGED),
        ],
    )
    def test_ratios(self, ratio: float, noise: float, expected: Status) -> None:
        assert status(measured(ratio, noise=noise)) is expected

    def test_what_is_not_judged_says_so(self) -> None:
        verdicts = judge_against(baseline_of(measured()), measured(noise=0.1), HERE)
        (line,) = [v.line for v in verdicts if v.figure == "ratio"]
        assert "not judged, below the noise floor of 10.1 %" in line  # with the baseline's

    @pytest.mark.parametrize(
        ("evaluations", "expected"),
        [(40, Status.SAME), (41, Status.WORSE), (80, Status.WORSE), (39, Status.BETTER)],
    )
    @pytest.mark.parametrize("machine", [HERE, ELSEWHERE])
    def test_counts_are_hard_everywhere(
        self, evaluations: int, expected: Status, machine: Machine
    ) -> None:
        found = measured(evaluations=evaluations, noise=0.5)
        assert status(found, machine, "evaluations") is expected

    @pytest.mark.parametrize(
        ("memory_ratio", "expected"),
        [(10, Status.SAME), (8, Status.SAME), (7, Status.WORSE), (14, Status.BETTER)],
    )
    def test_memory(self, memory_ratio: int, expected: Status) -> None:
        assert status(measured(memory_ratio=memory_ratio), HERE, "memory_ratio") is expected

    @pytest.mark.parametrize(
        ("ratio", "expected"), [(40.0, Status.SAME), (11.0, Status.SAME), (9.0, Status.WORSE)]
    )
    def test_another_machine_has_a_wider_band(self, ratio: float, expected: Status) -> None:
        assert status(measured(ratio), ELSEWHERE) is expected

    def test_another_machine_is_held_against_the_lowest(self) -> None:
        both = updated(
            baseline_of(measured(20)),
            [measured(30)],
            (Machine(cpu="x", host="2" * 8, cores=1), "1" * 40, {}),
        )
        assert len(both.root["flow"].machines) == 2
        verdicts = judge_against(both, measured(11), ELSEWHERE)
        assert not any(v.status.red for v in verdicts)
        assert {v.figure: v.before for v in verdicts}["ratio"] == 20

    def test_its_noise_floor_is_the_highest_of_the_others(self) -> None:
        third = Machine(cpu="x", host="2" * 8, cores=1)
        for one, other in ((0.01, 0.3), (0.3, 0.01)):
            both = updated(
                baseline_of(measured(noise=one)), [measured(noise=other)], (third, "1" * 40, {})
            )
            found = stored_standing(both.root["flow"], ELSEWHERE)
            assert found.elsewhere
            assert found.floor == pytest.approx(0.3)

    def test_this_machines_own_level_rules_where_there_is_one(self) -> None:
        """Whichever of the two is lower, noisier, or came first."""
        for here, there in ((20.0, 30.0), (30.0, 20.0)):
            for first, second in ((HERE, ELSEWHERE), (ELSEWHERE, HERE)):
                levels = {
                    HERE: measured(here, noise=0.02, memory_ratio=5),
                    ELSEWHERE: measured(there),
                }
                old = baseline_of(levels[first], machine=first)
                both = updated(old, [levels[second]], (second, "1" * 40, {}))
                found = stored_standing(both.root["flow"], HERE)
                assert not found.elsewhere
                assert (found.figures["ratio"], found.figures["memory_ratio"]) == (here, 5)
                assert found.floor == pytest.approx(0.02)

    def test_a_machine_measured_again_replaces_its_own_level(self) -> None:
        new = updated(baseline_of(measured(20)), [measured(30)], (HERE, "1" * 40, {}))
        (level,) = new.root["flow"].machines.values()
        assert (level.ratio, level.commit) == (30, "1" * 40)

    def test_what_is_on_one_side_only_is_red(self) -> None:
        old, new = Standing({"a": 1.0, "b": 1.0}), Standing({"b": 1.0, "c": 1.0})
        bands = dict.fromkeys(("a", "b", "c", "d"), BANDS["evaluations"])
        found = {v.figure: v.status for v in judge("flow", old, new, bands)}
        missing = Status.MISSING
        assert found == {"a": missing, "b": Status.SAME, "c": missing, "d": missing}
        assert judge("flow", old, old, {})[0].status is missing

    def test_a_benchmark_without_baseline_is_red(self) -> None:
        (verdict,) = judge_against(Baseline({}), measured(), HERE)
        assert verdict.status is Status.MISSING
        assert "--update-baseline" in verdict.line

    def test_a_baseline_that_did_not_run_is_red(self) -> None:
        both = baseline_of(measured(), measured(name="circuit"))
        (verdict,) = not_run(both, ["circuit"], {"flow": "needs mnist"})
        assert verdict.status.red
        assert verdict.line == "flow: has a baseline, but did not run: needs mnist"
        assert not_run(both, ["circuit", "flow"], {}) == []

    def test_runs_of_two_machines(self) -> None:
        def run(machine: Machine, *found: Measurement) -> Run:
            at = Circumstances(machine=machine, threads=2, flops=1e9, versions={})
            return Run(
                commit="1" * 40,
                dirty=False,
                when=datetime(2026, 1, 1, tzinfo=timezone.utc),
                measured=datetime(2026, 1, 2, tzinfo=timezone.utc),
                circumstances=at,
                measurements={m.name: m for m in found},
            )

        def red(a: Run | Baseline, b: Run) -> set[str]:
            return {f"{v.name} {v.figure}" for v in compare(a, b) if v.status.red}

        before, after = run(HERE, measured()), measured(15)
        assert red(before, run(HERE, after)) == {"flow ratio"}
        assert red(before, run(ELSEWHERE, after)) == set()
        other = measured(name="other")
        assert red(before, run(HERE, other)) == {"flow baseline", "other baseline"}

        # The earlier run's bands rule; the later one's only where the earlier has none.
        def banded(found: Measurement, **worse: float) -> Measurement:
            bands = {k: Band(worse=w, why="for this test") for k, w in worse.items()}
            return found.model_copy(update={"bands": bands})

        narrow = {"ratio": 0.06, "memory_ratio": 0.06, "evaluations": 0}
        wide = {"ratio": 0.5, "memory_ratio": 0.06, "evaluations": 0}
        for old, new, expected in (
            (narrow, wide, {"flow ratio"}),
            (wide, narrow, set()),
            ({"evaluations": 0}, narrow, {"flow ratio"}),
        ):
            earlier, later = run(HERE, banded(measured(), **old)), banded(measured(15), **new)
            assert red(earlier, run(HERE, later)) == expected
        assert red(baseline_of(measured()), run(HERE, other)) == {"flow baseline", "other baseline"}

    def test_an_updated_baseline_keeps_other_machines(self) -> None:
        old = baseline_of(measured(20), machine=ELSEWHERE)
        new = updated(old, [measured(30, evaluations=20)], (HERE, "1" * 40, {}))
        assert {k: v.ratio for k, v in new.root["flow"].machines.items()} == {
            HERE.key: 30,
            ELSEWHERE.key: 20,
        }
        assert new.root["flow"].counts == {"evaluations": 20}


# ------------------------------------------------------------------------------------------------
# The gate, on a machine with noise


class NoisyRace(Race):
    """Rounds of a shared machine: every side off by some percent, some rounds by much."""

    def __init__(self, slowdown: float, seed: int) -> None:
        super().__init__(lambda: None, lambda: None)
        self._random, self._slowdown = random.Random(seed), slowdown
        self.another_process()

    def another_process(self) -> None:
        # What a process' layout in memory does to all of its rounds.
        self._luck = self._random.gauss(0, 0.015)

    def round(self) -> None:
        speed = self._random.gauss(0, 0.10)  # of the whole machine, in this round
        ours = math.log(1e-3 * self._slowdown) + self._luck

        def time(of: float) -> float:
            burst = self._random.random() < 0.08
            late = self._random.uniform(0.1, 1.0) if burst else 0.0
            return math.exp(of + speed + abs(self._random.gauss(0, 0.02)) + late)

        self.rounds.append(Round(time(ours), time(math.log(20e-3)), time(ours)))


class NoisyTrial:
    def __init__(self, slowdown: float, seed: int, rounds: int = 16) -> None:
        self.race = NoisyRace(slowdown, seed)
        self.rounds = rounds
        self.more()

    def more(self) -> None:
        for _ in range(self.rounds):
            self.race.round()

    def again(self) -> None:
        self.race.another_process()
        self.more()

    def measurement(self, tolerances: Tolerances) -> Measurement:
        return measured().model_copy(update={"speed": self.race.speed()})


def verdict_of(slowdown: float, seed: int) -> tuple[Status, int]:
    base = NoisyTrial(1.0, 10_000 + seed)
    for _ in range(gate.RETRIES):
        base.again()
    tolerances = read_tolerances()
    baseline = baseline_of(base.measurement(tolerances))
    trial = NoisyTrial(slowdown, seed)
    _, verdicts = judged(trial, tolerances, baseline, HERE)
    return {v.figure: v.status for v in verdicts}["ratio"], len(trial.race.rounds)


class TestGate:
    def test_noise_raises_no_alarm(self) -> None:
        found = [verdict_of(1.0, seed) for seed in range(100)]
        assert not [s for s, _ in found if s.red]

    def test_a_slow_down_is_caught(self) -> None:
        """A tenth slower is a loss of 9.1 % of the ratio; 20 of 20, and 80 more."""
        found = [verdict_of(1.1, seed) for seed in range(100)]
        assert [s for s, _ in found] == [Status.WORSE] * 100

    def test_what_looks_bad_is_measured_again(self) -> None:
        _, rounds = verdict_of(1.1, 0)
        assert rounds == 16 * (1 + gate.RETRIES)
        assert min(verdict_of(1.0, seed)[1] for seed in range(5)) == 16

    def test_a_busy_machine_is_not_asked_again(self) -> None:
        found = measured(10)
        assert found.speed is not None
        busy = found.speed.model_copy(update={"others": 0.3})
        for speed, more in ((found.speed, True), (busy, False)):
            one = found.model_copy(update={"speed": speed})
            verdicts = judge_against(baseline_of(measured()), one, HERE)
            assert suspicious(verdicts, one) is more
            (ratio,) = [v for v in verdicts if v.figure == "ratio"]
            assert ratio.status is (Status.WORSE if more else Status.NOT_JUDGED)
            assert more or "other processes had too much of the cores" in ratio.line

    def test_planted_faults(self) -> None:
        """Each is what its name says: more time, more evaluations, another result."""

        def call() -> Done:
            return Done((np.ones(3),), {"evaluations": 40})

        pair = Pair(call, call, 1e-6, 1)
        assert planted(pair, None) is pair
        assert planted(pair, "evaluations").ours().counts == {"evaluations": 80}
        assert difference(planted(pair, "wrong").ours(), call()) == pytest.approx(0.01)
        found = measured(evaluations=planted(pair, "evaluations").ours().counts["evaluations"])
        assert status(found, HERE, "evaluations") is Status.WORSE

    def test_a_planted_slow_down_takes_a_tenth_longer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machinery = Machinery()
        tick = machinery.call("t", 1e-3)
        monkeypatch.setattr(plants.time, "perf_counter", lambda: (tick(), machinery.now)[1])
        work = machinery.call("w", 1.0)
        slow = PLANTS["slow"](lambda: Done((work(),)))
        slow()
        assert machinery.now == pytest.approx(1.1, abs=0.01)

    def test_rounds_fill_the_budget(self) -> None:
        case = Case("one", 1, "points", lambda: pytest.fail("not made"))
        assert rounds_for(replace(case, slow=True), 1e-3) == gate.SLOW_ROUNDS
        for seconds in (1e-3, 0.2, 0.5, 3.0, 100.0):
            rounds = rounds_for(case, seconds)
            assert rounds % 2 == 0
            assert gate.FEWEST_ROUNDS <= rounds <= gate.MOST_ROUNDS
            assert rounds * seconds <= gate.BUDGET_S + 2 * seconds or rounds == gate.FEWEST_ROUNDS

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param((np.ones(3), np.ones(3)), id="number"),
            pytest.param((np.ones(4),), id="shape"),
            pytest.param((np.array([1, np.nan, 1]),), id="nan"),
            pytest.param((np.array([1, np.inf, 1]),), id="infinite"),
        ],
    )
    def test_results_of_another_form_differ_infinitely(self, values: tuple[Any, ...]) -> None:
        one = Done((np.ones(3),))
        assert difference(one, one) == 0
        assert math.isinf(difference(Done(values), one))
        assert math.isinf(difference(one, Done(values)))

    def test_differences_are_parts_of_the_largest(self) -> None:
        one, other = Done((np.array([1.0, -100.0]),)), Done((np.array([2.0, -100.0]),))
        assert difference(other, one) == pytest.approx(0.01)
        assert math.isinf(difference(one, Done((np.zeros(2),))))


@pytest.mark.parametrize(
    ("options", "variables", "reason"),
    [
        (("-n", "2"), {}, "benchmarks run alone: without -n"),
        (("--benchmark-disable",), {}, "benchmarks are disabled"),
        ((), {PATH_VARIABLE: "plain"}, "makes every path the reference"),
    ],
)
def test_where_nothing_can_be_measured_benchmarks_skip(
    options: tuple[str, ...], variables: dict[str, str], reason: str
) -> None:
    """... with a reason; and are red where they have to run."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/bench", "-rs", "-p", "no:cacheprovider", *options,
         "--require-kind", "bench"],
        cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert reason in done.stdout
    assert "FAILED: no bench test ran" in done.stdout
    for name, case in CASES.items():
        assert (f"{name}: has a baseline, but did not run" in done.stdout) != case.slow
    assert " passed" not in done.stdout


class TestTheRepositorysOwn:
    """The stored baseline and tolerances fit the benchmarks there are."""

    def test_every_benchmark_has_a_baseline(self) -> None:
        assert set(gate.stored_baseline().root) >= {CLOCKS} | {
            name for name, case in CASES.items() if not case.slow
        }
        assert set(gate.stored_baseline().root) <= {*CASES, CLOCKS}

    def test_every_figure_has_a_band(self) -> None:
        tolerances = read_tolerances()
        for name, entry in gate.stored_baseline().root.items():
            assert set(entry.counts) <= set(tolerances.of(name, set(entry.counts))), name
        assert set(tolerances.others) <= set(CASES)
        assert set(tolerances.goals) <= set(CASES)

    def test_goals_are_met_or_argued(self) -> None:
        tolerances = read_tolerances()
        for name, goal in tolerances.goals.items():
            entry = gate.stored_baseline().root.get(name)
            for level in entry.machines.values() if entry else ():
                met = (level.ratio or 0) >= (goal.ratio or 0)
                met = met and (level.memory_ratio or 0) >= (goal.memory_ratio or 0)
                assert met != (goal.missed is not None), name


# ------------------------------------------------------------------------------------------------
# Files


def content(
    *found: Measurement, commit: str = "a" * 40, when: str = "2026-01-01T12:00:00+01:00"
) -> dict[str, Any]:
    """A file as pytest-benchmark writes it, with what concerns us."""
    at = Circumstances(machine=HERE, threads=2, flops=1e11, versions={"torch": "2.13"})
    return {
        "machine_info": {"node": "x", KEY: at.model_dump(mode="json")},
        "commit_info": {"id": commit, "dirty": False, "time": when, "branch": "main"},
        "benchmarks": [
            {"name": f"test_speed[{m.name}]", "extra_info": {KEY: m.model_dump(mode="json")}}
            for m in found
        ],
        "datetime": "2026-02-02T08:00:00.5+00:00",
        "version": "5.3.1",
    }


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(name: str, value: Any) -> Path:
        path = tmp_path / name
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        return path

    return save


class TestTables:
    def test_columns_are_named_in_their_order(self) -> None:
        table = measurements_table({"flow": measured()})
        headers = [str(column.header) for column in table.columns]
        assert headers[0] == "benchmark"
        assert headers[-1] == "goal"
        assert len(set(headers)) == len(headers)
        assert str(next(iter(table.columns[0].cells))) == "flow (100 points)"
        assert str(next(iter(table.columns[1].cells))) == "20 ms"

    @pytest.mark.parametrize(
        ("goal", "said"),
        [
            (None, ""),
            (Goal(), ""),
            (Goal(ratio=20.0), ">= 20: met"),
            (Goal(ratio=20.5), ">= 20.5: missed"),
            (Goal(memory_ratio=10.0), "memory >= 10: met"),
            (Goal(rate=1e5), ">= 100000 points/s: met (1e+05)"),
            (Goal(ratio=30.0, missed="too slow"), ">= 30: missed; too slow"),
        ],
    )
    def test_a_goal_is_met_or_missed_in_what_it_names(self, goal: Goal | None, said: str) -> None:
        assert _goal(replace_goal(measured(), goal)) == said

    def test_counts_are_written_in_full_and_fractions_in_four_digits(self) -> None:
        assert [_value(x) for x in (None, 12345.0, 123456.0, 2.0, 1.23456)] == [
            *("", "12345", "123456", "2", "1.235"),
        ]


class TestFiles:
    def test_a_run_is_read_back(self, saved: Callable[..., Path]) -> None:
        value = content(measured(), measured(name="circuit"))
        value["benchmarks"].append({"name": "somebody's", "extra_info": {}})
        run = read_run(saved("run.json", value))
        assert run.measurements == {"flow": measured(), "circuit": measured(name="circuit")}
        assert run.circumstances.machine == HERE
        assert run.commit == "a" * 40
        assert run.when == datetime(2026, 1, 1, 11, tzinfo=timezone.utc)

    @pytest.mark.parametrize(("value", "field"), [([], None), ({"ratio": -1}, "ratio")])
    def test_what_is_wrong_as_a_whole_names_no_field(self, value: Any, field: str | None) -> None:
        with pytest.raises(FileError) as caught:
            records._checked("x.json", Goal, value, "a goal")
        assert caught.value.field == field

    def test_a_baseline_is_read_back(self, tmp_path: Path) -> None:
        path = tmp_path / "baseline.json"
        write_baseline(path, baseline_of(measured()))
        assert read_baseline(path) == read_stored(path) == baseline_of(measured())
        with pytest.raises(FileError, match="is a baseline"):
            read_run(path)

    def test_this_machine(self) -> None:
        assert this_machine().cores >= 1
        assert this_machine() == this_machine()

    def test_a_named_machine_is_itself_after_a_restart(self, monkeypatch: Any) -> None:
        unnamed = this_machine().host
        monkeypatch.setenv(HOST_VARIABLE, "the quiet one")
        named = this_machine().host
        assert named != unnamed
        monkeypatch.setattr(records, "_BOOT", Path("/nowhere"))  # another start, or no Linux
        assert this_machine().host == named
        monkeypatch.delenv(HOST_VARIABLE)
        assert this_machine().host not in (named, unnamed)


def _changed(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        if to is None:
            del value[path[-1]]
        else:
            value[path[-1]] = to

    return change


OURS = ("benchmarks", 0, "extra_info", KEY)
HOSTILE: dict[str, Callable[[dict[str, Any]], None]] = {
    "no benchmarks": _changed("benchmarks", to=[]),
    "benchmarks of another kind": _changed("benchmarks", to=[[], 7, None, "x"]),
    "no machine": _changed("machine_info", to=None),
    "machine of another kind": _changed("machine_info", to=[]),
    "no commit": _changed("commit_info", to=None),
    "commit of another type": _changed("commit_info", "id", to=7),
    "commit that talks to the terminal": _changed("commit_info", "id", to="\x1b[31mred"),
    "commit of two lines": _changed("commit_info", "id", to="a\nb"),
    "commit that ends a table's cell": _changed("commit_info", "id", to="a|b"),
    "endless commit": _changed("commit_info", "id", to="a" * 10_000),
    "no time": _changed("commit_info", "time", to="yesterday"),
    "time that is seconds": _changed("commit_info", "time", to="1700000000"),
    "time of another type": _changed("commit_info", "time", to=1700000000),
    "time that no clock shows": _changed("commit_info", "time", to="2026-02-30T00:00:00Z"),
    "not measured at any time": _changed("datetime", to=None),
    "no cores": _changed("machine_info", KEY, "machine", "cores", to=0),
    "name that is a path": _changed(*OURS, "name", to="../../etc/passwd"),
    "name that is markup": _changed(*OURS, "name", to="[bold]x[/bold]"),
    "name of another type": _changed(*OURS, "name", to=["x"]),
    "negative ratio": _changed(*OURS, "speed", "ratio", "value", to=-1.0),
    "ratio as text": _changed(*OURS, "speed", "ratio", "value", to="20"),
    "ratio outside its interval": _changed(*OURS, "speed", "ratio", "low", to=21.0),
    "no A/A pair": _changed(*OURS, "speed", "same", to=None),
    "no rounds": _changed(*OURS, "speed", "rounds", to=0),
    "count that is no integer": _changed(*OURS, "counts", "evaluations", to=1.5),
    "count beyond all bounds": _changed(*OURS, "counts", "evaluations", to=10**30),
    "count of no name": _changed(*OURS, "counts", to={"": 1}),
    "no memory": _changed(*OURS, "memory", "ours_bytes", to=0),
    "band without a reason": _changed(*OURS, "bands", "ratio", to={"worse": 0.1}),
    "band that allows all": _changed(*OURS, "bands", "ratio", "worse", to=1.0),
    "unknown field": _changed(*OURS, "surprise", to=1),
    "one name twice": lambda value: value["benchmarks"].append(value["benchmarks"][0]),
}


class TestCommand:
    def test_show(self, run: Any, saved: Callable[..., Path]) -> None:
        path = saved("run.json", content(measured(), measured(14, name="circuit")))
        code, out, err = run("bench", "show", path)
        assert (code, err) == (0, "")
        for word in ("flow (100 points)", "20 ms", "1 ms", "100 us", "20.0 [19.9, 20.1]", "met"):
            assert word in out
        assert "missed" in out
        assert "a processor, 2 cores" in out

    def test_show_markdown(self, run: Any, saved: Callable[..., Path]) -> None:
        code, out, _ = run("bench", "show", saved("run.json", content(measured())), "--markdown")
        assert code == 0
        head, line, row = out.splitlines()
        assert head.count("|") == line.count("|") == row.count("|")
        assert "`flow` (100 points)" in row

    def test_compare(self, run: Any, saved: Callable[..., Path]) -> None:
        before = saved("before.json", content(measured()))
        same = saved("same.json", content(measured(19.9), commit="b" * 40))
        code, out, err = run("bench", "compare", before, same)
        assert (code, err) == (0, "")
        assert "aaaaaaaaaa" in out
        assert "not judged" in out
        slow = saved("slow.json", content(measured(18, evaluations=80)))
        code, out, err = run("bench", "compare", before, slow)
        assert (code, err) == (1, "")
        assert "-10.0 %" in out
        assert "2 WORSE" in out
        code, out, _ = run("bench", "compare", before, slow, "--json")
        assert code == 1
        verdicts = {v["figure"]: v["verdict"] for v in json.loads(out)["verdicts"]}
        assert verdicts == {"ratio": "WORSE", "evaluations": "WORSE", "memory_ratio": "same"}

    def test_compare_markdown(self, run: Any, saved: Callable[..., Path]) -> None:
        before = saved("before.json", content(measured(), measured(8, name="circuit")))
        later = content(
            measured(18, evaluations=80), measured(8.01, name="circuit"), commit="b" * 40
        )
        code, out, err = run("bench", "compare", before, saved("after.json", later), "--markdown")
        assert (code, err) == (1, "")
        headers, circuit, flow = cells_of(out)
        assert headers[:2] == ["case", "ratio before"]
        assert circuit[:4] == ["`circuit`", "8", "8.01 [7.97, 8.05]", "+0.1 %"]
        assert "below the noise floor of" in circuit[4]
        assert circuit[5] == ""
        assert flow[:4] == ["`flow`", "20", "18 [17.91, 18.09]", "-10.0 %"]
        assert "**WORSE**: ratio 20 -> 18: worse by more than the 6 % it may be" in flow[4]
        assert "as measured" in flow[4]  # the band's reason
        assert "**WORSE**: evaluations 40 -> 80" in flow[4]
        assert flow[5] == "evaluations 40 -> 80 (+100.0 %)"
        assert out.startswith("**Benchmarks:** 3 same, 1 not judged, 2 WORSE\n")
        *_, first, second = out.splitlines()
        assert first.startswith("- before: commit aaaaaaaaaa, 2026-01-01T12:00:00+01:00; ")
        assert second.startswith("- now: commit bbbbbbbbbb, ")
        for words in ("a processor, 2 cores", "torch 2.13", "2 threads"):
            assert words in first
            assert words in second

    def test_markdown_of_what_is_on_one_side_only(
        self, run: Any, saved: Callable[..., Path], tmp_path: Path
    ) -> None:
        one = saved("one.json", content(measured()))
        two = saved("two.json", content(measured(), measured(name="circuit")))
        for files, missing in (((one, two), "earlier"), ((two, one), "later")):
            code, out, _ = run("bench", "compare", *files, "--markdown")
            assert code == 1
            row = next(cells for cells in cells_of(out) if cells[0] == "`circuit`")
            said = f"**MISSING**: is not in the {missing} run"
            assert row == ["`circuit`", "", "", "", said, ""]
        stored = tmp_path / "baseline.json"
        write_baseline(stored, baseline_of(measured()))
        code, out, _ = run("bench", "compare", stored, one, "--markdown")
        assert code == 0
        assert "\n- before: baseline\n" in out
        assert cells_of(out)[1][4].startswith("ratio 20 -> 20: not judged")

    def test_markdown_says_what_got_better(self, run: Any, saved: Callable[..., Path]) -> None:
        counted = measured().model_copy(update={"speed": None, "memory": None})
        bands = {"evaluations": BANDS["evaluations"]}
        before, same, fewer = (
            counted.model_copy(update={"bands": bands, "counts": {"evaluations": n}})
            for n in (40, 40, 30)
        )
        first = saved("before.json", content(before))
        for now, verdict, counts in (
            (same, "same", ""),
            (
                fewer,
                "evaluations 40 -> 30: better; pytest tests/bench --update-baseline stores it",
                "evaluations 40 -> 30 (-25.0 %)",
            ),
        ):
            code, out, _ = run(
                "bench", "compare", first, saved("now.json", content(now)), "--markdown"
            )
            assert code == 0
            assert cells_of(out)[1:] == [["`flow`", "", "", "", verdict, counts]]

    def test_markdown_of_a_hostile_reason(
        self, run: Any, saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A band's reason is any text; one that is written as it stands breaks the table."""
        bands = {**BANDS, "ratio": Band(worse=0.06, why="a | b\n\x1b[31m <b> @someone")}
        slow = measured(10).model_copy(update={"bands": bands})
        first = measured().model_copy(update={"bands": bands})
        files = [saved("a.json", content(first)), saved("b.json", content(slow))]
        code, out, _ = run("bench", "compare", *files, "--markdown")
        assert code == 1
        (row,) = cells_of(out)[1:]
        assert r"a \| b" in row[4]
        monkeypatch.setattr(benchmark_tables, "escaped", lambda text: text)
        _, out, _ = run("bench", "compare", *files, "--markdown")
        with pytest.raises(AssertionError):
            cells_of(out)

    def test_one_form_of_a_comparison(self, run: Any, saved: Callable[..., Path]) -> None:
        path = saved("run.json", content(measured()))
        assert_refused(
            run("bench", "compare", path, path, "--json", "--markdown"),
            "--json and --markdown: choose one",
        )

    def test_compare_with_the_baseline(
        self, run: Any, saved: Callable[..., Path], tmp_path: Path
    ) -> None:
        path = tmp_path / "baseline.json"
        write_baseline(path, baseline_of(measured()))
        good, bad = (saved(f"{r}.json", content(measured(r))) for r in (20, 10))
        assert run("bench", "compare", path, good)[0] == 0
        assert run("bench", "compare", path, bad)[0] == 1
        assert_refused(run("bench", "compare", good, path), "is a baseline")

    def test_a_benchmark_on_one_side_only_is_red(
        self, run: Any, saved: Callable[..., Path]
    ) -> None:
        one = saved("one.json", content(measured()))
        two = saved("two.json", content(measured(), measured(name="circuit")))
        for files in ((one, two), (two, one)):
            code, out, _ = run("bench", "compare", *files)
            assert code == 1
            assert "circuit: is not in the" in out

    def test_plot(self, run: Any, saved: Callable[..., Path], tmp_path: Path) -> None:
        (tmp_path / "runs").mkdir()
        for k, ratio in enumerate((20.0, 21.0, 17.0)):
            value = content(
                measured(ratio),
                measured(8, name=f"only-in-{k}"),
                when=f"2026-01-0{k + 1}T00:00:00Z",
            )
            saved(f"runs/{k}.json", value)
        out = tmp_path / "history.svg"
        code, said, err = run("bench", "plot", tmp_path / "runs", "--out", out)
        assert (code, err) == (0, "")
        assert str(out) in said.replace("\n", "")
        assert out.read_text().count("<!-- only-in-") == 3
        one = tmp_path / "one.png"
        assert run("bench", "plot", tmp_path / "runs", "--out", one, "--only", "flow")[0] == 0
        assert_refused(run("bench", "plot", tmp_path / "runs", "--out", out), "exists already")
        result = run("bench", "plot", tmp_path / "runs", "--out", tmp_path / "x.png", "--only", "y")
        assert_refused(result, "--only y: not in these runs", "flow")

    def test_history_is_in_the_order_of_instants(
        self, run: Any, saved: Callable[..., Path], tmp_path: Path, monkeypatch: Any
    ) -> None:
        """Not of texts: noon in Tokyo is before noon in Paris, and run2 may be before run10.

        Runs of one commit are in the order they were measured in.
        """
        drawn: list[Any] = []
        report = "ohmbench.report"
        draw = f"{report}.benchmark_figures.history_figure"
        monkeypatch.setattr(draw, lambda commits, _: drawn.append(commits))
        monkeypatch.setattr(f"{report}.figures.save_figure", lambda *_, **__: None)
        in_order = {
            "a": ("2026-03-01T12:00:00+09:00", "2026-04-02T00:00:00Z"),
            "b": ("2026-03-01T04:00:00Z", "2026-04-01T00:00:00Z"),
            "c": ("2026-03-01T12:00:00+01:00", "2026-04-03T10:00:00+00:00"),
            "d": ("2026-03-01T11:00:00+00:00", "2026-04-03T11:30:00+01:00"),
            "e": ("2026-02-28T23:30:00-12:00", "2026-04-01T00:00:00Z"),
            "f": ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"),
        }
        for number, (commit, (when, measured_at)) in enumerate(in_order.items()):
            value = content(measured(), commit=commit * 40, when=when)
            value["datetime"] = measured_at
            saved(f"run{12 - number}.json", value)
        assert run("bench", "plot", tmp_path, "--out", tmp_path / "x.png")[0] == 0
        assert drawn == [[c * 10 for c in in_order]]

    @pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
    def test_hostile_files_are_refused(
        self, run: Any, saved: Callable[..., Path], tmp_path: Path, change: Any
    ) -> None:
        good = saved("good.json", content(measured()))
        value = content(measured())
        change(value)
        bad = saved("bad.json", value)
        assert_refused(run("bench", "show", bad), "bad.json")
        assert_refused(run("bench", "compare", good, bad), "bad.json")
        assert_refused(run("bench", "compare", bad, good), "bad.json")
        assert_refused(run("bench", "plot", good, bad, "--out", tmp_path / "x.png"), "bad.json")

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "7", '"x"', "{}", "[" * 100_000, '{"a": NaN}', '{"a": 1, "a": 2}']
    )
    def test_what_is_no_run_is_refused(
        self, run: Any, saved: Callable[..., Path], text: str
    ) -> None:
        assert_refused(run("bench", "show", saved("bad.json", text)), "bad.json")

    def test_no_output_overwrites_what_is_read(self, run: Any, saved: Callable[..., Path]) -> None:
        path = saved("run.svg", content(measured()))
        before = path.read_bytes()
        assert_refused(run("bench", "plot", path, "--out", path, "--force"), "reads")
        assert path.read_bytes() == before

    def test_an_empty_folder_is_refused(self, run: Any, tmp_path: Path) -> None:
        result = run("bench", "plot", tmp_path, "--out", tmp_path / "x.png")
        assert_refused(result, "holds no JSON files")
