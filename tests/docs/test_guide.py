"""The guide's code runs as it stands, and what it computes is physics."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from .fences import blocks
from .pages import DOCS
from .running import Commands, run_page

GUIDE = (DOCS / "kirchhoff.md").read_text(encoding="utf-8")
BLOCKS = blocks(GUIDE)
MOST_LINES = 100


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What the names of the guide stand for after its last block, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("guide")
    with Commands() as runner:
        found = run_page(GUIDE, folder, runner, "docs/kirchhoff.md")
    assert not found.faults
    return found.names, folder


def test_it_is_short():
    lines = sum(len(block.text.splitlines()) for block in BLOCKS)
    assert 0 < lines <= MOST_LINES


def test_nothing_of_it_is_left_out():
    assert all(block.language == "python" and block.runs for block in BLOCKS)
    assert max(map(len, GUIDE.splitlines())) <= 110


def test_current_law(ran):
    currents = ran[0]["currents"].numpy()
    assert len(currents) == 7
    assert np.abs(currents).max() > 0.1
    assert abs(currents.sum()) < 1e-14


def by_hand(t, v, edges, p):
    """dv/dt of nodes 1 to 6, edge by edge."""
    v, net = np.concatenate([[0.0], v]), np.zeros(7)
    for (s, d), (p0, p1, p2) in zip(edges, p.T, strict=True):
        current = np.tanh(p0 * v[s] + p1 * v[d] + p2)
        net[s] -= current
        net[d] += current
    return net[1:]


def test_end_voltages_agree_with_an_independent_solver(ran):
    names = ran[0]
    v, p = names["v0"][0].numpy(), names["p"].numpy()
    for parameters, seconds in zip((p, p[:, ::-1]), (2.0, 3.0), strict=True):
        found = solve_ivp(
            by_hand, (0, seconds), v, "Radau", args=(names["edges"], parameters),
            rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        assert found.success
        v = found.y[:, -1]
    assert np.abs(v - names["v0"][0].numpy()).max() > 0.1
    assert np.abs(names["found"].v[0].numpy() - v).max() < 1e-6


def test_the_way_back_ends_at_the_start(ran):
    names = ran[0]
    assert float((names["back"].v - names["v0"]).abs().max()) < 1e-5


def test_plotted_times_are_those_of_the_voltages(ran):
    names, folder = ran
    assert len(names["times"]) == len(names["found"].path)
    assert np.all(np.diff(names["times"]) > 0)
    assert (folder / "voltages.png").read_bytes().startswith(b"\x89PNG")
    labels = [line.get_label() for line in names["axes"].lines[:6]]
    assert labels == [f"node {k}" for k in range(1, 7)]


def test_density_is_the_same_both_ways(ran):
    names = ran[0]
    difference = names["samples"].log_density - names["again"].log_density
    assert float(difference.abs().max()) < 1e-3
    assert float((names["samples"].z - names["again"].z).abs().max()) < 1e-3
