"""Where a fitted curve may be believed, and how often it was asked beyond.

A fit is a statement about an interval. Curves keep answering outside it (training and hostile
weights go there), so each evaluation is compared with the interval while somebody is counting::

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

    ``basis`` says where the interval comes from: published, or declared here and why.
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
        """Curve and operand, as in ``ekv(v)``."""
        return f"{self.curve}({self.operand})"


@dataclass
class RangeCount:
    """How many evaluations of one curve were seen, and how many lay outside its fitted range."""

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

    ``by_plain_path`` counts the cells that were evaluated by their plain formulas because the fast
    path's error bound does not reach them (``rows``).
    """

    by_label: dict[str, RangeCount] = field(default_factory=dict)
    by_plain_path: int = 0

    def add(self, fitted: FittedRange, x: torch.Tensor, times: int) -> None:
        """Count the elements of ``x``, each ``times`` over. Raises OperandError inside a vmap."""
        if batched(x):
            raise OperandError(
                "evaluations inside torch.func.vmap cannot be counted: evaluate the batch as one"
            )
        x = numbers(x)
        count = self.by_label.setdefault(fitted.label, RangeCount(fitted))
        count.seen += times * x.numel()
        # A bound such as 2.5 V is not representable in every dtype: compare with the bound as
        # that dtype rounds it, so that a clipped value is never counted as outside.
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

# Blocks open in all threads. torch.compile cannot read a context variable, but it can see this
# number change, and then compiles anew.
_open = 0
_opening = Lock()


def _count_open(change: int) -> None:
    global _open
    with _opening:
        _open += change


@contextmanager
def count_out_of_range() -> Iterator[RangeCounts]:
    """Collect the range counts of every curve evaluated inside the block (nesting: innermost).

    Under torch.func.vmap a curve raises OperandError inside it.
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
    """Whether somebody is: operands that only a count needs need not be made otherwise."""
    return _open > 0 and _counts() is not None


@outside_graph
def _add(fitted: FittedRange, x: torch.Tensor, times: int) -> None:
    counts = _active.get()
    if counts is not None:
        counts.add(fitted, x, times)


def observe(fitted: FittedRange, x: torch.Tensor, *, times: int = 1) -> None:
    """Called by each curve with its operand; costs nothing unless somebody is counting.

    ``times`` is how often each element is evaluated when the curve broadcasts it, so that the
    counts do not depend on how a batch is cut into chunks.
    """
    if _open > 0:
        _add(fitted, x, times)


def count_by_plain_path(cells: int) -> None:
    """Called where ``cells`` evaluations leave the fast path for the plain one."""
    counts = _active.get()
    if counts is not None:
        counts.by_plain_path += cells
