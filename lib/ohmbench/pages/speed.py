"""The page on speed: ratios of the baseline, and what they were over the commits of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ohmbench.benchmarks.records import Baseline, Run
from ohmbench.claims.html.history import short_commit
from ohmbench.claims.html.pages import Bar, Page, PageTable, Part, svg_of
from ohmbench.report.benchmark_figures import histories_of, history_figure
from ohmbench.report.benchmark_tables import measurements_cells

KEY, TITLE = "speed", "Speed"
_NOTE = (
    "Each benchmark runs a fast path and its reference in turns on the same inputs. The ratio says "
    "how many times longer the reference takes."
)
_NOTHING = (
    "There is no baseline and no run of the benchmarks here: name one with --bench "
    "(the checkout has tests/bench/baseline.json, and 'tox -e bench' writes a run)."
)


def speed_page(baselines: Sequence[Baseline], runs: Sequence[Run]) -> Page:
    """Ratios of ``baselines`` and ``runs``; the latest run's figures in full."""
    runs = sorted(runs, key=lambda run: (run.when, run.measured))
    parts = [_baseline(baseline) for baseline in baselines]
    parts += [_latest(runs[-1]), _over_commits(runs)] if runs else [_no_runs()] if parts else []
    return Page(KEY, TITLE, _NOTE if parts else _NOTHING, parts)


def _no_runs() -> Part:
    return Part(
        "Over commits", "No run was named: --bench FILE shows the ratios of runs over commits."
    )


def _bars(ratios: Sequence[tuple[str, float]]) -> list[Bar]:
    """Logarithmic bars from a ratio of 1, the longest of them full."""
    most = max((ratio for _, ratio in ratios), default=1.0)
    scale = math.log(max(most, 2.0))
    return [
        Bar(
            name,
            round(100 * max(math.log(max(ratio, 1.0)) / scale, 0.005), 2),
            f"{ratio:.4g} times",
        )
        for name, ratio in ratios
    ]


def _baseline(baseline: Baseline) -> Part:
    ratios, rows = [], []
    for name, entry in baseline.root.items():
        counts = ", ".join(f"{number} {what}" for what, number in entry.counts.items())
        for machine, level in entry.machines.items():
            if level.ratio is not None:
                several = f" ({machine})" if len(entry.machines) > 1 else ""
                ratios.append((name + several, level.ratio))
            rows.append(
                (
                    name,
                    "" if level.ratio is None else f"{level.ratio:.1f}",
                    f"{100 * level.floor:.1f} %",
                    "" if level.memory_ratio is None else f"{level.memory_ratio:.1f}",
                    counts,
                    machine,
                    short_commit(level.commit),
                )
            )
    columns = ("benchmark", "ratio", "noise", "memory ratio", "counts", "machine", "commit")
    table = PageTable("Baseline in figures", columns, rows, numeric=(1, 2, 3))
    note = "The bars are logarithmic: each doubling has the same length."
    return Part("Baseline", note, bars=_bars(ratios), tables=[table])


def _latest(run: Run) -> Part:
    headers, rows = measurements_cells(run.measurements)
    at = run.circumstances
    facts = [
        ("Commit", f"{run.commit}{'+' if run.dirty else ''}"),
        ("Measured", f"{run.measured:%Y-%m-%d %H:%M %Z}"),
        ("Machine", f"{at.machine.key}, {at.threads} threads"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in at.versions.items())),
    ]
    ratios = [(name, m.speed.ratio.value) for name, m in run.measurements.items() if m.speed]
    table = PageTable("Latest run in figures", headers, rows, numeric=(1, 2, 3, 4, 5, 6, 7))
    return Part("Latest run", facts=facts, bars=_bars(ratios), tables=[table])


def _over_commits(runs: Sequence[Run]) -> Part:
    commits = [f"{run.commit[:10]}{'+' if run.dirty else ''}" for run in runs]
    drawings = [
        svg_of(
            history_figure(commits, [history]),
            f"speed-{number}",
            f"Ratio of {history.name} over commits",
        )
        for number, history in enumerate(histories_of(runs))
    ]
    note = f"{len(runs)} runs in the order of their commits." if drawings else (
        "No run has a ratio."
    )  # fmt: skip
    return Part("Over commits", note, drawings=drawings)
