"""``accelerator`` at its ports, by cocotb: tests of ``cocotb_bench``, simulator by simulator.

Every value of every image against the golden model, which is fed with what the hardware accepted;
data tests without pauses, with idle cycles, and with backpressure. Icarus also watches for X.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from .cocotb_runs import (
    NEEDS,
    assert_passed,
    case,
    cases,
    run_data,
    run_the_papers_network,
    start,
)

TOP = "accelerator"
DATA = (
    "bit_exact",
    "latency",
    "networks_one_after_another",
    "wrong_lengths",
    "images_wait_when_results_do",
    "host_while_busy",
    "hold",
    "reset_in_a_run/seed=20",
    "reset_in_a_run/seed=21",
    "reset_in_a_run/seed=22",
)
QUICK = ("bit_exact", "wrong_lengths")
PROTOCOL = (
    "registers",
    "address_map",
    "errors_clear_by_one",
    "malformed_accesses",
    "mixed_accesses",
    "an_error_outlives_its_clearing",
)
SECONDS_LIMIT = 3.0
"""CPU time for 360 images, drivers, monitors and golden model included; a seventh of the time that
the published testbench takes for classes alone (23 s)."""


@pytest.mark.parametrize(("simulator", "pauses", "tests", "seed"), cases(QUICK, DATA))
def test_data(
    simulator: str,
    pauses: str,
    tests: Sequence[str],
    seed: int,
    report: Callable[[str], None],
) -> None:
    seconds, _ = run_data(TOP, "core_data", (simulator, pauses, tests, seed), report)
    if (simulator, pauses) == ("verilator", "none"):
        assert seconds <= SECONDS_LIMIT


@pytest.mark.parametrize(
    ("simulator", "pauses", "tests", "seed"),
    [
        case("verilator", "none", PROTOCOL),
        case("icarus", "none", PROTOCOL, slow=True),
        case("verilator", "none", ("whole_address_space",), seed=2, slow=True),
    ],
)
def test_protocol(simulator: str, pauses: str, tests: Sequence[str], seed: int) -> None:
    assert_passed(start(simulator, TOP, "core_protocol", tests, pauses=pauses, seed=seed))


@pytest.mark.needs(*NEEDS["verilator"], "paper-fann-int8")
def test_the_papers_network() -> None:
    """The published weights and 360 images, every value, on this project's hardware."""
    run_the_papers_network(TOP, "core_data")
