"""Single values for sentences: ``<!-- figure: SUBJECT NAME -->`` and ``<!-- claim: ID -->``.

| marker | value |
|---|---|
| ``claim: ID`` | what the stored run measured, with its unit |
| ``claim: ID published`` | what the ledger says was published, or our own bound |
| ``claim: ID detail`` | interval, counts and seeds of the measurement |
| ``figure: claims`` | how many claims the ledger has |
| ``figure: claims STATUS`` | how many of them ended with this status |
| ``figure: vtr KEY``, ``figure: ecp5 KEY`` | a figure of the synthesis golden of this flow |
| ``figure: published KEY`` | the paper's accelerator in the same flow |
| ``figure: vtr-simulated`` | energy per image with the toggles of real digits |
| ``figure: speed NAME``, ``figure: memory NAME`` | reference over ours, from the baseline |
| ``figure: clocks NAME`` | a clock count of the baseline |
| ``figure: accuracy NAME``, ``figure: mean-accuracy NAME`` | of stored weights; over their seeds |
| ``figure: power NAME``, ``figure: gap NAME``, ... | a metric of the manifest, with its unit |
| ``figure: mutants WHICH`` | rtl, elaboration, library or sample: total and what became of them |
| ``figure: faults``, ``figure: properties`` | written faults of the RTL; formal properties |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ohmbench.claims.ledger import Claim, ClaimStatus
from ohmbench.stats import Interval, mean_interval, proportion_interval

from . import mutants
from .inputs import Inputs, Spread
from .markers import MarkerError

SYNTHESIS = {
    "fmax_MHz": "{:.1f} MHz",
    "fmax_spread": "{:.3g} of the median",
    "latency_clocks": "{:.0f} clocks",
    "interval_clocks": "{:.0f} clocks",
    "luts": "{:.0f}",
    "flip_flops": "{:.0f}",
    "logic_blocks": "{:.0f}",
    "multiplier_blocks": "{:.0f}",
    "memory_blocks": "{:.0f}",
    "wire_length": "{:.0f}",
    "grid_side": "{0:.0f}x{0:.0f}",
    "power_mW": "{:.0f} mW",
    "static_part": "{:.2g} of it",
    "energy_uJ": "{:.3f} uJ",
}
SYNTHESIS_LABELS = {
    "fmax_MHz": "clock",
    "fmax_spread": "spread of the clock over seeds",
    "latency_clocks": "from image to result",
    "interval_clocks": "from one image to the next",
    "luts": "LUTs",
    "flip_flops": "flip-flops",
    "logic_blocks": "logic blocks",
    "multiplier_blocks": "multiplier blocks",
    "memory_blocks": "memory blocks",
    "wire_length": "wire length",
    "grid_side": "grid",
    "power_mW": "power",
    "static_part": "static part of the power",
    "energy_uJ": "energy per image",
}
# metric of the manifest: name of the figure, how it is written
METRICS = {
    "mean_power_W": ("power", lambda v: f"{1e3 * v:.3f} mW"),
    "gap": ("gap", lambda v: f"{v:.4f} nats"),
    "bits_per_pixel": ("bits", lambda v: f"{v:.2f} bits per pixel"),
    "mse": ("mse", lambda v: f"{v:.3g}"),
    "kl": ("kl", lambda v: f"{v:.4f} nats"),
    "ess": ("ess", lambda v: f"{100 * v:.2f} %"),
}


def number(value: float) -> str:
    """Four significant digits; counts in full, with spaces from five digits on."""
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1e4 else f"{value:.0f}"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e4 else f"{value:.3g}"


def percent(found: Interval) -> str:
    """A share with its 95 % interval."""
    return f"{100 * found.value:.2f} % [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def spread(found: Spread, digits: int) -> str:
    """A median with least and most."""
    return f"{found.median:.{digits}f} [{found.least:.{digits}f}, {found.most:.{digits}f}]"


def expected(row: Claim) -> str:
    """The published value, or our own bound, with its unit."""
    if row.at_most == 0 and row.at_least is None and " " in row.unit:
        return f"no {row.unit}"
    text = row.expected_text.replace(">=", "at least").replace("<=", "at most")
    if isinstance(row.published, int | float):
        text = number(row.published)
    return f"{text} {row.unit}".strip()


def measured(inputs: Inputs, claim_id: str) -> str:
    """A claim's value with its unit, or a dash where the stored run measured none."""
    outcome = inputs.outcome(claim_id)
    if outcome.measurement is None:
        return "-"
    return f"{number(outcome.measurement.value)} {outcome.claim.unit}".strip()


def seeds_of(inputs: Inputs, name: str) -> list[str]:
    """The names of the stored weights that share a network, seed 0 first."""
    return [n for n in inputs.manifest if n == name or n.partition("-seed")[0] == name]


def mean_accuracy(inputs: Inputs, name: str) -> Interval:
    """Over the seeds, in parts of 1, with Student's t interval, cut at 1."""
    found = mean_interval([inputs.manifest[n].metrics["accuracy"] for n in seeds_of(inputs, name)])
    return replace(found, high=min(found.high, 1.0))


def accuracy(inputs: Inputs, name: str) -> Interval:
    """Of one stored network, with Wilson's interval."""
    metrics = inputs.manifest[name].metrics
    return proportion_interval(int(metrics["correct"]), int(metrics["total"]))


def claim(inputs: Inputs, name: str) -> str:
    """The text of a ``claim`` marker. Raises MarkerError for one that has none."""
    claim_id, _, which = name.partition(" ")
    if claim_id not in inputs.ledger:
        raise MarkerError(f"the ledger has no claim {claim_id}")
    row, outcome = inputs.ledger[claim_id], inputs.outcome(claim_id)
    if which == "published":
        return expected(row)
    if outcome.measurement is None:
        raise MarkerError(f"{claim_id}: the stored run measured nothing ({outcome.reason})")
    if which == "detail" and outcome.measurement.detail:
        return outcome.measurement.detail
    if which:
        raise MarkerError(f"claim: {name}: no {which!r}; use 'published', 'detail' or nothing")
    return measured(inputs, claim_id)


def figure(inputs: Inputs, name: str) -> str:
    """The text of a ``figure`` marker. Raises MarkerError for an unknown name."""
    subject, *words = name.split(" ")
    try:
        return _SUBJECTS[subject](inputs, words)
    except (KeyError, AttributeError, ValueError) as error:
        raise MarkerError(f"figure: {name}: nothing of this name ({error!r})") from None


def _claims(inputs: Inputs, words: Sequence[str]) -> str:
    if not words:
        return str(len(inputs.ledger))
    status = ClaimStatus(" ".join(words))
    return str(sum(inputs.outcome(name).status is status for name in inputs.ledger))


def _golden(flow: str) -> Callable[[Inputs, Sequence[str]], str]:
    def text(inputs: Inputs, words: Sequence[str]) -> str:
        (key,) = words
        return SYNTHESIS[key].format(inputs.golden(flow)[1].figures[key])

    return text


def _published(inputs: Inputs, words: Sequence[str]) -> str:
    (key,) = words
    value = getattr(inputs.vtr.designs.published, key)
    return SYNTHESIS[key].format(value.median if isinstance(value, Spread) else value)


def _level(field: str) -> Callable[[Inputs, Sequence[str]], str]:
    def text(inputs: Inputs, words: Sequence[str]) -> str:
        (name,) = words
        found = [getattr(level, field) for level in inputs.baseline.root[name].machines.values()]
        return f"{min(found):.0f}"

    return text


def _clocks(inputs: Inputs, words: Sequence[str]) -> str:
    (name,) = words
    return str(inputs.baseline.root["accelerator-clocks"].counts[f"{name}_clocks"])


def _accuracy(inputs: Inputs, words: Sequence[str]) -> str:
    (name,) = words
    metrics = inputs.manifest[name].metrics
    counts = f"{number(metrics['correct'])} of {number(metrics['total'])}"
    return f"{counts}, {percent(accuracy(inputs, name))}"


def _mean_accuracy(inputs: Inputs, words: Sequence[str]) -> str:
    (name,) = words
    return percent(mean_accuracy(inputs, name))


def _metric(metric: str) -> Callable[[Inputs, Sequence[str]], str]:
    def text(inputs: Inputs, words: Sequence[str]) -> str:
        (name,) = words
        return METRICS[metric][1](inputs.manifest[name].metrics[metric])

    return text


_SUBJECTS: dict[str, Callable[[Inputs, Sequence[str]], str]] = {
    "claims": _claims,
    "vtr": _golden("vtr"),
    "ecp5": _golden("ecp5"),
    "published": _published,
    "vtr-simulated": lambda inputs, _: f"{inputs.vtr.designs.ours_energy_simulated_uJ.median} uJ",
    "speed": _level("ratio"),
    "memory": _level("memory_ratio"),
    "clocks": _clocks,
    "accuracy": _accuracy,
    "mean-accuracy": _mean_accuracy,
    "mutants": lambda _, words: mutants.line(*words),
    "faults": lambda _, words: str(mutants.faults()),
    "properties": lambda _, words: str(mutants.properties()),
    **{label: _metric(metric) for metric, (label, _) in METRICS.items()},
}
