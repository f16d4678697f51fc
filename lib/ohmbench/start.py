"""Where the ``ohmbench`` command begins: an interrupt counts from here on.

Its subcommands import torch and matplotlib, which takes seconds; Ctrl-C in that time ends it in one
line too.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Console entry point; ``ohmbench.cli.main`` has the exit statuses."""
    try:
        from ohmbench.cli import main as command
    except KeyboardInterrupt:
        sys.stderr.write("ohmbench: interrupted\n")
        raise SystemExit(130) from None
    command()
