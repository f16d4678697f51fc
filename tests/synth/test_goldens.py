"""The gates' judge complains of figures that are wrong, missing, without a band or unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from .goldens import CASES, Band, Golden, judge, read_bands, read_goldens

BANDS = {
    "fmax_MHz": Band(low=0.9, high=1.1, why="some percent"),
    "multipliers": Band(low=1, high=1, why="follows from the lanes"),
    "spread": Band(at_most=0.03, why="seeds of one netlist"),
}
GOLDEN = {"fmax_MHz": 100.0, "multipliers": 16, "spread": 0.02}


def test_the_same_is_no_complaint() -> None:
    assert judge(GOLDEN, dict(GOLDEN), BANDS) == []
    assert judge(GOLDEN, GOLDEN | {"fmax_MHz": 109.0, "spread": 0.0}, BANDS) == []


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("fmax_MHz", 89.9),
        ("fmax_MHz", 110.1),  # an improvement needs a new golden, not a silent pass
        ("fmax_MHz", float("nan")),
        ("multipliers", 17),
        ("multipliers", 15),
        ("multipliers", 0),
        ("spread", 0.031),
    ],
)
def test_what_is_off_is_named(figure: str, value: float) -> None:
    (complaint,) = judge(GOLDEN, GOLDEN | {figure: value}, BANDS)
    assert complaint.startswith(f"{figure} is ")
    assert BANDS[figure].why in complaint


def test_what_is_missing_is_named() -> None:
    without = {k: v for k, v in GOLDEN.items() if k != "spread"}
    assert judge(GOLDEN, without, BANDS) == ["spread: is golden, but was not measured"]
    assert "spread: has no golden" in judge(without, GOLDEN, BANDS)[0]
    assert judge(without, without, BANDS) == ["spread: is neither measured nor golden"]
    more = GOLDEN | {"new": 1.0}
    assert "new: has no tolerance" in judge(more, more, BANDS)[0]


def test_a_golden_of_nothing_is_held() -> None:
    bands = {"memories": Band(low=1, high=1, why="follows from shapes")}
    assert judge({"memories": 0}, {"memories": 0}, bands) == []
    assert judge({"memories": 0}, {"memories": 1}, bands)


@pytest.mark.parametrize(
    "band",
    [
        {"why": "without any bound"},
        {"low": 0.9, "why": "one-sided ratio"},
        {"high": 1.1, "why": "one-sided ratio"},
        {"low": 1.1, "high": 1.2, "why": "golden outside"},
        {"low": 0.9, "high": 1.1, "why": ""},
    ],
)
def test_a_band_that_is_none_is_refused(band: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"Band"):
        Band.model_validate(band)


def test_stored_files_are_what_they_should_be() -> None:
    bands = read_bands()
    assert set(bands) == set(CASES)
    for key, golden in read_goldens().items():
        flow = key.partition(" | ")[0]
        assert isinstance(golden, Golden)
        assert set(golden.figures) == set(bands[flow])


def test_a_golden_is_only_changed_on_demand(pytestconfig: pytest.Config) -> None:
    """Only the option, and no environment variable, can change the file."""
    text = (Path(__file__).parent / "goldens.py").read_text(encoding="utf-8")
    assert text.count("write_json(") == 1
    assert text.count("store(report)") == 1
    assert pytestconfig.getoption("--update-golden") in (True, False)
