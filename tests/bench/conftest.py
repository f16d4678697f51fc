"""Fixtures of the benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from ohmbench.benchmarks.records import KEY
from ohmbench.kernels.choice import PATH_VARIABLE, plain_preferred
from tests.bench.cases import Case
from tests.bench.fresh import THREADS
from tests.bench.gate import RETRIES, Trial, busy, judged, rounds_for
from tests.bench.session import Session


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Session(config), "ohmbench-benchmarks")


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    """Every benchmark runs with this number of threads, whatever the environment says."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Session:
    if hasattr(request.config, "workerinput"):
        pytest.skip("benchmarks run alone: without -n")
    options = request.config.option
    if options.benchmark_disable and not options.benchmark_enable:
        pytest.skip("benchmarks are disabled: --benchmark-disable")
    if plain_preferred():
        pytest.skip(f"{PATH_VARIABLE} makes every path the reference")
    found = request.config.pluginmanager.get_plugin("ohmbench-benchmarks")
    assert isinstance(found, Session)
    return found


@pytest.fixture
def gate(request: pytest.FixtureRequest, session: Session) -> Callable[[Case], None]:
    """``gate(case)``: measure, record, judge. Fails if something got worse."""

    def run(case: Case) -> None:
        plant = request.config.getoption("--plant")
        trial = Trial(case, plant, session.circumstances.flops)
        trial.check()
        # Requested here, not as an argument: pytest-benchmark warns of each test that requests it
        # as an argument while it is disabled.
        benchmark = request.getfixturevalue("benchmark")
        rounds = rounds_for(case, trial.round_s)
        benchmark.pedantic(trial.race.round, rounds=rounds)
        for _ in range(RETRIES if session.updates and not case.slow else 0):
            trial.again()
        found, verdicts = judged(
            trial, session.tolerances, session.baseline, session.circumstances.machine
        )
        if session.updates and busy(found):
            pytest.fail("other processes had too much of the cores for a baseline", pytrace=False)
        benchmark.extra_info[KEY] = found.model_dump(mode="json")
        red = session.keep(found, verdicts)
        if red:
            pytest.fail("\n".join(red), pytrace=False)

    return run
