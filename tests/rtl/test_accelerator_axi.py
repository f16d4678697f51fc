"""``accelerator_axi`` at its ports, by cocotb: the streams, the AXI4-Lite, and its promised clocks.

The data tests are those of ``test_accelerator.py``, through the wrapper. The monitors of all seven
channels demand that what is offered stays until it is taken, and no response without a request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from .cocotb_runs import (
    IMAGES,
    NEEDS,
    assert_passed,
    case,
    cases,
    run_data,
    run_the_papers_network,
    start,
)

TOP = "accelerator_axi"
DATA = (
    "bit_exact",
    "latency",
    "networks_one_after_another",
    "wrong_lengths",
    "images_wait_when_results_do",
    "host_while_busy",
    "hold",
    "reset_in_a_run/seed=20",
)
QUICK = ("bit_exact",)
PROTOCOL = (
    "registers",
    "address_map",
    "errors_clear_by_one",
    "address_and_data_in_any_order",
    "words_come_when_they_should",
    "partial_strobes",
    "addresses_inside_a_word",
    "reads_and_writes_take_turns",
    "a_response_that_waits_blocks_only_its_kind",
    "random_traffic",
)
# Without a walk through the whole map, which takes hundreds of thousands of clocks.
PROTOCOL_QUICK = tuple(name for name in PROTOCOL if name != "address_map")
INTERVAL = 64


@pytest.mark.parametrize(("simulator", "pauses", "tests", "seed"), cases(QUICK, DATA))
def test_data(
    simulator: str,
    pauses: str,
    tests: Sequence[str],
    seed: int,
    report: Callable[[str], None],
) -> None:
    _, clocks = run_data(TOP, "axi_data", (simulator, pauses, tests, seed), report)
    if pauses == "none":
        # The rate of the core: the packets of results cost nothing but the last one's beats.
        assert clocks < INTERVAL * (IMAGES[simulator] + 1)


@pytest.mark.parametrize(
    ("simulator", "pauses", "tests", "seed"),
    [
        case("verilator", "none", PROTOCOL),
        case("verilator", "idle", PROTOCOL_QUICK),
        case("verilator", "backpressure", PROTOCOL_QUICK),
        case("icarus", "none", PROTOCOL_QUICK, slow=True),
        case("icarus", "backpressure", PROTOCOL_QUICK, slow=True),
        case("verilator", "backpressure", PROTOCOL, seed=2, slow=True),
    ],
)
def test_protocol(simulator: str, pauses: str, tests: Sequence[str], seed: int) -> None:
    assert_passed(start(simulator, TOP, "axi_protocol", tests, pauses=pauses, seed=seed))


@pytest.mark.needs(*NEEDS["verilator"], "paper-fann-int8")
def test_the_papers_network() -> None:
    """The published weights and 360 images through the AXI interfaces."""
    run_the_papers_network(TOP, "axi_data")
