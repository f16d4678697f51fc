"""The Markdown that people read: the README and every page of the site."""

from __future__ import annotations

from pathlib import Path

from .site_hooks import INCLUDED

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"


def pages() -> list[Path]:
    """All Markdown of docs/, and the files outside that are pages of the site."""
    return sorted([*DOCS.rglob("*.md"), *(ROOT / source for source in set(INCLUDED.values()))])


def name(page: Path) -> str:
    """A page as messages and test ids name it."""
    return page.relative_to(ROOT).as_posix()
