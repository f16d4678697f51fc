"""The step sizes of adaptive methods: when a solver has to give up, and torchdiffeq's choice.

``StepControl`` repeats torchdiffeq's controller (Hairer, Norsett and Wanner, "Solving Ordinary
Differential Equations I", II.4) for solvers of our own: the same steps from the same errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable

MAX_STEPS = 20_000
"""Steps that an adaptive method may try in one slice (on its way back through the adjoint: in all
of them): a circuit that trained well takes some ten."""

Refusal = Callable[[float, str], Exception]
"""Makes the error for a time in seconds and a reason."""


class Watch:
    """Looks at each step of an adaptive method before it is tried, and ends one that cannot go on.

    torchdiffeq accepts every step of ``min_step``, whatever its error: the result would be wrong
    without a word. A single step of that size is none: a first step may be as short, and the step
    after one that the end of a slice cut. The second in a row is one that an error asked for.
    """

    def __init__(self, min_step: float, refused: Refusal) -> None:
        self._min_step, self._refused = min_step, refused
        self._shortest = False
        self._steps = 0

    def look(self, time: float, step: float, finite: bool) -> None:
        """Raise what ``refused`` makes of it where a step from ``time`` is not to be tried."""
        if not finite:
            raise self._refused(time, "values that are no numbers")
        if abs(time) + step == abs(time):
            raise self._refused(time, "steps too short for the time to move on")
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise self._refused(time, f"more than {MAX_STEPS} steps")
        shortest = step <= self._min_step
        if shortest and self._shortest:
            raise self._refused(time, f"needs steps below {self._min_step:g} s")
        self._shortest = shortest


class StepControl:
    """Steps of dopri5 from ``start`` to ``end`` (s), backwards where that is less.

    ``offer`` says which step to try, ``judge`` takes its error ratio. ``accepted`` are the steps
    that count, in seconds with their sign; ``evaluations`` those of a method whose last slope is
    the next step's first, which ``first_step`` None costs one more.
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
        # As torchdiffeq: time that runs backwards is negative time that runs forwards.
        self.sign = 1.0 if end > start else -1.0
        self._time, self._end = self.sign * start, self.sign * end
        self.tol, self.first_step, self._min_step = tol, first_step, min_step
        self._step = math.nan if first_step is None else first_step
        self._tried_to = math.nan
        self._watch = Watch(min_step, refused)
        self.accepted: list[float] = []
        self._tried = 0

    @property
    def done(self) -> bool:
        return self._time >= self._end

    @property
    def evaluations(self) -> int:
        return 1 + (self.first_step is None) + (self.ORDER + 1) * self._tried

    @staticmethod
    def trial(size: float, slope: float) -> float:
        """The step of one evaluation by which to choose the first; norms of voltages and slopes."""
        return 1e-6 if size < 1e-5 or slope < 1e-5 else 0.01 * size / slope

    def choose_first(self, trial: float, slope: float, change: float) -> None:
        """The first step, of the norm of the slope and of its ``change`` over ``trial`` seconds."""
        curvature = change / trial
        if slope <= 1e-15 and curvature <= 1e-15:
            step = max(1e-6, trial * 1e-3)
        else:
            step = _power(0.01 / max(slope, curvature), 1 / self.ORDER)
        # A NaN stays one; ``offer`` makes it the shortest step.
        self._step = step if math.isnan(step) else min(100 * trial, step)

    def offer(self, finite: bool) -> float:
        """The next step to try, in seconds with its sign. ``finite``: whether all voltages are.

        Raises what ``refused`` makes where the solver cannot go on.
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
        """Whether the step with this ratio of error to tolerance counts; chooses the next."""
        step = self._step
        accepted = ratio <= 1 or step <= self._min_step
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


def _power(x: float, exponent: float) -> float:
    return math.inf if math.isinf(x) else float(x**exponent)
