"""The code in the pages runs, and prints what the pages say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .fences import blocks
from .pages import name, pages
from .running import Commands, run_page


@pytest.fixture(scope="module")
def runner() -> Iterator[Commands]:
    with Commands() as commands:
        yield commands


WITH_CODE = [
    p
    for p in pages()
    if any(b.language in ("python", "console", "sh") for b in blocks(p.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_page(page: Path, tmp_path: Path, runner: Commands, report: Callable[[str], None]) -> None:
    ran = run_page(page.read_text(encoding="utf-8"), tmp_path, runner, name(page))
    for line in ran.not_run:
        report(f"not run: {line}")
    assert not ran.faults, "\n".join(ran.faults)
