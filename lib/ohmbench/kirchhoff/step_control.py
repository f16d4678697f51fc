"""Step sizes of adaptive methods: when a solver must give up, and torchdiffeq's controller.

``StepControl`` repeats torchdiffeq's controller (Hairer, Norsett and Wanner, "Solving Ordinary
Differential Equations I", II.4) for our own solvers: the same errors give the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ohmbench.tensors import FLOAT32

MAX_STEPS = 20_000
"""Steps that an adaptive method may try in one slice (in the adjoint: in all slices together). A
well-trained circuit takes a few dozen.
"""

Refusal = Callable[[float, str, str], Exception]
"""Makes the error from a time in seconds, a reason and a remedy."""

_LOOSEN = "raise the tolerance (simulation.tol, --tol)"
CHECK = "check the parameters and the input"


def is_finite(x: torch.Tensor) -> bool:
    """Return whether all numbers of ``x`` are finite, by its extremes: these are NaN if one number
    is.
    """
    return not x.numel() or all(math.isfinite(float(end)) for end in torch.aminmax(x.detach()))


def error_norm(parts: Sequence[torch.Tensor], scales: Sequence[Any] | None = None) -> torch.Tensor:
    """torchdiffeq's norm of ``parts`` over their ``scales``: the largest root mean square.

    It is computed in float64 if float32 overflows. NaN counts as the largest.
    """
    scaled = zip(parts, scales or (1.0,) * len(parts), strict=True)
    found = [_rms(x, scale) for x, scale in scaled if x.numel()]
    return torch.stack(found).max() if found else torch.zeros((), **FLOAT32)


def _rms(x: torch.Tensor, scale: Any) -> torch.Tensor:
    # The quotient is ours alone, so it can be squared in place.
    found: torch.Tensor = (x / scale).square_().mean().sqrt()
    if found.dtype == torch.float32 and not bool(found.isfinite()):
        found = (x.double() / scale).square_().mean().sqrt()
    return found


class Watch:
    """Watches each step of an adaptive method and ends one that cannot continue."""

    def __init__(self, tol: float, min_step: float, refused: Refusal) -> None:
        self._tol, self._min_step, self._refused = tol, min_step, refused
        self._steps = 0

    def look(self, time: float, step: float, finite: bool) -> None:
        """Raise the error made by ``refused`` if a step from ``time`` must not be tried."""
        if not finite:
            raise self._not_finite(time)
        if abs(time) + step == abs(time):
            raise self._refused(
                time, "its steps are too short for the time to move on", f"{_LOOSEN}, or {CHECK}"
            )
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise self._refused(
                time, f"it needs more than {MAX_STEPS} steps", f"{_LOOSEN}, or {CHECK}"
            )

    def counts(self, time: float, step: float, ratio: float) -> bool:
        """Return whether a ``step`` from ``time`` with this ratio of error to tolerance is
        accepted.

        If not, a shorter step is tried; raises the error made by ``refused`` if none may be
        shorter. (torchdiffeq accepts such a step, whatever its error.)
        """
        if ratio <= 1:
            return True
        if step > self._min_step:
            return False
        if math.isnan(ratio):
            raise self._not_finite(time)
        raise self._refused(
            time,
            f"its tolerance of {self._tol:g} needs steps below {self._min_step:g} s",
            f"lower simulation.min_step, or {_LOOSEN}",
        )

    def _not_finite(self, time: float) -> Exception:
        return self._refused(time, "the circuit diverges, values are not finite", CHECK)


class StepControl:
    """Steps of dopri5 from ``start`` to ``end`` (s), backwards if ``end`` is smaller.

    ``offer`` returns the step to try, ``judge`` takes its error ratio. ``accepted`` lists the
    accepted steps in seconds with their sign. ``evaluations`` counts those of a method whose last
    slope is the first of the next step; ``first_step`` None costs one more.
    """

    ORDER = 5
    _SAFETY, _MOST, _LEAST = 0.9, 10.0, 0.2

    def __init__(
        self,
        start: float,
        end: float,
        *,
        tol: float,
        first_step: float | None,
        min_step: float,
        refused: Refusal,
    ) -> None:
        # As in torchdiffeq, backward time is negative forward time.
        self.sign = 1.0 if end > start else -1.0
        self._time, self._end = self.sign * start, self.sign * end
        self.tol, self.first_step, self._min_step = tol, first_step, min_step
        self._step = math.nan if first_step is None else first_step
        self._tried_to = math.nan
        self._watch = Watch(tol, min_step, refused)
        self.accepted: list[float] = []
        self._tried = 0

    @property
    def done(self) -> bool:
        """Whether the end is reached."""
        return self._time >= self._end

    @property
    def evaluations(self) -> int:
        """Number of evaluations of the right-hand side so far, rejected steps included."""
        return 1 + (self.first_step is None) + (self.ORDER + 1) * self._tried

    @staticmethod
    def trial(size: float, slope: float) -> float:
        """The trial step for choosing the first step, from the norms of voltages and slopes."""
        return 1e-6 if size < 1e-5 or slope < 1e-5 else 0.01 * size / slope

    def choose_first(self, trial: float, slope: float, change: float) -> None:
        """The first step, from the norms of the slope and of its ``change`` over ``trial`` s."""
        curvature = _quotient(change, trial)
        if slope <= 1e-15 and curvature <= 1e-15:
            step = max(1e-6, trial * 1e-3)
        else:
            step = _power(_quotient(0.01, max(slope, curvature)), 1 / self.ORDER)
        # A NaN stays NaN; ``offer`` turns it into the shortest step.
        self._step = step if math.isnan(step) else min(100 * trial, step)

    def offer(self, finite: bool) -> float:
        """The next step to try, in seconds with its sign; ``finite`` says whether all voltages are.

        Raises the error made by ``refused`` if the solver cannot continue.
        """
        step = self._step if math.isfinite(self._step) else self._min_step
        step = max(step, self._min_step)
        self._watch.look(self.sign * self._time, step, finite)
        self._tried_to = self._time + step
        if self._tried_to > self._end:
            self._tried_to, step = self._end, self._end - self._time
        self._step = step
        self._tried += 1
        return self.sign * step

    def judge(self, ratio: float) -> bool:
        """Return whether the step with this ratio of error to tolerance is accepted, and choose the
        next step.

        Raises the error made by ``refused`` if it is not and no shorter step is allowed.
        """
        step = self._step
        accepted = self._watch.counts(self.sign * self._time, step, ratio)
        if accepted:
            self.accepted.append(self.sign * step)
            self._time = self._tried_to
        if ratio == 0:
            self._step = step * self._MOST
        elif math.isnan(ratio):
            self._step = math.nan
        else:
            least = 1.0 if ratio < 1 else self._LEAST
            wanted = self._SAFETY / _power(ratio, 1 / self.ORDER)
            self._step = step * min(self._MOST, max(wanted, least))
        return accepted


def _quotient(x: float, y: float) -> float:
    """``x / y`` of non-negative numbers, with IEEE rules for 0."""
    if y == 0:
        return math.inf if x > 0 else math.nan
    return x / y


def _power(x: float, exponent: float) -> float:
    return math.inf if math.isinf(x) else float(x**exponent)
