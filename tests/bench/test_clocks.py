"""The accelerator's clock counts, which do not depend on the machine."""

import pytest

from ohmbench.benchmarks.records import KEY, Measurement
from ohmbench.digital.widths import Hardware
from ohmbench.eda.synthesis.clocks import IMAGES, count_clocks
from tests.bench.cases import CLOCKS
from tests.bench.cases.case import SEED


@pytest.mark.needs("verilator", "compiler")
def test_clocks(session, request) -> None:
    benchmark = request.getfixturevalue("benchmark")
    clocks = benchmark.pedantic(count_clocks, args=(Hardware(64, 100, 10),))
    counts = {"latency_clocks": clocks.latency, "interval_clocks": clocks.interval}
    found = Measurement(
        name=CLOCKS,
        seed=SEED,
        items=IMAGES,
        unit="images",
        counts=counts,
        bands=session.tolerances.of(CLOCKS, set(counts)),
    )
    benchmark.extra_info[KEY] = found.model_dump(mode="json")
    red = session.judge(found)
    assert not red, "\n".join(red)
