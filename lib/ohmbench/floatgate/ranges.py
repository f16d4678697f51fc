"""Ranges in which fitted curves are valid, and counts of evaluations outside them.

A fit is valid on an interval only. The curves still return values outside it (training and extreme
weights go there). Inside this block, each evaluation is compared with the interval::

    with count_out_of_range() as counts:
        network(volts)
    print(counts)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock

import torch

from ohmbench.errors import OperandError
from ohmbench.transforms import batched, numbers, outside_graph


@dataclass(frozen=True)
class FittedRange:
    """The closed interval ``[low, high]`` of one operand of one curve, in ``unit`` (SI).

    ``basis`` states the origin of the interval: published, or declared here with a reason.
    """

    curve: str
    operand: str
    unit: str
    low: float
    high: float
    basis: str

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"{self.curve}: empty range [{self.low}, {self.high}]")

    @property
    def label(self) -> str:
        """Curve and operand, for example ``ekv(v)``."""
        return f"{self.curve}({self.operand})"


@dataclass
class RangeCount:
    """Number of counted evaluations of one curve, and how many lay outside its fitted range."""

    fitted: FittedRange
    seen: int = 0
    below: int = 0
    above: int = 0

    @property
    def outside(self) -> int:
        """Evaluations below or above the range."""
        return self.below + self.above


@dataclass
class RangeCounts:
    """Counts per curve operand, in the order of first use.

    ``by_plain_path`` counts cells evaluated by the plain formulas because they lie outside the
    region of the fast path's error bound (see ``rows``).
    """

    by_label: dict[str, RangeCount] = field(default_factory=dict)
    by_plain_path: int = 0

    def add(self, fitted: FittedRange, x: torch.Tensor, times: int) -> None:
        """Count each element of ``x`` ``times`` times. Raises OperandError inside a vmap."""
        if batched(x):
            raise OperandError(
                "evaluations inside torch.func.vmap cannot be counted: evaluate the batch as one"
            )
        x = numbers(x)
        count = self.by_label.setdefault(fitted.label, RangeCount(fitted))
        count.seen += times * x.numel()
        # A bound need not be representable in every dtype. Compare with the rounded bound, so that
        # a clipped value is never counted as outside.
        low = torch.tensor(fitted.low, dtype=x.dtype, device=x.device)
        high = torch.tensor(fitted.high, dtype=x.dtype, device=x.device)
        count.below += times * int((x < low).sum())
        count.above += times * int((x > high).sum())

    @property
    def outside(self) -> int:
        """Evaluations outside their range, over all curves."""
        return sum(c.outside for c in self.by_label.values())

    def __iter__(self) -> Iterator[RangeCount]:
        return iter(self.by_label.values())

    def __getitem__(self, label: str) -> RangeCount:
        return self.by_label[label]


_active: ContextVar[RangeCounts | None] = ContextVar("range_counts", default=None)

# Number of open blocks in all threads. torch.compile cannot read a context variable, but it notices
# when this number changes, and then compiles again.
_open = 0
_opening = Lock()


def _count_open(change: int) -> None:
    global _open
    with _opening:
        _open += change


@contextmanager
def count_out_of_range() -> Iterator[RangeCounts]:
    """Collect the range counts of all curves evaluated inside the block (the innermost, if nested).

    Inside the block, a curve raises OperandError under torch.func.vmap.
    """
    counts = RangeCounts()
    token = _active.set(counts)
    _count_open(1)
    try:
        yield counts
    finally:
        _count_open(-1)
        _active.reset(token)


@outside_graph
def _counts() -> RangeCounts | None:
    return _active.get()


def counting() -> bool:
    """Whether a counting block is open. Callers skip the operands that only counting needs."""
    return _open > 0 and _counts() is not None


@outside_graph
def _add(fitted: FittedRange, x: torch.Tensor, times: int) -> None:
    counts = _active.get()
    if counts is not None:
        counts.add(fitted, x, times)


def observe(fitted: FittedRange, x: torch.Tensor, *, times: int = 1) -> None:
    """Record the operand of a curve; each curve calls this. Costs nothing outside a counting block.

    ``times`` is how often each element is evaluated when the curve broadcasts it. So the counts do
    not depend on how a batch is cut into chunks.
    """
    if _open > 0:
        _add(fitted, x, times)


def count_by_plain_path(cells: int) -> None:
    """Record that ``cells`` evaluations used the plain path instead of the fast one."""
    counts = _active.get()
    if counts is not None:
        counts.by_plain_path += cells
