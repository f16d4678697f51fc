"""``python -m tests.docs.generate``: write every generated table and figure of README and docs.

With ``--check`` nothing is written: exit status 1, and a line for each page that is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ohmbench.files import write_bytes

from . import figures, tables
from .inputs import Inputs, inputs
from .markers import MarkerError, fill
from .pages import name, pages


def generated(text: str, known: Inputs) -> str:
    """A page's text with all its generated parts as the inputs have them."""
    kinds = {"generated": tables.block, "claim": figures.claim, "figure": figures.figure}
    return fill(text, lambda kind, which: kinds[kind](known, which))


def stale(found: Sequence[Path], known: Inputs) -> dict[Path, str]:
    """The new text of each page that is not as the inputs have it.

    Raises MarkerError naming the page for a marker that means nothing.
    """
    changed = {}
    for page in found:
        text = page.read_text(encoding="utf-8")
        try:
            new = generated(text, known)
        except MarkerError as error:
            raise MarkerError(f"{name(page)}: {error}") from None
        if new != text:
            changed[page] = new
    return changed


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale")
    options = parser.parse_args(arguments)
    try:
        changed = stale(pages(), inputs())
    except MarkerError as error:
        print(error, file=sys.stderr)
        return 2
    for page, text in changed.items():
        if options.check:
            print(f"{name(page)} is stale: python -m tests.docs.generate")
        else:
            write_bytes(page, text.encode(), overwrite=True)
            print(f"wrote {name(page)}")
    return int(options.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
