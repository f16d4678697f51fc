"""Links of a built site: where each leads, and whether it is there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {
    ("img", "src"),
    ("script", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
}
_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}")


@dataclass
class Html(HTMLParser):
    """The anchors of a file, and its links: tag, attribute, address."""

    anchors: set[str] = field(default_factory=set)
    links: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            if name in ("href", "src"):
                self.links.append((tag, name, value))


@cache
def parsed(file: Path) -> Html:
    """A file of the site."""
    html = Html()
    html.feed(file.read_text(encoding="utf-8"))
    return html


def faults(site: Path) -> list[str]:
    """One line for each link of the site that is wrong."""
    found = []
    for file in sorted(site.rglob("*.html")):
        for tag, attribute, address in parsed(file).links:
            wrong = _fault(site, file, tag, attribute, address)
            if wrong is not None:
                found.append(f"{file.relative_to(site)}: {address}: {wrong}")
    return found


def loaded_by_styles(site: Path) -> list[str]:
    """One line for each address of another host that a style sheet loads."""
    return [
        f"{file.relative_to(site)}: {address}"
        for file in sorted(site.rglob("*.css"))
        for address in _STYLE.findall(file.read_text(encoding="utf-8"))
    ]


def _fault(site: Path, file: Path, tag: str, attribute: str, address: str) -> str | None:
    url = urlsplit(address)
    if url.scheme or url.netloc:
        if (tag, attribute) in _LOADED and url.scheme != "data":
            return "loaded from another host"
        return None if url.scheme == "data" else external_fault(address)
    if url.path.startswith("/"):
        # The page for addresses that do not exist is shown at any depth, so it names the root.
        target = site / unquote(url.path).lstrip("/") if file.name == "404.html" else None
        if target is None:
            return "begins at the root of the host; the site may lie below it"
    else:
        target = file if not url.path else file.parent / unquote(url.path)
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "there is no such file"
    if url.fragment and target.suffix == ".html":
        anchors = parsed(target.resolve() if target.is_symlink() else target).anchors
        if unquote(url.fragment) not in anchors and not url.fragment.startswith("__"):
            return "there is no such anchor"
    return None


def external_fault(address: str) -> str | None:
    """What is wrong with the form of an address of another host; nothing is asked of the host."""
    url = urlsplit(address)
    if url.scheme != "https":
        return "not https"
    if url.netloc != url.hostname or not _HOST.fullmatch(url.netloc):
        return "not the plain name of a host"
    return "white space" if re.search(r"\s", address) else None
