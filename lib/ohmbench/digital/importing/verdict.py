"""What the proof of an import found: per layer, and in one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

EXACT = "exact: every input gives the source's integers, and the source's order of outputs"


def grouped(number: int) -> str:
    """``number`` with a space between groups of three digits."""
    return f"{number:,}".replace(",", " ")


def plural(number: int, noun: str) -> str:
    """``number`` and ``noun``, which takes an s unless there is one."""
    return f"{grouped(number)} {noun}{'s' * (number != 1)}"


@dataclass(frozen=True)
class Difference:
    """A sum ``acc`` at which the integers give ``found`` and the source ``low`` to ``high``."""

    channel: int
    acc: int
    found: int
    low: int
    high: int

    @property
    def line(self) -> str:
        """Channel, accumulator and both values."""
        source = f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"
        return (
            f"channel {self.channel}, accumulator {self.acc}: {self.found}, "
            f"but the source gives {source}"
        )


@dataclass(frozen=True)
class ClassDifference:
    """Two channels and their sums, for which the larger output is another one.

    ``of``: what ``accs`` are, "accumulators", or "integers" behind a quantiser.
    """

    channels: tuple[int, int]
    accs: tuple[int, int]
    found: int
    source: int
    of: str = "accumulators"

    @property
    def line(self) -> str:
        """Channels, accumulators and both classes."""
        return (
            f"channels {self.channels[0]} and {self.channels[1]}, {self.of} {self.accs[0]} and "
            f"{self.accs[1]}: {self.found} is larger, but the source's larger output is "
            f"{self.source}"
        )


@dataclass(frozen=True)
class ClassVerdict:
    """Whether the order of real outputs, so the class, follows from the integers.

    ``pairs``: how many pairs of two channels' outputs there are, over the reachable sums of each,
    or over the reachable integers if the layer requantises.
    ``differing``: in how many of them another output is larger than in the source; ``first`` is the
    first. ``undecided``: in how many the order of the source's float additions decides.
    ``real_error``: the largest distance between the real value of the integers and the source's
    output, relative to the largest output; ``meaning_holds``: whether rounding explains it.
    """

    pairs: int
    differing: int
    undecided: int
    first: ClassDifference | None
    real_error: float
    meaning_holds: bool


@dataclass(frozen=True, eq=False)
class LayerVerdict:
    """One layer: per channel how many sums there are, differ, by how much, and are undecided.

    ``reachable``, ``differing``, ``largest``, ``undecided``: int64 (channels,). At an undecided sum
    the order of the source's float additions decides; it differs only if no order gives the
    integers' value. ``first``: the first differences, by channel and sum. ``classes``: of the last
    layer. ``unproven``: what was not compared, and why; ``classes_unproven``: why the classes of a
    last layer whose integers were compared were not.
    """

    layer: int
    name: str
    reachable: Int64[NDArray[np.int64], " channels"]
    differing: Int64[NDArray[np.int64], " channels"]
    largest: Int64[NDArray[np.int64], " channels"]
    undecided: Int64[NDArray[np.int64], " channels"]
    first: tuple[Difference, ...] = ()
    classes: ClassVerdict | None = None
    unproven: str | None = None
    classes_unproven: str | None = None

    @property
    def differs(self) -> bool:
        """Whether some sum, class or real value differs."""
        classes = self.classes
        return bool(self.differing.any()) or (
            classes is not None and (classes.differing > 0 or not classes.meaning_holds)
        )

    @property
    def decided(self) -> bool:
        """Whether the order of the source's float additions never matters."""
        return not self.undecided.any() and (self.classes is None or not self.classes.undecided)

    @property
    def exact(self) -> bool:
        """Whether this layer gives the source's integers, and classes, for every input."""
        proven = self.unproven is None and self.classes_unproven is None
        return not self.differs and self.decided and proven

    def difference_line(self) -> str:
        """What differs; only of a layer that ``differs``."""
        count = int(self.differing.sum())
        if count:
            return (
                f"{grouped(count)} of {plural(int(self.reachable.sum()), 'reachable accumulator')} "
                f"of layer {self.layer} differ{'s' * (count == 1)} by "
                f"{'at most ' * (count > 1)}{grouped(int(self.largest.max()))}; "
                f"first: layer {self.layer}, {self.first[0].line}"
            )
        assert self.classes is not None
        if self.classes.first is not None:
            return (
                f"the larger of two outputs of layer {self.layer} differs for "
                f"{grouped(self.classes.differing)} of "
                f"{plural(self.classes.pairs, 'pair')} of outputs; "
                f"first: {self.classes.first.line}"
            )
        return (
            f"the real values of layer {self.layer}'s integers differ from the source's outputs by "
            f"{self.classes.real_error:.2g} of the largest output"
        )

    def values(self) -> dict[str, Any]:
        """The numbers for JSON; channels only where something differs or is undecided."""
        channels = np.flatnonzero((self.differing > 0) | (self.undecided > 0)).tolist()
        found: dict[str, Any] = {
            "layer": self.layer,
            "name": self.name,
            "exact": self.exact,
            "reachable": int(self.reachable.sum()),
            "differing": int(self.differing.sum()),
            "largest": int(self.largest.max()),
            "undecided": int(self.undecided.sum()),
            "channels": [
                {
                    "channel": c,
                    "reachable": int(self.reachable[c]),
                    "differing": int(self.differing[c]),
                    "largest": int(self.largest[c]),
                    "undecided": int(self.undecided[c]),
                }
                for c in channels
            ],
            "first": [vars(one) for one in self.first],
            "unproven": self.unproven,
            "classes_unproven": self.classes_unproven,
        }
        if self.classes is not None:
            first = self.classes.first
            found["classes"] = {
                **vars(self.classes),
                "first": None
                if first is None
                else {**vars(first), "channels": list(first.channels), "accs": list(first.accs)},
            }
        return found


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether an integer network gives the source's integers for every input.

    ``problem``: why the two cannot be compared, or where their inputs or weights differ; then there
    are no ``layers``.
    """

    layers: tuple[LayerVerdict, ...] = field(default=())
    problem: str | None = None

    @property
    def exact(self) -> bool:
        """Whether nothing differs, nothing is undecided, and everything was compared."""
        return self.problem is None and all(layer.exact for layer in self.layers)

    @property
    def differs(self) -> bool:
        """Whether some input may give other integers or another class than the source."""
        return self.problem is not None or any(layer.differs for layer in self.layers)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        if self.problem is not None:
            return f"not exact: {self.problem}"
        wrong = [layer for layer in self.layers if layer.differs]
        if wrong:
            more = ", ".join(str(layer.layer) for layer in wrong[1:])
            return f"not exact: {wrong[0].difference_line()}" + (
                f" (layers that differ as well: {more})" if more else ""
            )
        unproven = [layer for layer in self.layers if layer.unproven is not None]
        if unproven:
            return f"not proven: {unproven[0].unproven}"
        if self.layers and self.layers[-1].classes_unproven is not None:
            return f"classes not proven: {self.layers[-1].classes_unproven}"
        rounding = " and ".join(self._rounding())
        return f"exact but for rounding in the source: {rounding}" if rounding else EXACT

    def _rounding(self) -> list[str]:
        """Where the order of the source's additions decides a value, and where an order."""
        decides = "the order of the source's floating-point additions decides"
        found = []
        open_ = [layer for layer in self.layers if layer.undecided.any()]
        if open_:
            count = sum(int(layer.undecided.sum()) for layer in open_)
            total = sum(int(layer.reachable.sum()) for layer in open_)
            found.append(
                f"at {grouped(count)} of {plural(total, 'reachable accumulator')} of layer"
                f"{'s' * (len(open_) > 1)} {', '.join(str(layer.layer) for layer in open_)} "
                f"{decides} the value"
            )
        for layer in self.layers:
            if layer.classes is not None and layer.classes.undecided:
                found.append(
                    f"for {grouped(layer.classes.undecided)} of "
                    f"{plural(layer.classes.pairs, 'pair')} of outputs "
                    f"{'it decides' if found else decides} which is larger"
                )
        return found

    def values(self) -> dict[str, Any]:
        """The verdict for JSON."""
        return {
            "exact": self.exact,
            "differs": self.differs,
            "line": self.line,
            "problem": self.problem,
            "layers": [layer.values() for layer in self.layers],
        }
