"""``ohmbench list``: one line per network, whose figures are those of its seeds."""

from __future__ import annotations

import json
from statistics import fmean

import pytest

from ohmbench import names
from ohmbench.weights import StoredWeights, read_manifest


def entry(name: str, seed: int, **metrics: float) -> StoredWeights:
    return StoredWeights(
        file="x.npz",
        sha256="0" * 64,
        command=f"ohmbench train {name} --seed {seed}",
        seed=seed,
        recipe={},
        versions={},
        metrics=metrics,
    )


MANIFEST = {
    "int8-digits-seed2": entry("int8-digits", 2, accuracy=0.75, correct=3),
    "int8-digits": entry("int8-digits", 0, accuracy=0.5, correct=2),
    "int8-digits-seed10": entry("int8-digits", 10, accuracy=1.0, correct=4),
    "twomoon": entry("twomoon", 0, nll=1.5, points=100),
    "circle": entry("circle", 3, nll=0.5),
    "circle-seed4": entry("circle", 4, nll=0.5),
    "mine[0]": entry("mine.yaml", 4, accuracy=0.25, total=4),
}


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ohmbench.weights.read_manifest", lambda: MANIFEST)


def rows(out: str) -> list[list[str]]:
    lines = [line for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


@pytest.mark.usefixtures("stored")
def test_seeds_share_a_line(run) -> None:
    status, out, err = run("list")
    assert (status, err) == (0, "")
    assert rows(out) == [
        ["int8-digits", "0, 2, 10", "accuracy 0.75 [0.5, 1]"],
        ["twomoon", "0", "nll 1.5"],
        ["circle", "3 to 4", "nll 0.5 [0.5, 0.5]"],
        ["mine[0]", "4", "accuracy 0.25"],
    ]
    titles = [line.strip() for line in out.splitlines() if line and line[0] not in "┏┃┡│└"]
    assert titles == ["Int8 networks", "KirchhoffNets and their baselines", "Trained from a file"]


@pytest.mark.usefixtures("stored")
def test_all_shows_every_file(run) -> None:
    found = rows(run("list", "--all")[1])
    assert [row[:2] for row in found] == [
        ["int8-digits", "0"],
        ["int8-digits-seed2", "2"],
        ["int8-digits-seed10", "10"],
        ["twomoon", "0"],
        ["circle", "3"],
        ["circle-seed4", "4"],
        ["mine[0]", "4"],
    ]
    assert found[1][2] == "accuracy 0.75, correct 3"


@pytest.mark.usefixtures("stored")
def test_json_has_every_number(run) -> None:
    networks = json.loads(run("list", "--json")[1])["networks"]
    first = networks[0]
    assert (first["name"], first["seeds"]) == ("int8-digits", [0, 2, 10])
    assert first["metrics"]["accuracy"] == {"mean": 0.75, "min": 0.5, "max": 1.0}
    assert {
        name: one["metrics"] for network in networks for name, one in network["stored"].items()
    } == {name: one.metrics for name, one in MANIFEST.items()}


def test_own_networks_fit_the_screen_and_are_all_there(run) -> None:
    """Every training that comes with ohmbench has a family; nothing is wider than 100 columns."""
    manifest = read_manifest()
    networks = json.loads(run("list", "--json")[1])["networks"]
    assert {name for n in networks for name in n["stored"]} == set(manifest)
    assert all(n["family"] != "Trained from a file" for n in networks)
    assert {n["name"] for n in networks} <= set(names.TRAININGS)
    for network in networks:
        metrics = [manifest[name].metrics for name in network["stored"]]
        for key, over in network["metrics"].items():
            values = [m[key] for m in metrics]
            assert over == {"mean": fmean(values), "min": min(values), "max": max(values)}
    for words, widest in (((), 80), (("--all",), 100)):
        assert max(map(len, run("list", *words)[1].splitlines())) <= widest
