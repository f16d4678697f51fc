"""Fenced blocks of a Markdown page, and the comments above them that say how they run.

| comment on the lines above a block | meaning |
|---|---|
| ``<!-- not run: REASON -->`` | it is not executed |
| ``<!-- needs: NAME, NAME -->`` | only where these are met (``ohmbench.needs``) |
| ``<!-- numbers within 10 % -->`` | numbers in its output may differ by so much |
| ``<!-- exit status 1 -->`` | what its last command ends with (default 0) |

A block of another language whose first line has ``title="NAME"`` is a file of this name.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

RUN = ("python", "console", "sh")
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)\n"
    r"(?P<text>.*?)^(?P=indent)(?P=fence) *$",
    re.M | re.S,
)
_COMMENT = re.compile(r"^\s*<!-- (.*?) -->\s*$")
_TITLE = re.compile(r'title="([^"]+)"')
_KINDS = {
    "reason": re.compile(r"not run: (.+)"),
    "needs": re.compile(r"needs: (.+)"),
    "percent": re.compile(r"numbers within (\d+(?:\.\d+)?) %"),
    "status": re.compile(r"exit status (\d+)"),
}
_OTHERS = re.compile(r"(generated|claim|figure): .*|end|markdownlint.*")


class FenceError(ValueError):
    """A comment above a block that means nothing, or one that contradicts its block."""


@dataclass(frozen=True)
class Block:
    """One fenced block: the line it begins on, its language, its text, and how it runs."""

    line: int
    language: str
    text: str
    title: str | None = None
    reason: str | None = None
    needs: tuple[str, ...] = ()
    tolerance: float = 0.0
    status: int = 0

    @property
    def runs(self) -> bool:
        """Whether it is code that is executed."""
        return self.language in RUN and self.reason is None


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page in order.

    Raises FenceError for a fence without its end and for a comment that is not known.
    """
    found = [_block(text, match) for match in _FENCE.finditer(text)]
    rest = _FENCE.sub("", text)
    if re.search(r"^ *(```|~~~)", rest, re.M):
        raise FenceError("a fence without its end")
    return found


def _block(text: str, match: re.Match[str]) -> Block:
    line = text.count("\n", 0, match.start()) + 1
    info = match["info"].strip()
    language = re.split(r"[\s{]", info, maxsplit=1)[0]
    said: dict[str, str] = {}
    for above in reversed(text[: match.start()].splitlines()):
        comment = _COMMENT.match(above)
        if comment is None:
            break
        kind = next((k for k, form in _KINDS.items() if form.fullmatch(comment[1])), None)
        if kind is not None:
            said[kind] = _KINDS[kind].fullmatch(comment[1])[1]  # type: ignore[index]
        elif not _OTHERS.fullmatch(comment[1]):
            raise FenceError(f"line {line}: <!-- {comment[1]} --> means nothing above a block")
    if said and language not in RUN:
        raise FenceError(f"line {line}: a {language or 'plain'} block is not run anyway")
    title = _TITLE.search(info)
    return Block(
        line,
        language,
        textwrap.dedent(match["text"]),
        title[1] if title else None,
        said.get("reason"),
        tuple(re.split(r",\s*", said["needs"])) if "needs" in said else (),
        float(said.get("percent", 0)) / 100,
        int(said.get("status", 0)),
    )


@dataclass(frozen=True)
class Command:
    """A line after ``$``, with the lines that continue it, and what the page says it prints."""

    text: str
    printed: tuple[str, ...]


def commands(block: Block) -> list[Command]:
    """The commands of a ``console`` or ``sh`` block. Without a ``$`` every line is a command."""
    lines = block.text.rstrip("\n").split("\n")
    if not any(line.startswith("$ ") for line in lines):
        if block.language == "console":
            raise FenceError(f"line {block.line}: a console block without '$ '")
        return [Command(line, ()) for line in lines if line.strip() and not line.startswith("#")]
    found: list[tuple[str, list[str]]] = []
    continued = False
    for line in lines:
        if continued:
            said, printed = found[-1]
            found[-1] = (f"{said[:-1].rstrip()} {line.removeprefix('> ').strip()}", printed)
            continued = line.endswith("\\")
        elif line.startswith("$ "):
            found.append((line[2:], []))
            continued = line.endswith("\\")
        elif not found:
            raise FenceError(f"line {block.line}: output before the first command")
        else:
            found[-1][1].append(line)
    return [Command(text, tuple(_stripped(printed))) for text, printed in found]


def _stripped(lines: list[str]) -> list[str]:
    """Without blank lines at the end, which part a command from the next."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines
