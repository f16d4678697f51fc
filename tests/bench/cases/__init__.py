"""The cases that are measured: each a fast path and its plain reference, on the same inputs."""

from tests.bench.cases.case import Case, Done, Pair, difference
from tests.bench.cases.circuits import CASES as CIRCUITS
from tests.bench.cases.floatgate import CASES as FLOATGATE
from tests.bench.cases.flows import CASES as FLOWS
from tests.bench.cases.golden import CASES as GOLDEN
from tests.bench.cases.integer import CASES as INTEGER

__all__ = ["CASES", "CLOCKS", "Case", "Done", "Pair", "difference"]

CASES = {case.name: case for case in (*FLOATGATE, *FLOWS, *CIRCUITS, *GOLDEN, *INTEGER)}
"""Cases by name."""

CLOCKS = "accelerator-clocks"
"""The only benchmark that is not a case: it has only counts (``test_clocks``)."""
