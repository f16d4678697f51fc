"""Where the ``ohmbench`` command begins: what surrounds it is put in order before anything loads.

``docs/environment.md`` says what of the environment reaches the command and what becomes of it.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings

from ohmbench import streams

PINNED = {"MPLBACKEND": "agg"}
"""Variables whose values do not count here. Figures go to files: the backend that a notebook or a
desktop names is not needed, and where it is missing matplotlib cannot even be imported."""

IGNORED = (
    # Threads of numba, which nothing here uses; a wrong value is an error when it is imported.
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
    "NUMBA_THREADING_LAYER_PRIORITY",
    # Settings of matplotlib, which figures do not take.
    "MATPLOTLIBRC",
)
"""Variables that are as if unset."""


def order_environment() -> None:
    """Pin, ignore or soften what reaches this process and is no setting of ours.

    Warnings of Python speak to programmers: asked to be errors (``PYTHONWARNINGS``, ``-W``), they
    are shown instead. matplotlib says nothing about settings that do not count.
    """
    os.environ.update(PINNED)
    for name in IGNORED:
        os.environ.pop(name, None)
    if sys.warnoptions:
        softened = [
            ("default", *rest) if action == "error" else (action, *rest)
            for action, *rest in warnings.filters
        ]
        warnings.filters[:] = softened  # type: ignore[index]
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def main() -> None:
    """Console entry point; ``ohmbench.cli.main`` has the exit statuses."""
    streams.open_missing()
    streams.write_any_character()
    order_environment()
    try:
        from ohmbench.cli import main as command
    except KeyboardInterrupt:
        sys.stderr.write("ohmbench: interrupted\n")
        raise SystemExit(130) from None
    command()
