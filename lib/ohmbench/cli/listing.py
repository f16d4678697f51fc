"""``ohmbench list``."""

from __future__ import annotations

from rich.table import Table

from ohmbench.cli.common import console_out
from ohmbench.weights import read_manifest


def list_weights() -> None:
    """List the stored weights, with what their manifest says of them."""
    table = Table("name", "metrics", "trained by")
    for name, entry in read_manifest().items():
        metrics = ", ".join(f"{k} {v:.5g}" for k, v in entry.metrics.items())
        table.add_row(name, metrics, entry.command)
    console_out().print(table)
