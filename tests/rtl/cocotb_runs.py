"""Starts the cocotb tests of ``cocotb_bench`` and judges how they ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ohmbench.paper import FANN_INT8, fann_folder
from ohmbench.weights import stored
from tests.eda.cocotb_runner import Bench, Run, run_bench

ROOT = Path(__file__).parents[2]
PACKAGE = "tests.rtl.cocotb_bench"
PAUSES = ("none", "idle", "backpressure")
NEEDS = {"verilator": ("verilator", "compiler", "cocotb"), "icarus": ("icarus", "cocotb")}
# Icarus takes about a millisecond a clock.
IMAGES = {"verilator": 360, "icarus": 8}
MEASURED = re.compile(r"MEASURED (\d+) images bit-exact in ([\d.]+) s of CPU, (\d+) clocks")


def case(
    simulator: str, pauses: str, tests: Sequence[str], *, seed: int = 1, slow: bool = False
) -> Any:
    """One run as a test's parameters: (simulator, pauses, tests, seed)."""
    marks = [pytest.mark.needs(*NEEDS[simulator])]
    if slow:
        marks.append(pytest.mark.slow)
    return pytest.param(
        simulator, pauses, tests, seed, marks=marks, id=f"{simulator}-{pauses}-seed{seed}"
    )


def cases(quick: Sequence[str], tests: Sequence[str]) -> list[Any]:
    """All tests with every pause; Icarus, being slow, the quick ones unless asked for more."""
    return [
        *(case("verilator", pauses, tests) for pauses in PAUSES),
        case("icarus", "none", quick),
        *(case("icarus", pauses, tests, seed=2, slow=True) for pauses in PAUSES),
        # Registers and memories start with other contents.
        *(case("verilator", "none", tests, seed=seed, slow=True) for seed in range(2, 11)),
    ]


def start(
    simulator: str,
    top: str,
    module: str,
    tests: Sequence[str],
    *,
    pauses: str = "none",
    seed: int = 1,
    network: Path | None = None,
    timeout_s: float = 1800,
) -> Run:
    """Run tests of a module of ``cocotb_bench`` in a simulator."""
    environment = {"OHMBENCH_BENCH_PAUSES": pauses}
    if network is not None:
        environment["OHMBENCH_BENCH_NETWORK"] = str(network)
        environment["OHMBENCH_BENCH_IMAGES"] = str(IMAGES[simulator])
    return run_bench(
        Bench(simulator, top),
        f"{PACKAGE}.{module}",
        tests=tests,
        seed=seed,
        environment=environment,
        search=[ROOT],
        timeout_s=timeout_s,
    )


def assert_passed(run: Run) -> None:
    """Every test of the run passed; else their names and reasons, then what was printed."""
    failures = run.failures()
    if failures:
        print(run.log)
    lines = [f"{name}: {reason}" for name, reason in failures.items()]
    assert not failures, "\n".join([f"{len(failures)} of {len(run.outcomes)} failed", *lines])


def measured(run: Run) -> tuple[int, float, int]:
    """Images, seconds of CPU time and clocks of the run's ``bit_exact``."""
    found = MEASURED.search(run.log)
    assert found, "bit_exact printed no measurement"
    images, seconds, clocks = found.groups()
    return int(images), float(seconds), int(clocks)


def run_data(
    top: str,
    module: str,
    parameters: tuple[str, str, Sequence[str], int],
    report: Callable[[str], None],
) -> tuple[float, int]:
    """The data tests of a top module on the stored network: all images, bit-exact. Seconds of CPU
    time and clocks of ``bit_exact``; ``parameters`` as in ``case``."""
    simulator, pauses, tests, seed = parameters
    run = start(
        simulator, top, module, tests, pauses=pauses, seed=seed, network=stored("int8-digits")
    )
    assert_passed(run)
    images, seconds, clocks = measured(run)
    report(f"{pauses}: {images} images, {seconds:.2f} s of CPU, {clocks} clocks")
    assert images == IMAGES[simulator]
    return seconds, clocks


def run_the_papers_network(top: str, module: str) -> None:
    """The published weights and 360 images, every value."""
    run = start("verilator", top, module, ("bit_exact",), network=fann_folder() / FANN_INT8)
    assert_passed(run)
    assert measured(run)[0] == 360
