"""The pages with this project's own files, where they are not named otherwise.

Baseline, runs of benchmarks and goldens are files of the checkout; no installed package has them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import ohmbench
from ohmbench.benchmarks.records import Baseline, Run, read_stored
from ohmbench.claims.html.pages import Page
from ohmbench.pages.networks import Choice, networks_page
from ohmbench.pages.speed import speed_page
from ohmbench.pages.synthesis import synthesis_page

_BASELINE = "tests/bench/baseline.json"
_RUNS = ".benchmarks"
_GOLDENS = "tests/synth/goldens.json"


def _checkout() -> Path:
    return Path(ohmbench.__file__).parents[2]


def speed(files: Sequence[str] | None = None) -> Page:
    """The page on speed, of runs and baselines in ``files``.

    None stands for the checkout's baseline and the runs that pytest-benchmark keeps in it. Raises
    FileError for a file that is neither.
    """
    if files is None:
        baseline, kept = _checkout() / _BASELINE, _checkout() / _RUNS
        files = [os.fspath(baseline)] if baseline.is_file() else []
        files += sorted(os.fspath(file) for file in kept.rglob("*.json"))
    stored = [read_stored(file) for file in files]
    return speed_page(
        [one for one in stored if isinstance(one, Baseline)],
        [one for one in stored if isinstance(one, Run)],
    )


def synthesis(file: str | None = None) -> Page:
    """The page on synthesis, of the goldens in ``file``; None: the checkout's. Raises FileError."""
    if file is not None:
        return synthesis_page(file)
    goldens = _checkout() / _GOLDENS
    return synthesis_page(goldens if goldens.is_file() else None)


def networks(choice: Choice = "some") -> Page:
    """The page on networks."""
    return networks_page(choice)
