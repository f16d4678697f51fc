"""Judging a KirchhoffNet or its baseline by the measures of its experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ohmbench.constants import JUDGE_TOL, Kind
from ohmbench.data.energies import ENERGIES, PUBLISHED, WALL
from ohmbench.errors import OperandError
from ohmbench.family import Judgement, JudgeOptions, Table, accuracy_line
from ohmbench.kirchhoff import evaluation
from ohmbench.kirchhoff.baselines import FeedForward
from ohmbench.kirchhoff.evaluation import DensityFit, Matching
from ohmbench.kirchhoff.models import parameter_count
from ohmbench.kirchhoff.network import KirchhoffNet
from ohmbench.kirchhoff.samples import FRESH_SEED
from ohmbench.kirchhoff.simulation import ADAPTIVE, Solver
from ohmbench.kirchhoff.store import StoredKirchhoff
from ohmbench.progress import counted
from ohmbench.stats import Interval

POINTS = 20_000
MATCHING_SAMPLES = 10_000
IMAGES_CHUNK = 500


_TAKEN: dict[Kind, tuple[str, ...]] = {
    "generation": ("--samples", "--seed", "--tol"),
    "matching": ("--samples", "--seed", "--tol"),
    "regression": ("--seed", "--tol"),
    "classification": ("--images", "--tol"),
}


class Runs:
    """A network's map from samples to outputs that counts evaluations of its circuits."""

    def __init__(self, model: KirchhoffNet | FeedForward, tol: float | None = None) -> None:
        self._model = model
        self.nfe = 0
        self.batches = 0
        self.solver: Solver | None = None
        if isinstance(model, KirchhoffNet):
            self.solver = model.solver if tol is None else model.solver.tightened(tol)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (batch, outputs) of the samples ``x`` (batch, inputs)."""
        self.batches += 1
        if isinstance(self._model, FeedForward):
            outputs: torch.Tensor = self._model(x)
            return outputs
        found = self._model.run(x, solver=self.solver)
        self.nfe += sum(found.nfe)
        return self._model.read_out(found.v)


def judge(data: StoredKirchhoff, options: JudgeOptions) -> Judgement:
    """Judge the network on data it has not seen, with a progress bar.

    Raises OperandError for an option that does not apply to its experiment, FileError if the data
    set is missing, SolverError if the solver cannot continue.
    """
    kind = data.config.kind
    for option in options.given():
        if option not in _TAKEN[kind]:
            raise OperandError(
                f"{option}: does not apply to {_purpose(data)}; "
                f"choose from {', '.join(_TAKEN[kind])}"
            )
    judges: dict[Kind, Callable[[StoredKirchhoff, JudgeOptions], Judgement]] = {
        "generation": _generation,
        "matching": _matching,
        "regression": _regression,
        "classification": _classification,
    }
    return judges[kind](data, options)


def _purpose(data: StoredKirchhoff) -> str:
    """The kind of experiment and its name, if that is another: ``generation (circle)``."""
    kind, bench = data.config.kind, data.config.test_bench
    return kind if bench == kind else f"{kind} ({bench})"


def _judgement(
    data: StoredKirchhoff,
    found: Any,
    judged_on: str,
    line: str,
    rows: list[tuple[str, str]],
    metrics: dict[str, float],
    remarks: Sequence[str] = (),
    **more: Any,
) -> Judgement:
    """All results; ``more`` are JSON values in addition to those of ``found``."""
    config = data.config
    values = {
        "test_bench": config.test_bench,
        "kind": config.kind,
        "parameters": parameter_count(data.model),
        "data": judged_on,
        **evaluation.fields(found),
        **more,
    }
    table = Table(("what", "value [95 % interval]"), [*rows])
    return Judgement(
        line=f"{line} on {judged_on}",
        heading=f"{_purpose(data)}, on {judged_on}",
        tables=[table],
        metrics=metrics,
        values=values,
        found=found,
        data=judged_on,
        remarks=list(remarks),
    )


def flow_solver(data: StoredKirchhoff, tol: float | None) -> Solver:
    """The solver used to judge and sample a flow."""
    return evaluation.judge_solver(flow_of(data), JUDGE_TOL if tol is None else tol)


def flow_of(data: StoredKirchhoff) -> Any:
    """The model of a density or potential, which is a flow."""
    assert not isinstance(data.model, FeedForward)  # the configuration refuses anything else
    return data.model


def _size(data: StoredKirchhoff) -> tuple[str, str]:
    network = data.config.network
    if network.is_baseline:
        made_of = f"{network.model.name}, a baseline"
    else:
        made_of = (
            f"{len(network.net_struct)} slices of {network.model.name}, "
            f"{network.n_free} nodes and ground, {network.n_edges} edges in all"
        )
    return "parameters", f"{parameter_count(data.model)}: {made_of}"


def _evaluations(nfe: int, batches: int, solver: Solver) -> tuple[str, str]:
    how = f"tol {solver.tol:g}" if solver.method in ADAPTIVE else f"steps of {solver.step_size:g} s"
    return (
        "function evaluations",
        f"{nfe / batches:.0f} for a batch, mean of {batches} ({solver.method}, {how})",
    )


class _Counted:
    """Reports progress and counts the reported batches."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self.batches = 0

    def __call__(self, done: int) -> None:
        self.batches += 1
        self._advance(done)


def _generation(data: StoredKirchhoff, options: JudgeOptions) -> Judgement:
    source = data.source
    seed = FRESH_SEED if options.seed is None else options.seed
    x = source.judging_points(POINTS if options.samples is None else options.samples, seed)
    solver = flow_solver(data, options.tol)
    with counted(f"{source.name}: density", len(x)) as advance:
        batches = _Counted(advance)
        samples = evaluation.log_density(flow_of(data), x, solver=solver, advance=batches)
    known = source.density
    true = None if known is None else known.log_density(x.double().numpy())
    found: DensityFit = evaluation.judge_density(samples, true)
    rows = [("mean negative log-likelihood, nats", f"{found.nll:.4f}")]
    metrics = {"nll": found.nll.value, "points": float(found.points)}
    remarks: list[str] = []
    more: dict[str, Any] = {}
    line = f"negative log-likelihood {found.nll:.4f} nats"
    if found.gap is not None:
        rows.append(("gap to the true density, KL(p||q), nats", f"{found.gap:.4f}"))
        metrics["gap"] = found.gap.value
        line += f", gap to the true density {found.gap:.4f}"
    if source.log_volume is not None:
        own = Interval(*(n + source.log_volume for n in vars(found.nll).values()))
        rows.append(("the same in the units of the data's file, nats", f"{own:.4f}"))
    if source.pixels:
        bits = _bits_per_pixel(found.nll, data.config.inputs)
        rows.append(("bits per pixel", f"{bits:.4f}"))
        metrics["bits_per_pixel"] = bits.value
        more["bits_per_pixel"] = bits.value
        more["bits_per_pixel_95"] = [bits.low, bits.high]
        line += f", {bits:.4f} bits per pixel"
        remarks.append(
            "grey levels are dequantised, (k + u)/256 with u uniform: of the published raw levels, "
            "mostly exactly 0, a continuous density has no bounded likelihood"
        )
    rows += [_size(data), _evaluations(sum(found.nfe), batches.batches, solver)]
    points = source.describe_points(found.points, seed)
    return _judgement(data, found, points, line, rows, metrics, remarks, **more)


def _bits_per_pixel(nll: Interval, pixels: int) -> Interval:
    """Convert nats of pixels in [0, 1] to bits per pixel of grey levels 0 to 255."""
    return Interval(
        *((n / pixels + math.log(256)) / math.log(2) for n in (nll.value, nll.low, nll.high))
    )


def _matching(data: StoredKirchhoff, options: JudgeOptions) -> Judgement:
    bench = data.config.test_bench
    seed = FRESH_SEED if options.seed is None else options.seed
    n = MATCHING_SAMPLES if options.samples is None else options.samples
    solver = flow_solver(data, options.tol)
    with counted(f"{bench}: samples", n) as advance:
        batches = _Counted(advance)
        samples = evaluation.draw(flow_of(data), n, seed, solver=solver, advance=batches)
    energy, published = ENERGIES[bench], PUBLISHED[bench]
    found: Matching = evaluation.judge_matching(samples, energy, published)
    source = f"{n} samples (seed {seed})"
    rows = [
        ("KL(q||p), nats", f"{found.kl:.5f}"),
        ("effective sample size, %", f"{_percent(found.ess):.2f}"),
        ("objective E[ln q + U] = KL - ln Z, nats", f"{found.objective:.4f}"),
    ]
    remarks = []
    if not published.proper:
        rows.append(("the same by the energy as published", f"{found.published_objective:.4f}"))
        remarks.append(
            f"the published energy of {bench} is improper: it does not hold z1, exp(-U) has no "
            "finite integral and KL to it no meaning"
        )
        remarks.append(
            f"trained and judged is the energy with a wall, 0.5 ((|z1| - {WALL:g})/0.4)^2 added "
            f"beyond |z1| = {WALL:g}, which is a density"
        )
    rows += [_size(data), _evaluations(sum(found.nfe), batches.batches, solver)]
    line = (
        f"KL {found.kl:.5f} nats, effective sample size {_percent(found.ess):.2f} %, "
        f"objective {found.objective:.4f}"
    )
    metrics = {
        "kl": found.kl.value,
        "ess": found.ess.value,
        "objective": found.objective.value,
        "samples": float(n),
    }
    return _judgement(data, found, source, line, rows, metrics, remarks)


def _percent(share: Interval) -> Interval:
    return Interval(100 * share.value, 100 * share.low, 100 * share.high)


def _readout(data: StoredKirchhoff) -> KirchhoffNet | FeedForward:
    assert isinstance(data.model, KirchhoffNet | FeedForward)  # the configuration guarantees it
    return data.model


def _split_seed(data: StoredKirchhoff, seed: int | None) -> int:
    """The seed of a regression's train/test split, if known."""
    if data.seed is not None and seed is not None and seed != data.seed:
        raise OperandError(
            f"--seed {seed}: trained on the split of seed {data.seed}, which another would mix up"
        )
    return data.seed if data.seed is not None else (0 if seed is None else seed)


def _check_enough(data: StoredKirchhoff, samples: int) -> None:
    if samples < 2:
        raise OperandError(
            f"{data.source.name} holds out {samples} sample: an interval needs two at least"
        )


def _regression(data: StoredKirchhoff, options: JudgeOptions) -> Judgement:
    seed = _split_seed(data, options.seed)
    split = data.source.labelled(seed)
    x, y = split.test_x, split.test_y
    _check_enough(data, len(x))
    runs = Runs(_readout(data), options.tol)
    with counted(f"{data.source.name}: held-out samples", len(x)) as advance:
        predicted = evaluation.outputs(runs, x, advance=advance)
    found = evaluation.judge_regression(predicted, y)
    rmse = math.sqrt(found.mse.value)
    unit = f" ({split.unit})" if split.unit else ""
    own = rmse * split.y_span
    source = data.source.describe_held_out(found.samples, len(x), seed)
    r2 = "-" if math.isnan(found.r2) else f"{found.r2:.4f}"
    rows = [
        ("mean squared error, targets scaled to [0, 1]", f"{found.mse:.6f}"),
        (f"root of it in the data's own unit{unit}", f"{own:.4f}"),
        ("R2", r2),
        _size(data),
    ]
    if runs.solver is not None:
        rows.append(_evaluations(runs.nfe, runs.batches, runs.solver))
    remarks = []
    if math.isnan(found.r2):
        remarks.append("R2 is undefined: the held-out targets are all the same")
    if data.seed is None:
        remarks.append("which samples it was trained on is not known: some of these may be of them")
    metrics = {"mse": found.mse.value, "r2": found.r2, "samples": float(found.samples)}
    line = f"mean squared error {found.mse:.6f} (scaled), R2 {r2}"
    return _judgement(
        data, found, source, line, rows, metrics, remarks, rmse_own_unit=own, nfe=runs.nfe
    )


def _classification(data: StoredKirchhoff, options: JudgeOptions) -> Judgement:
    seed = 0 if data.seed is None else data.seed
    split = data.source.labelled(seed)
    x, y = split.test_x[: options.images], split.test_y[: options.images]
    _check_enough(data, len(x))
    runs = Runs(_readout(data), options.tol)
    with counted(f"{data.source.name}: held-out samples", len(x)) as advance:
        logits = evaluation.outputs(runs, x, chunk=IMAGES_CHUNK, advance=advance)
    found = evaluation.judge_classification(logits, y)
    source = data.source.describe_held_out(len(x), len(split.test_x), seed)
    rows = [
        ("top-1, %", f"{_percent(found.accuracy):.2f}"),
        ("top-5, %", f"{_percent(found.top5):.2f}"),
        ("mean cross entropy, nats", f"{found.loss:.4f}"),
        _size(data),
    ]
    if runs.solver is not None:
        rows.append(_evaluations(runs.nfe, runs.batches, runs.solver))
    metrics = {
        "accuracy": found.accuracy.value,
        "correct": float(found.correct),
        "total": float(found.total),
    }
    line = accuracy_line(found.correct, found.total, found.accuracy)
    return _judgement(data, found, source, line, rows, metrics, nfe=runs.nfe)
