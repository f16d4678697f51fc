"""The RTL at the turning points of its parameters: every row of ``configurations.py``, to the bit.

Each row is driven by ``directed.py`` and then at random, and every promised output of every clock
must be the cycle model's. Where the formats are the library's, results and hidden bytes must be
the golden model's too. Which sizes are refused is computed from the RTL's text and compared with
the library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest

from ohmbench.digital import infer
from ohmbench.digital.hostmap import hidden_order, memories, network_words
from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import check_buildable, sources
from ohmbench.errors import RangeError

from .axi_runs import axi_clocks
from .configurations import (
    AXI_ROWS,
    BEYOND_ROWS,
    ROWS,
    USUAL_ROWS,
    Configuration,
    is_admissible,
)
from .cycle_model import INPUTS, OUTPUTS, CycleModel
from .directed import Script, directed
from .elaborate import Design
from .many import Many
from .stimulus import steered

SEED = 1
CLOCKS = 20_000
GROUPS = 5
needs_simulator = pytest.mark.needs("verilator", "compiler")


# ------------------------------------------------------------------------------------------------
# The core


def row_names(rows: list[Configuration]) -> list[str]:
    return [row.name for row in rows]


def grouped(rows: list[Configuration]) -> list[list[Configuration]]:
    return [rows[k::GROUPS] for k in range(GROUPS)]


@pytest.fixture(scope="module", params=range(GROUPS))
def many(request: pytest.FixtureRequest) -> Iterator[Many]:
    found = Many(grouped([*USUAL_ROWS, *ROWS])[request.param], seed=SEED)
    yield found
    found.close()


def assert_as_documented(many: Many, which: int) -> None:
    """Every promised output of every clock: the ends of everything, then random clocks."""
    row = many.configurations[which]
    script = directed(row, SEED)
    for inputs in (script.inputs(), None):
        model = CycleModel(row, seed=SEED)
        many.reset(which)
        clocks = model.draw(CLOCKS) if inputs is None else model.given(inputs)
        found = clocks.mismatch(many.clocks(which, clocks.inputs))
        assert found is None, f"{row.name}, {'random' if inputs is None else 'directed'}: {found}"
        if inputs is not None:
            # The script waits for every result, so that none of its expectations is idle.
            assert model.counts["results"] == script.images > 0


def assert_as_the_golden_model(many: Many, which: int) -> None:
    """Networks as the library loads them, images as it sends them: hidden bytes and results."""
    row = many.configurations[which]
    size = (row.inputs, row.hidden, row.classes)
    logit = row.registers()["logit"].bits
    order = hidden_order(row)
    for k in range(3):
        rng = np.random.default_rng([SEED, k, *size])
        network, images = steered(rng, size, 4)
        golden = infer(network, images)
        script = Script(row)
        for address, word in zip(*map(np.ndarray.tolist, network_words(row, network)), strict=True):
            script.write(address, word)
        words = len(script.rows)
        script.send(images.tolist())
        many.reset(which)
        inputs = script.inputs()
        assert (inputs[words:, INPUTS.index("image_data")] != 0).any() == images.any()
        out = dict(zip(OUTPUTS, (found := many.clocks(which, inputs)).T, strict=False))
        taken = (out["result_valid"] == 1) & (inputs[:, INPUTS.index("result_ready")] == 1)
        results = np.column_stack([out["class"], out["value"], found[:, len(OUTPUTS) :]])[taken]
        wanted = np.column_stack([golden.classes, golden.values, golden.logits])
        wanted[:, 1:] &= (1 << logit) - 1
        assert (results == wanted.astype(np.uint64)).all(), f"{row.name}, network {k}"
        passing = out["hidden"][out["hidden_valid"] == 1][:, None] >> np.arange(
            0, 8 * row.requants, 8, dtype=np.uint64
        )
        hidden = (passing & np.uint64(255)).reshape(len(images), -1)[:, order.reshape(-1) >= 0]
        neurons = order[order >= 0]
        assert (hidden == golden.hidden[:, neurons]).all(), f"{row.name}, network {k}"


@needs_simulator
def test_every_configuration_is_right_to_the_bit(many: Many) -> None:
    for which, row in enumerate(many.configurations):
        assert_as_documented(many, which)
        if row.is_usual:
            assert_as_the_golden_model(many, which)


def test_the_host_finds_what_the_library_says() -> None:
    for row in USUAL_ROWS:
        wanted = {r: (m.banks, m.depth) for r, m in memories(row).items()}
        assert {r: (m.banks, m.depth) for r, m in row.layout().items()} == wanted, row.name


# ------------------------------------------------------------------------------------------------
# Around the core


@needs_simulator
def test_every_configuration_is_right_behind_axi() -> None:
    for row in AXI_ROWS:
        assert len(axi_clocks(row, SEED)) > 0


# ------------------------------------------------------------------------------------------------
# What can be built


def design() -> Design:
    return Design(path.read_text(encoding="utf-8") for path in sources())


def is_refused(hardware: Hardware) -> bool:
    try:
        check_buildable(hardware)
    except RangeError:
        return True
    return False


def near_the_limits(rng: Random) -> Hardware:
    """Sizes at, just below or just beyond a limit of ``accelerator.v``, or far from any."""
    requants = rng.choice((1, 2, 4, 8)) if rng.random() < 0.9 else rng.choice((3, 5, 6, 7, 9, 16))
    most = (1, 2, 3, 7, 8, 9, 16, 31, 32, 33, 64, 1023, 1024, 1025, rng.randint(1, 130))
    words = rng.choice(most)
    fitting = min(words * requants, 64)
    lanes = rng.choice((1, 2, 13, 63, 64, 65)) if rng.random() < 0.3 else fitting
    lanes += int(rng.random() < 0.1)
    groups = max(rng.choice((1, 2, 1024 // words, 1024 // words, rng.randint(1, 1100))), 1)
    groups += int(rng.random() < 0.1)
    classes = rng.choice((1, 2, 10, 63, 64, rng.randint(1, 64)))
    if rng.random() < 0.2:
        classes = rng.choice((65, 66, 127, 128, 129, 130, 2048, 2049))
    inputs, hidden = 8 * words - rng.randint(0, 7), lanes * groups - rng.randint(0, lanes - 1)
    return Hardware(inputs, hidden, classes, lanes=lanes, requants=requants)


def test_the_library_refuses_what_the_hardware_refuses() -> None:
    """At every limit and on both of its sides; for each reason of the hardware, also alone."""
    rng, text = Random(SEED), design()
    reasons: Counter[tuple[str, ...]] = Counter()
    rows = [row for row in BEYOND_ROWS.values() if row.is_usual]
    for hardware in (*USUAL_ROWS, *rows, *(near_the_limits(rng) for _ in range(4000))):
        refused = text.refusals("accelerator", Configuration.of(hardware).parameters())
        reasons[tuple(refused)] += 1
        assert bool(refused) == is_refused(hardware), f"{refused}, unlike the library: {hardware}"
    alone = {found: n for found, n in reasons.items() if len(found) == 1}
    assert len(alone) == 4, reasons
    assert min(reasons[()], *alone.values()) > 20, reasons


def test_rows_are_admissible_and_those_beyond_are_not() -> None:
    text = design()
    for row in (*USUAL_ROWS, *ROWS, *AXI_ROWS):
        assert is_admissible(row), row.name
        assert text.refusals("accelerator", row.parameters()) == [], row.name
    for name, row in BEYOND_ROWS.items():
        assert len(text.refusals("accelerator", row.parameters())) == 1, name
