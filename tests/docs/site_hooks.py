"""mkdocs hooks: pages that are files outside docs/, and links that leave the site.

A link in a page is the path of a file in the repository, relative to the file that it stands in, so
that it also works where the Markdown itself is read. Here it becomes the page of the site that
shows this file, or else the address of the file in the repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# page of the site: file of the repository that it shows
INCLUDED = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "hardware/index.md": "hdl/README.md",
    "hardware/formal.md": "tests/rtl/formal/README.md",
}
SHOWN = {source: page for page, source in INCLUDED.items()}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
FENCED = re.compile(r"^(?:```.*?^```$)|^~~~.*?^~~~$", re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of INCLUDED."""
    for page, source in INCLUDED.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page's text with the links of the site."""
    return relinked(markdown, page.file.src_uri, str(config.extra["repository"]))


def source_of(page: str) -> str:
    """The file of the repository behind a page of the site."""
    return INCLUDED.get(page, f"docs/{page}")


def relinked(markdown: str, page: str, repository: str) -> str:
    """The text of a page whose links go to pages of the site, or to the repository's address."""
    folder = posixpath.dirname(source_of(page))

    def link(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found[1]))
        anchor = found[2] or ""
        if path in SHOWN or path.startswith("docs/"):
            target = SHOWN.get(path, path.removeprefix("docs/"))
            return posixpath.relpath(target, posixpath.dirname(page) or ".") + anchor
        if not (ROOT / path).exists():
            return found[0]  # mkdocs reports it
        return f"{repository}/{path}{anchor}"

    parts, end = [], 0
    for block in FENCED.finditer(markdown):
        parts += [LINK.sub(link, markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, LINK.sub(link, markdown[end:])])
