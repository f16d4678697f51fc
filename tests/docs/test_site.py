"""The site builds without a warning, and its links lead somewhere."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest

from . import links
from .pages import ROOT
from .site_build import build
from .site_hooks import INCLUDED, relinked

pytestmark = pytest.mark.xdist_group("site")  # one worker builds it

PUBLIC = ("api", "floatgate", "digital", "kirchhoff", "data")
"""Packages whose ``__all__`` has an API page; the first is the page of the section."""
REPOSITORY = "https://example.org/main"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_links(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 20
    found = links.faults(site)
    assert not found, "\n".join(found)


def test_nothing_comes_from_other_hosts(site: Path, tmp_path: Path) -> None:
    """By a style sheet; what pages load is among their links."""
    assert links.loaded_by_styles(site) == []
    (tmp_path / "a.css").write_text('@import "https://example.org/a.css"; b { src: url(a.woff) }')
    assert links.loaded_by_styles(tmp_path) == ["a.css: https://example.org/a.css"]


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_on_their_page(site: Path, package: str) -> None:
    page = site / "api" / ("index.html" if package == PUBLIC[0] else f"{package}.html")
    module = importlib.import_module(f"ohmbench.{package}")
    # A function with the name of its module is on the page by its full name.
    shown = {a.rpartition(".")[2] for a in links.parsed(page).anchors if a.startswith("ohmbench.")}
    assert set(module.__all__) <= shown


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("[a page](nowhere.md)", "nowhere.md"),
        ("[an anchor](environment.md#nowhere)", "#nowhere"),
        ("![a figure](nowhere.png)", "nowhere.png"),
        ("[a root](/environment.md)", "/environment.md"),
    ],
    ids=["page", "anchor", "figure", "root"],
)
def test_a_broken_link_ends_the_build(tmp_path: Path, fault: str, word: str) -> None:
    """A small site with the settings of ours, and one fault."""
    _small(tmp_path, fault)
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert word in done.stderr


def test_without_a_fault_the_small_site_builds(tmp_path: Path) -> None:
    _small(tmp_path, "[the source](../lib/ohmbench/start.py), [a part](environment.md#a-part)")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert links.faults(tmp_path / "site") == []
    address = "https://github.com/ohmbench/ohmbench/blob/main/lib/ohmbench/start.py"
    assert address in (tmp_path / "site" / "page.html").read_text(encoding="utf-8")


def _small(folder: Path, text: str) -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    head, _, _ = settings.partition("\nplugins:")
    (folder / "mkdocs.yml").write_text(
        head + "\nplugins: []\nnav: [environment.md, page.md, index.md, changelog.md, "
        "contributing.md, hardware/index.md, hardware/formal.md]\n"
        "markdown_extensions: [tables]\n"
    )
    (folder / "tests" / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "docs" / "site_hooks.py", folder / "tests" / "docs")
    for source in INCLUDED.values():
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        (folder / source).write_text("# A page\n")
    start = folder / "lib" / "ohmbench" / "start.py"
    start.parent.mkdir(parents=True)
    start.touch()
    shutil.copytree(ROOT / "docs" / "assets", folder / "docs" / "assets")
    (folder / "docs" / "environment.md").write_text("# The environment\n\n## A part\n")
    (folder / "docs" / "page.md").write_text(f"# A page\n\n{text}\n")


@pytest.mark.parametrize(
    ("html", "word"),
    [
        ('<a href="other.html">', "no such file"),
        ('<a href="#nowhere">', "no such anchor"),
        ('<a href="page.html#nowhere">', "no such anchor"),
        ('<a href="/page.html">', "begins at the root"),
        ('<a href="http://example.org">', "not https"),
        ('<a href="https://user@example.org">', "plain name"),
        ('<a href="https://localhost/x">', "plain name"),
        ('<script src="https://example.org/x.js">', "another host"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "another host"),
        ('<img src="nowhere.png">', "no such file"),
    ],
)
def test_a_wrong_link_is_found(tmp_path: Path, html: str, word: str) -> None:
    (tmp_path / "page.html").write_text(f'<h1 id="top">x</h1>{html}', encoding="utf-8")
    (found,) = links.faults(tmp_path)
    assert word in found


@pytest.mark.parametrize(
    "html",
    [
        '<a href="#top">',
        '<a href="page.html#top">',
        '<a href=".">',
        '<a href="https://example.org/a#b">',
        '<img src="data:image/png;base64,AAAA">',
    ],
)
def test_a_right_link_is_not_found(tmp_path: Path, html: str) -> None:
    (tmp_path / "page.html").write_text(f'<h1 id="top">x</h1>{html}', encoding="utf-8")
    (tmp_path / "index.html").write_text("", encoding="utf-8")
    assert links.faults(tmp_path) == []


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("index.md", "docs/cards.md", "cards.md"),
        ("index.md", "docs/results/claims.md#our", "results/claims.md#our"),
        ("index.md", "hdl/README.md", "hardware/index.md"),
        ("index.md", "LICENSE", f"{REPOSITORY}/LICENSE"),
        ("results/claims.md", "evidence.md", "evidence.md"),
        ("results/claims.md", "../../CONTRIBUTING.md", "../contributing.md"),
        (
            "results/claims.md",
            "../../tests/repro/claims.yaml",
            f"{REPOSITORY}/tests/repro/claims.yaml",
        ),
        ("hardware/index.md", "host_port.v", f"{REPOSITORY}/hdl/host_port.v"),
        ("cards.md", "https://example.org", "https://example.org"),
        ("cards.md", "#a-part", "#a-part"),
        ("cards.md", "nowhere.md", "nowhere.md"),
    ],
)
def test_links_of_the_repository_are_links_of_the_site(page: str, link: str, expected: str) -> None:
    assert relinked(f"[a]({link})", page, REPOSITORY) == f"[a]({expected})"
    assert relinked(f"```\n[a]({link})\n```", page, REPOSITORY) == f"```\n[a]({link})\n```"
