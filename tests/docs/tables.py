"""Generated blocks: tables of the README and of the pages of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ohmbench.benchmarks.records import Goal, Level
from ohmbench.claims.outcomes import Outcome

from . import figures
from .inputs import Inputs
from .markers import MarkerError

HEADLINE = (
    "fann.v3-accuracy",
    "fann.v3-power-average",
    "fann.v3-max-power-bounds",
    "fann.int8-accuracy",
    "fann.int8-accuracy-rtl",
    "kirchhoff.mnist-top1",
    "models.ad01-exact",
    "ohmbench.digits-accuracy-mean",
    "ohmbench.int8-digits-accuracy-mean",
    "ohmbench.rtl-exact-paper",
    "ohmbench.rtl-latency",
    "ohmbench.twomoon-gap",
)
"""The claims of the README's table."""

PAPERS = {
    "fann": "FANN: the paper and its files",
    "kirchhoff": "KirchhoffNet: the paper and its files",
    "models": "Networks that others published, imported",
    "ohmbench": "Our own networks and hardware",
}


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""
    lines = [list(headers), ["---"] * len(headers), *map(list, rows)]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").strip() for cell in line) + " |"
        for line in lines
    )


def _here(inputs: Inputs, outcome: Outcome) -> str:
    value = figures.measured(inputs, outcome.claim.id)
    detail = outcome.measurement.detail if outcome.measurement else ""
    return f"{value} ({detail})" if detail else value


def _circumstances(inputs: Inputs) -> str:
    run = inputs.claims
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    return (
        f"Measured by `{run.command}` on {run.date}, commit `{run.commit[:10]}`, {run.processor}; "
        f"{versions}."
    )


def counts(inputs: Inputs) -> str:
    """How many claims there are, by status."""
    tally = Counter(inputs.outcome(name).status.value for name in inputs.ledger)
    parts = ", ".join(f"{number} {status}" for status, number in tally.most_common())
    return f"{len(inputs.ledger)} claims: {parts}."


def headline(inputs: Inputs) -> str:
    """The README's table of a dozen claims, and what became of all."""
    rows = []
    for name in HEADLINE:
        outcome = inputs.outcome(name)
        claim = outcome.claim
        rows.append(
            (
                claim.source,
                claim.statement,
                figures.expected(claim),
                figures.measured(inputs, name),
                outcome.status.value,
            )
        )
    headers = ("of", "claim", "published, or our target", "measured here", "status")
    return f"{table(headers, rows)}\n\n{counts(inputs)} {_circumstances(inputs)}"


def claims(inputs: Inputs) -> str:
    """Every claim of the ledger, by paper."""
    parts = [f"{counts(inputs)} {_circumstances(inputs)}"]
    for prefix, title in PAPERS.items():
        rows = []
        for name in inputs.ledger:
            if name.partition(".")[0] != prefix:
                continue
            outcome = inputs.outcome(name)
            claim = outcome.claim
            reason = outcome.reason or claim.why
            rows.append(
                (
                    f"`{name}`<br>{claim.statement}",
                    f"{figures.expected(claim)}<br>{claim.source}",
                    _here(inputs, outcome),
                    outcome.status.value,
                    reason,
                )
            )
        headers = ("claim", "published, or our target", "measured here", "status", "why")
        parts.append(f"## {title}\n\n{table(headers, rows)}")
    return "\n\n".join(parts)


def _goal(goal: Goal | None, level: Level) -> str:
    if goal is None:
        return ""
    parts = []
    for label, least, value in (
        ("", goal.ratio, level.ratio),
        ("memory ", goal.memory_ratio, level.memory_ratio),
    ):
        if least is not None and value is not None:
            verdict = "met" if value >= least else f"missed: {goal.missed}"
            parts.append(f"{label}at least {least:g}: {verdict}")
    return "; ".join(parts)


def speed(inputs: Inputs) -> str:
    """The baseline of the benchmarks, a table for each machine."""
    by_machine: dict[str, list[Sequence[str]]] = {}
    circumstances: dict[str, Level] = {}
    for name, entry in inputs.baseline.root.items():
        for machine, level in entry.machines.items():
            circumstances[machine] = level
            counted = ", ".join(
                f"{figures.number(number)} {label.replace('_', ' ')}"
                for label, number in entry.counts.items()
            )
            by_machine.setdefault(machine, []).append(
                (
                    f"`{name}`",
                    "" if level.ratio is None else f"{level.ratio:.1f}",
                    "" if level.ratio is None else f"{100 * level.floor:.1f} %",
                    "" if level.memory_ratio is None else f"{level.memory_ratio:.1f}",
                    counted,
                    _goal(inputs.goals.get(name), level),
                )
            )
    headers = ("benchmark", "times faster", "noise floor", "times less memory", "counts", "goal")
    parts = []
    for machine, rows in by_machine.items():
        level = circumstances[machine]
        versions = ", ".join(f"{name} {number}" for name, number in level.versions.items())
        cores = machine.rpartition(", host")[0]
        text = f"{cores}; commit `{level.commit[:10]}`; {versions}."
        parts.append(f"{table(headers, rows)}\n\n{text}")
    return "\n\n".join(parts)


def _synthesis_rows(figures_: dict[str, float]) -> Iterable[tuple[str, str]]:
    for key, value in figures_.items():
        yield figures.SYNTHESIS_LABELS[key], figures.SYNTHESIS[key].format(value)


def synthesis(inputs: Inputs) -> str:
    """Our accelerator beside the published one in the paper's flow."""
    key, golden = inputs.golden("vtr")
    designs = inputs.vtr.designs
    published, ours = designs.published, golden.figures
    clock_MHz = ours["fmax_MHz"]

    def rate(fmax_MHz: float, clocks: float) -> str:
        return f"{fmax_MHz / clocks:.3g} million"

    rows = [
        ("clock", _spread(published.fmax_MHz, 1, "MHz"), f"{clock_MHz:.1f} MHz", "vtr-fmax"),
        (
            "clocks from one image to the next",
            str(published.interval_clocks), f"{ours['interval_clocks']:.0f}", "rtl-interval",
        ),
        ("clocks from image to result", "", f"{ours['latency_clocks']:.0f}", "rtl-latency"),
        (
            "images per second", rate(published.fmax_MHz.median, published.interval_clocks),
            rate(clock_MHz, ours["interval_clocks"]), "vtr-throughput",
        ),
        (
            "power at that clock", _spread(published.power_mW, 0, "mW"),
            f"{ours['power_mW']:.0f} mW", "",
        ),
        (
            "static part of it", f"{100 * published.static_part:.0f} %",
            f"{100 * ours['static_part']:.0f} %", "",
        ),
        (
            "energy per image", f"{published.energy_uJ:.1f} uJ",
            f"{ours['energy_uJ']:.3f} uJ", "vtr-energy",
        ),
        (
            "energy per image, with the toggles of real digits", "not known",
            _spread(designs.ours_energy_simulated_uJ, 3, "uJ"), "",
        ),
        *(
            (label, str(getattr(published, name)), f"{ours[name]:.0f}", "")
            for label, name in (
                ("logic blocks", "logic_blocks"), ("multiplier blocks", "multiplier_blocks"),
                ("memory blocks", "memory_blocks"), ("side of the grid", "grid_side"),
            )
        ),
    ]  # fmt: skip
    cells = []
    for label, theirs, own, target in rows:
        claim = inputs.ledger.get(f"ohmbench.{target}")
        bound = f"{figures.expected(claim)} ({claim.expect})" if claim else ""
        cells.append((label, theirs, own, bound))
    headers = ("", "published accelerator", "ours", "our target")
    seeds = ", ".join(map(str, golden.seeds))
    return (
        f"{table(headers, cells)}\n\n"
        f"Ours: golden of `{key.split(' | ')[-1]}`, median of placement seeds {seeds}; "
        f"{'; '.join(key.split(' | ')[1:3])}. Published accelerator and simulated toggles: "
        f"`{designs.command}` and the published RTL in the same flow, {designs.date}, "
        f"commit `{designs.commit}`. {inputs.vtr.note}"
    )


def _spread(found: object, digits: int, unit: str) -> str:
    return f"{figures.spread(found, digits)} {unit}"  # type: ignore[arg-type]


def sweep(inputs: Inputs) -> str:
    """Lanes against clock, area and energy in the paper's flow."""
    found = inputs.vtr.sweep
    rows = [
        (
            str(p.lanes), f"{p.fmax_MHz:.1f}", str(p.interval_clocks),
            f"{p.fmax_MHz / p.interval_clocks:.2f}", f"{p.power_mW:.0f}",
            figures.spread(p.energy_uJ, 3),
            f"{p.logic_blocks}, {p.multiplier_blocks}, {p.memory_blocks}",
            f"{p.grid_side}x{p.grid_side}",
        )
        for p in found.points
    ]  # fmt: skip
    headers = (
        "lanes", "clock, MHz", "clocks per image", "million images/s", "power, mW",
        "energy per image, uJ", "logic, multiplier, memory blocks", "grid",
    )  # fmt: skip
    seeds = ", ".join(map(str, found.seeds))
    not_routed = " and ".join(map(str, found.not_routed))
    return (
        f"{table(headers, rows)}\n\n"
        f"{not_routed} lanes do not route. Medians of seeds {seeds} with least and most, "
        f"vectorless activity; {inputs.vtr.tools}; {found.date}, commit `{found.commit}`.\n\n"
        f"```text\n{found.command}\n```"
    )


def ecp5(inputs: Inputs) -> str:
    """The golden of the flow whose tools come from pip."""
    key, golden = inputs.golden("ecp5")
    rows = list(_synthesis_rows(golden.figures))
    seeds = ", ".join(map(str, golden.seeds))
    _, device, tools, design = key.split(" | ")
    text = table(("figure", design), rows)
    return f"{text}\n\n{device}; {tools}; median of placement seeds {seeds}."


def classifiers(inputs: Inputs) -> str:
    """Stored classifiers: seed 0, and the mean over seeds where there are several."""
    rows = []
    for name, entry in inputs.manifest.items():
        if "accuracy" not in entry.metrics or "-seed" in name:
            continue
        seeds = figures.seeds_of(inputs, name)
        several = figures.percent(figures.mean_accuracy(inputs, name)) if len(seeds) > 1 else ""
        watts = entry.metrics.get("mean_power_W")
        rows.append(
            (
                f"`{name}`",
                figures.figure(inputs, f"accuracy {name}"),
                several,
                str(len(seeds)),
                "" if watts is None else f"{1e3 * watts:.3f} mW",
                f"`{entry.command}`",
            )
        )
    headers = ("network", "accuracy, seed 0", "mean over seeds", "seeds", "power", "trained by")
    return table(headers, rows)


def densities(inputs: Inputs) -> str:
    """Stored circuits that model a density, beside the paper's where they are to be had."""
    rows = []
    for name, entry in inputs.manifest.items():
        if "gap" not in entry.metrics:
            continue
        nll, gap = f"ohmbench.{name}-nll", f"ohmbench.{name}-gap"
        loss = f"kirchhoff.{name}-loss"
        ours = figures.measured(inputs, nll) if nll in inputs.ledger else ""
        theirs = _here(inputs, inputs.outcome(loss)) if loss in inputs.ledger else ""
        detail = _here(inputs, inputs.outcome(gap)) if gap in inputs.ledger else ""
        rows.append(
            (
                f"`{name}`",
                ours,
                detail or figures.figure(inputs, f"gap {name}"),
                "" if theirs == "-" else theirs,
                f"`{entry.command}`",
            )
        )
    headers = ("network", "per fresh point", "gap to the true density", "the paper's circuit")
    return table((*headers, "trained by"), rows)


def others(inputs: Inputs) -> str:
    """Stored networks that regress, generate images or follow a potential."""
    rows = []
    for name, entry in inputs.manifest.items():
        if "accuracy" in entry.metrics or "gap" in entry.metrics:
            continue
        found = [
            f"{label} {write(entry.metrics[metric])}"
            for metric, (label, write) in figures.METRICS.items()
            if metric in entry.metrics
        ]
        judged = [
            f"{_here(inputs, inputs.outcome(claim))}"
            for claim in inputs.ledger
            if claim.startswith(f"ohmbench.{name}-") and inputs.outcome(claim).measurement
        ]
        rows.append((f"`{name}`", "; ".join(found), "; ".join(judged), f"`{entry.command}`"))
    return table(
        ("network", "when it was stored", "measured anew by the ledger", "trained by"), rows
    )


BLOCKS: dict[str, Callable[[Inputs], str]] = {
    "headline": headline,
    "claims": claims,
    "claim-counts": counts,
    "speed": speed,
    "synthesis": synthesis,
    "sweep": sweep,
    "ecp5": ecp5,
    "classifiers": classifiers,
    "densities": densities,
    "other-networks": others,
}


def block(inputs: Inputs, name: str) -> str:
    """The text of a ``generated`` marker. Raises MarkerError for an unknown name."""
    if name not in BLOCKS:
        raise MarkerError(f"generated: {name}: nothing of this name; there is {', '.join(BLOCKS)}")
    return BLOCKS[name](inputs)
