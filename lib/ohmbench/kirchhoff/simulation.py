"""Integrating the slices of a KirchhoffNet with torchdiffeq, or with noise by Euler-Maruyama."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torchdiffeq import odeint, odeint_adjoint

from ohmbench.errors import OhmbenchError, OperandError
from ohmbench.kirchhoff.circuit import RightHandSide, Stepper
from ohmbench.kirchhoff.runge_kutta import TABLEAUX, State, adapt_steps, take_steps
from ohmbench.kirchhoff.step_control import CHECK, StepControl, Watch, error_norm, is_finite
from ohmbench.tensors import FLOAT64
from ohmbench.transforms import followed, numbers, outside_graph

ADAPTIVE = ("dopri5", "dopri8", "bosh3", "fehlberg2", "adaptive_heun")
FIXED_STEP = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3, "rk4": 4}
"""torchdiffeq's one-step methods and their order of convergence; its Adams methods keep a history
that would not survive the change of slices.
"""

STEPPED = ("dopri5", "rk4")
"""Methods that a ``Stepper`` implements itself."""


class SolverError(OhmbenchError):
    """An integration that cannot reach its end at the requested tolerance."""


@dataclass(frozen=True)
class Solver:
    """How to integrate: a method of ``ADAPTIVE`` or ``FIXED_STEP`` and its options, in seconds.

    ``tol`` is the relative and absolute tolerance (V) of an adaptive method, which chooses its own
    ``first_step`` if that is None and fails if its tolerance needs steps below ``min_step``. A
    fixed-step method takes steps of ``step_size``. ``adjoint`` integrates gradients backwards
    instead of storing the forward pass; a ``Stepper`` only stores its steps and always goes back
    through them. Raises OperandError for an unknown method and for an invalid tolerance or step.
    """

    method: str = "dopri5"
    tol: float = 1e-5
    first_step: float | None = None
    min_step: float = 0.0
    step_size: float = 0.05
    adjoint: bool = False

    def __post_init__(self) -> None:
        if self.method not in (*ADAPTIVE, *FIXED_STEP):
            raise OperandError(
                f"unknown method {self.method!r}; "
                f"choose one of {', '.join((*ADAPTIVE, *FIXED_STEP))}"
            )
        for name in ("tol", "first_step", "step_size"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise OperandError(f"{name} {value:g}: should be positive and finite")
        if not 0 <= self.min_step < math.inf:
            raise OperandError(f"min_step {self.min_step:g}: should not be negative, and finite")

    @property
    def steps(self) -> str:
        """Name and step of a fixed-step method in words; empty for an adaptive method."""
        adaptive = self.method in ADAPTIVE
        return "" if adaptive else f"{self.method} with steps of {self.step_size:g} s"

    def tightened(self, tol: float) -> Solver:
        """An adaptive solver at ``tol``, or this one if it is already tighter."""
        if self.method in ADAPTIVE and self.tol <= tol:
            return self
        return replace(self, method="dopri5", tol=tol, first_step=None, min_step=0.0)

    def _options(self, times: torch.Tensor, ends: torch.Tensor) -> dict[str, Any]:
        """torchdiffeq's options for ``times``; a step must end at each of ``ends``."""
        if self.method in FIXED_STEP:
            grid = {"grid_constructor": lambda f, y, t: _nodes(t[0], t[-1], self.step_size)}
            # Linear interpolation between nodes would be of second order, whatever the method's
            # order.
            return {**grid, "interp": "cubic"} if len(times) > 2 else grid
        first = {} if self.first_step is None else {"first_step": self.first_step}
        # Either sign: torchdiffeq turns backward time into negative time, twice during the adjoint.
        step_t = torch.cat([ends, -ends]).unique()
        return {"min_step": self.min_step, "step_t": step_t, **first}


class Result(NamedTuple):
    """Where an integration ended.

    ``v`` (batch, n_free) in volt; ``delta`` (batch,) is minus the integral of the divergence, or
    None; ``nfe`` counts evaluations of the right-hand side per slice; ``path`` (times, batch,
    n_free), if requested, runs over all slices.
    """

    v: Float[Tensor, "batch n_free"]
    delta: Float[Tensor, " batch"] | None
    nfe: tuple[int, ...]
    path: Float[Tensor, "times batch n_free"] | None = None


class _Field(torch.nn.Module):
    """The function that torchdiffeq integrates; it counts its evaluations."""

    def __init__(self, f: Callable[[torch.Tensor, Any], Any]) -> None:
        super().__init__()
        self.f = f
        self.nfe = 0

    def forward(self, t: torch.Tensor, state: Any) -> Any:
        self.nfe += 1
        return self.f(t, state)


class _WatchedField(_Field):
    """Called at every step, also during the adjoint."""

    def __init__(self, f: Callable[[torch.Tensor, Any], Any], watch: Watch) -> None:
        super().__init__(f)
        self._watch = watch
        self._ratio = math.nan

    def norm(self, x: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
        """torchdiffeq's own norm, which it calls for each step's error ratio.

        Without gradients: step sizes are constants, as on the compiled path, and for an error of
        exactly 0 (as a ReLU's divergence mostly has) the square root would give NaN gradients.
        """
        with torch.no_grad():
            found = error_norm(x if isinstance(x, tuple) else (x,))
        self._ratio = float(found)
        return found

    def callback_step(self, t: torch.Tensor, state: Any, dt: torch.Tensor) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        finite = all(map(is_finite, parts))
        self._watch.look(float(t.detach()), float(dt.detach()), finite)

    def callback_accept_step(self, t: torch.Tensor, state: Any, dt: torch.Tensor) -> None:
        # torchdiffeq accepts every step of ``min_step`` or less, whatever its error.
        self._watch.counts(float(t.detach()), float(dt.detach()), self._ratio)

    callback_step_adjoint = callback_step
    callback_accept_step_adjoint = callback_accept_step


def _stopped(k: int, solver: Solver) -> Callable[[float, str, str], SolverError]:
    return lambda time, reason, remedy: SolverError(
        f"slice {k}: {solver.method} stopped at t = {time:.4g} s: {reason}; {remedy}"
    )


def _odeint(
    rhs: RightHandSide, state: Any, times: torch.Tensor, k: int, solver: Solver, with_delta: bool
) -> tuple[Any, int]:
    """The states at ``times`` of one slice, and the number of evaluations."""
    if with_delta:

        def f(t: torch.Tensor, state: Any) -> Any:
            dv, trace = rhs.with_divergence(t, state[0])
            return dv, -trace

    else:

        def f(t: torch.Tensor, state: Any) -> Any:
            return rhs.derivative(t, state)

    # The last step ends with the slice: a longer one is interpolated back, with errors of thousands
    # of tolerances. The adjoint goes back from each time to the one before.
    there, back = (solver._options(times, ends) for ends in (times[[0, -1]], times))
    field: _Field = _Field(f)
    common: dict[str, Any] = {"method": solver.method, "options": there}
    if solver.method in ADAPTIVE:
        field = watched = _WatchedField(f, Watch(solver.tol, solver.min_step, _stopped(k, solver)))
        common |= {"rtol": solver.tol, "atol": solver.tol}
        there["norm"] = back["norm"] = watched.norm
    gradients = torch.is_grad_enabled() and any(x.requires_grad for x in rhs.tensors)
    if solver.adjoint and gradients:
        found = odeint_adjoint(
            field,
            state,
            times,
            adjoint_params=tuple(x for x in rhs.tensors if x.requires_grad),
            adjoint_options=back,
            **common,
        )
    else:
        found = odeint(field, state, times, **common)
    return found, field.nfe


def _nodes(start: torch.Tensor, end: torch.Tensor, step_size: float) -> torch.Tensor:
    """Times (steps + 1,) from ``start`` in steps of ``step_size``; the last step takes the rest.

    Rounding adds no step: torchdiffeq's own grid from 0 to 0.3 - 0.2 has two steps of 0.1.
    """
    return torch.tensor(
        _node_times(float(start), float(end), step_size), dtype=torch.float64, device=start.device
    )


def _node_times(start: float, end: float, step_size: float) -> list[float]:
    steps = max(1, math.ceil(abs(end - start) / step_size * (1 - 1e-9)))
    signed = math.copysign(step_size, end - start)
    return [*(start + signed * k for k in range(steps)), end]


def _control(start: float, stop: float, k: int, solver: Solver) -> StepControl:
    return StepControl(
        start,
        stop,
        tol=solver.tol,
        first_step=solver.first_step,
        min_step=solver.min_step,
        refused=_stopped(k, solver),
    )


def _stepped(
    rhs: Stepper,
    v: torch.Tensor,
    end: float,
    k: int,
    solver: Solver,
    divergence: bool,
    reverse: bool,
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Integrate a slice by the right-hand side's own solver: v, delta, number of evaluations."""
    ends = torch.tensor([0.0, end], **FLOAT64)
    start, stop = ends.flip(0) if reverse else ends
    if solver.method == "rk4":
        h = _nodes(start, stop, solver.step_size).diff()
        v, div = rhs.rk4(v, h, divergence=divergence)
        return v, -div, 4 * len(h)
    control = _control(float(start), float(stop), k, solver)
    v, div = rhs.dopri5(v, control, divergence=divergence)
    return v, -div, control.evaluations


def _transformable(
    rhs: RightHandSide,
    v: torch.Tensor,
    end: float,
    k: int,
    solver: Solver,
    divergence: bool,
    reverse: bool,
) -> tuple[torch.Tensor, torch.Tensor | None, int]:
    """Integrate one slice in torch's own operations, for torch.func: v, delta and number of
    evaluations.
    """
    evaluations = 0

    def f(t: float, state: State) -> State:
        nonlocal evaluations
        evaluations += 1
        time = torch.tensor(t, dtype=v.dtype, device=v.device)
        if not divergence:
            return (rhs.derivative(time, state[0]),)
        dv, trace = rhs.with_divergence(time, state[0])
        return dv, -trace

    state: State = (v, torch.zeros_like(v[:, 0])) if divergence else (v,)
    start, stop = (end, 0.0) if reverse else (0.0, end)
    if solver.method in FIXED_STEP:
        nodes = _node_times(start, stop, solver.step_size)
        steps = [b - a for a, b in itertools.pairwise(nodes)]
        state = take_steps(f, start, state, steps, solver.method)
    elif solver.method in TABLEAUX and not (
        torch.compiler.is_compiling() or torch._C._is_tracing()
    ):
        state = adapt_steps(f, start, state, _control(start, stop, k, solver))
    else:
        raise OperandError(
            f"{solver.method} cannot be transformed or traced here; torch.func takes dopri5 and "
            f"{', '.join(FIXED_STEP)}, torch's tracers those of fixed steps"
        )
    return state[0], state[1] if divergence else None, evaluations


def _check_finite(
    k: int, time: float, v: torch.Tensor, delta: torch.Tensor | None, steps: str
) -> None:
    """Raise SolverError if the result of slice ``k`` is not finite.

    Fixed ``steps`` ("rk4 with steps of 0.1 s", or "") have no error estimate, so a circuit that ran
    away only shows here.
    """
    if torch.compiler.is_compiling():  # it has no values
        return
    for what, x in (("voltages", v), ("log-densities", delta)):
        if x is not None and not is_finite(numbers(x)):
            cause = f"{steps} diverges" if steps else "the circuit diverges"
            shorten = "shorten the steps (simulation.step_size), or " if steps else ""
            raise SolverError(
                f"slice {k}: {what} are not finite at t = {time:.4g} s: {cause}; {shorten}{CHECK}"
            )


@outside_graph
def integrate(
    slices: Sequence[RightHandSide],
    durations: Sequence[float],
    v: Float[Tensor, "batch n_free"],
    solver: Solver,
    *,
    divergence: bool = False,
    reverse: bool = False,
    points: int = 0,
) -> Result:
    """Take node voltages ``v`` (batch, n_free) through the slices, each for its duration in
    seconds.

    ``reverse`` starts from the voltages at the end: slices in reverse order, time backwards. With
    ``divergence`` the change of log-density ``delta`` is integrated too (``d delta/dt = -div``).
    ``points`` > 0 requests that many equidistant voltages of each slice, including its end; the
    first of the path is ``v``. They are interpolated between steps and do not change the steps. A
    ``Stepper`` has none, so torchdiffeq takes the same steps.

    Inside torch.func the methods with a tableau in ``runge_kutta`` take the same steps in
    operations that can be transformed, whether or not ``solver`` requests the adjoint; gradients
    treat the step sizes as constants.

    Raises SolverError naming slice and time if the solver cannot continue, and OperandError inside
    torch.func for another method, for ``points``, and for an adaptive method on a vmap's samples.
    """
    following = followed()
    if following and points:
        raise OperandError("voltages between steps cannot be transformed: ask for no points")
    delta = v.new_zeros(len(v)) if divergence else None
    nfe = [0] * len(slices)
    path = [v[None]] if points else None
    order = range(len(slices) - 1, -1, -1) if reverse else range(len(slices))
    for k in order:
        rhs, end = slices[k], float(durations[k])
        times = torch.linspace(0.0, end, max(points, 1) + 1, dtype=torch.float64, device=v.device)
        times = times.flip(0) if reverse else times
        start = v.t().contiguous() if rhs.node_major else v
        if following:
            v, change, nfe[k] = _transformable(rhs, v, end, k, solver, divergence, reverse)
            delta = delta + change if delta is not None and change is not None else None
            _check_finite(k, float(times[-1]), v, delta, solver.steps)
            continue
        if solver.method in STEPPED and not points and isinstance(rhs, Stepper):
            end_v, change, nfe[k] = _stepped(rhs, start, end, k, solver, divergence, reverse)
        else:
            state: Any = (start, torch.zeros_like(v[:, 0])) if divergence else start
            found, nfe[k] = _odeint(rhs, state, times, k, solver, divergence)
            voltages = found[0] if divergence else found
            end_v, change = voltages[-1], found[1][-1] if divergence else voltages.new_zeros(0)
            if path is not None:
                path.append(voltages[1:].transpose(1, 2) if rhs.node_major else voltages[1:])
        v = end_v.t() if rhs.node_major else end_v
        delta = delta + change if delta is not None else None
        _check_finite(k, float(times[-1]), v, delta, solver.steps)
    whole = torch.cat(path) if path is not None else None
    return Result(v, delta, tuple(nfe), whole)


@outside_graph
def integrate_noisy(
    slices: Sequence[RightHandSide],
    durations: Sequence[float],
    v: Float[Tensor, "batch n_free"],
    *,
    step_size: float,
    noise: float,
    generator: torch.Generator,
) -> Result:
    """Like ``integrate`` forwards, with white noise on every node, by Euler-Maruyama.

    ``v <- v + f(v) dt + noise sqrt(dt) N(0, 1)`` with ``noise`` in V/sqrt(s). The strong order is
    1/2 (here 1, because the noise is additive), so ``step_size`` must be well below the circuit's
    time constants.
    """
    if not (0 < step_size < math.inf and 0 <= noise < math.inf):
        raise OperandError(
            f"step size {step_size:g} s and noise {noise:g}: should be positive and finite"
        )
    nfe = [0] * len(slices)
    for k, (rhs, end) in enumerate(zip(slices, durations, strict=True)):
        steps = max(1, round(end / step_size + 0.5 - 1e-9))
        dt = end / steps
        # One memory layout, so that sums are added in one order.
        x = (v.t() if rhs.node_major else v).contiguous()
        for step in range(steps):
            time = torch.tensor(step * dt, dtype=x.dtype, device=x.device)
            x = x + dt * rhs.derivative(time, x)
            if noise:
                # Drawn as (batch, n_free), so that the layout of a right-hand side does not change
                # the result.
                kick = torch.randn(v.shape, generator=generator, dtype=v.dtype, device="cpu").to(
                    v.device
                )
                x = x + noise * dt**0.5 * (kick.t() if rhs.node_major else kick)
        nfe[k] = steps
        v = x.t() if rhs.node_major else x
        _check_finite(k, end, v, None, f"Euler-Maruyama with steps of {dt:g} s")
    return Result(v, None, tuple(nfe))


def durations(t_end: Sequence[float]) -> tuple[float, ...]:
    """Duration of each slice in seconds, from the times (slices + 1,) at which they end."""
    return tuple(b - a for a, b in itertools.pairwise(t_end))
