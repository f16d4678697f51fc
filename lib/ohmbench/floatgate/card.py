"""Device cards: the constants of a floating-gate array and of the circuits around it.

A card is a YAML file. ``cards/fg-350nm.yaml`` is the card of the paper's device; its comments give
the formula of each part. A user's own card has the same keys. ``circuits`` builds models from a
card.
"""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ohmbench.errors import FileError
from ohmbench.fields import FROM_LIST, StrictModel, bounded, checked, fault
from ohmbench.files import read_yaml

CARDS_FOLDER = Path(__file__).parents[1] / "cards"
CARD_NAMES = tuple(sorted(path.stem for path in CARDS_FOLDER.glob("fg-*.yaml")))
"""The cards that come with ohmbench: the stems of ``cards/fg-*.yaml``."""
DEFAULT_CARD = "fg-350nm"

# Wide enough for any real device, and narrow enough that derived values fit float32.
_Number = Annotated[float, bounded(low=-1e12, high=1e12)]
_Positive = Annotated[float, bounded(above=0, high=1e12)]
_Volts = Annotated[float, bounded(above=0, high=100)]
_Current = Annotated[float, bounded(low=1e-20, high=1)]
_CurrentOrNone = Annotated[float, bounded(low=0, high=1)]
_Slope = Annotated[float, bounded(above=0, high=1000)]
_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_Pair = Annotated[tuple[_Number, _Number], FROM_LIST]


def _ascending(values: tuple[float, ...], field: str) -> None:
    if list(values) != sorted(set(values)):
        raise fault(f"{list(values)}, expected ascending numbers", field)


class Programmable(StrictModel):
    """The currents that the array can be programmed to (``programming.ProgrammableSet``)."""

    w_min_A: _Current
    w_max_A: _Current
    bits: Annotated[int, Field(ge=1, le=20)]

    @model_validator(mode="after")
    def _is_a_range(self) -> Programmable:
        _ascending((self.w_min_A, self.w_max_A), "w_max_A")
        return self


class FittedCell(StrictModel):
    """The ranges in which a cell's fit is valid, and the reason for them (``basis``)."""

    v_V: _Pair
    w_A: _Pair
    basis: _Text

    @model_validator(mode="after")
    def _are_ranges(self) -> FittedCell:
        _ascending(self.v_V, "v_V")
        _ascending(self.w_A, "w_A")
        return self


class EKVConstants(StrictModel):
    """Constants of ``synapse.EKVCell``. ``Is`` and ``b`` must decrease with ``ln|w|``."""

    form: Literal["ekv"]
    is1_A: Annotated[float, bounded(low=-1, high=-1e-20)]
    is0_A: Annotated[float, bounded(low=-1, high=1)]
    a_per_V: _Slope
    b1: Annotated[float, bounded(low=-1000, high=0)]
    b0: Annotated[float, bounded(low=-1000, high=1000)]
    i_leak_A: _CurrentOrNone
    fitted: FittedCell

    @property
    def largest_A(self) -> float:
        """The formula holds for weights below this current (A)."""
        return math.exp(min(700.0, -self.is0_A / self.is1_A))


class SubthresholdConstants(StrictModel):
    """Constants of ``synapse.SubthresholdCell``."""

    form: Literal["subthreshold"]
    k1_per_V: Annotated[float, bounded(low=-1000, high=-1e-6)]
    k0_per_V: Annotated[float, bounded(low=-10_000, high=10_000)]
    i_leak_A: _CurrentOrNone
    fitted: FittedCell

    @property
    def largest_A(self) -> float:
        """The slope of the exponent is positive below this current (A); at most 1e300."""
        return float(10.0 ** min(300.0, -self.k0_per_V / self.k1_per_V))


class WTAConstants(StrictModel):
    """Constants of ``synapse.WTACell``; ``w_max_A`` is the cells' largest programmable current."""

    form: Literal["wta"]
    is1: Annotated[float, bounded(low=-1e6, high=-1e-12)]
    is0_A: _Current
    a1_per_V_A: _Number
    a0_per_V: _Slope
    b1_per_A: _Number
    b0: _Number
    i_leak_A: _CurrentOrNone
    w_max_A: _Current
    fitted: FittedCell

    @property
    def largest_A(self) -> float:
        """``Is`` is positive below this current (A)."""
        return -self.is0_A / self.is1


class LineEnd(StrictModel):
    """Current and voltage at which a line's transistor saturates."""

    i_last_A: _Current
    v_last_V: _Volts


class Lines(StrictModel):
    """Constants of ``transistor``. The two lines differ only in the point where they saturate."""

    i_cutoff_A: _Current
    i_cubic_A: _Current
    cubic_V: Annotated[tuple[_Number, ...], Field(min_length=4, max_length=4), FROM_LIST]
    logarithm: Annotated[tuple[_Number, ...], Field(min_length=6, max_length=6), FROM_LIST]
    positive: LineEnd
    negative: LineEnd

    @model_validator(mode="after")
    def _regions_follow(self) -> Lines:
        for name, end in (("positive", self.positive), ("negative", self.negative)):
            _ascending((self.i_cutoff_A, self.i_cubic_A, end.i_last_A), f"{name}.i_last_A")
        return self


class SigmoidRegion(StrictModel):
    """Volt: ``(h1 p + h0) / (1 + exp((s1 p + s0)(p - n) + (o1 p + o0))) + (t1 p + t0)``."""

    h1: _Number
    h0: _Number
    s1: _Number
    s0: _Number
    o1: _Number
    o0: _Number
    t1: _Number
    t0: _Number


class SigmoidConstants(StrictModel):
    """Constants of ``sigmoid``. A boundary in ``p`` belongs to the region on its left."""

    p_edges_V: Annotated[tuple[_Number, ...], Field(max_length=20), FROM_LIST]
    regions: Annotated[tuple[SigmoidRegion, ...], Field(max_length=21), FROM_LIST]

    @model_validator(mode="after")
    def _a_region_on_either_side(self) -> SigmoidConstants:
        _ascending(self.p_edges_V, "p_edges_V")
        if len(self.regions) != len(self.p_edges_V) + 1:
            raise fault(
                f"{len(self.regions)}, expected {len(self.p_edges_V) + 1} for "
                f"{len(self.p_edges_V)} edges",
                "regions",
            )
        return self


class OffBranch(StrictModel):
    """Output of a ReLU below 0 A: ``height / (1 + exp(x0 + x1 lg|I|))``."""

    height_V: _Number
    x0: _Number
    x1: _Number


class ReluConstants(StrictModel):
    """Constants of ``relu.relu_curve``; ``decades`` are lg of the edge currents in ampere."""

    off: OffBranch
    floor_V: _Number
    ceiling_V: _Number
    decades: _Pair
    logarithms_V: Annotated[tuple[_Pair, ...], Field(min_length=3, max_length=3), FROM_LIST]

    @property
    def i_floor_A(self) -> float:
        """Current (A) at which the first logarithm leaves the floor."""
        a, b = self.logarithms_V[0]
        return math.exp((self.floor_V - b) / a)

    @property
    def i_ceiling_A(self) -> float:
        """Current (A) at which the last logarithm reaches the ceiling."""
        a, b = self.logarithms_V[2]
        return math.exp((self.ceiling_V - b) / a)

    @model_validator(mode="after")
    def _regions_follow(self) -> ReluConstants:
        for k in (0, 2):
            a, b = self.logarithms_V[k]
            end = self.floor_V if k == 0 else self.ceiling_V
            if not a > 0 or abs(end - b) > 700 * a:
                raise fault(f"[{a!r}, {b!r}] does not reach {end!r} V", f"logarithms_V[{k}]")
        knee, strong = self.decades
        if max(map(abs, self.decades)) > 300:  # larger exponents overflow a float
            raise fault(f"{list(self.decades)}, expected exponents from -300 to 300", "decades")
        edges = (self.i_floor_A, 10**knee, 10**strong, self.i_ceiling_A)
        _ascending(edges, "decades")
        return self


class ReluSmoothConstants(StrictModel):
    """Constants of ``relu.relu_smooth_curve``."""

    off: OffBranch
    base_V: _Number
    exponential: Annotated[tuple[_Number, ...], Field(min_length=3, max_length=3), FROM_LIST]
    logistic: Annotated[tuple[_Number, ...], Field(min_length=4, max_length=4), FROM_LIST]
    ceiling_V: _Number
    i_ceiling_A: _Current


class FittedCurrent(StrictModel):
    """The range of currents in which a fitted curve is valid, and the reason for it (``basis``)."""

    i_A: _Pair
    basis: _Text

    @model_validator(mode="after")
    def _is_a_range(self) -> FittedCurrent:
        _ascending(self.i_A, "i_A")
        return self


class WTACurveConstants(StrictModel):
    """Constants of ``wta.wta_curve``."""

    height: Annotated[float, bounded(above=0, high=1e6)]
    x0: _Number
    x1: _Positive
    fitted: FittedCurrent


class Logits(StrictModel):
    """How output voltages become logits: ``per_V (v - zero_V)``."""

    zero_V: _Number
    per_V: Annotated[float, bounded(above=0, high=1e6)]


class PowerConstants(StrictModel):
    """Bias currents of each neuron's circuits, and of the circuits that all neurons share."""

    per_neuron_A: _CurrentOrNone
    shared_A: _CurrentOrNone


class Card(StrictModel):
    """One device. Its networks can use only the circuits that the card describes."""

    card: Literal["floatgate"]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[int, Field(ge=1)]
    source: _Text
    supply_V: _Volts
    programmable: Programmable
    cell: Annotated[EKVConstants | SubthresholdConstants, Field(discriminator="form")]
    positive_cell: WTAConstants | None = None
    lines: Lines | None = None
    sigmoid: SigmoidConstants | None = None
    relu: ReluConstants | None = None
    relu_smooth: ReluSmoothConstants | None = None
    wta: WTACurveConstants | None = None
    logits: Logits
    power: PowerConstants

    @model_validator(mode="after")
    def _parts_fit(self) -> Card:
        if (self.lines is None) != (self.sigmoid is None):
            missing = "lines" if self.lines is None else "sigmoid"
            raise fault("missing: a sigmoid needs both lines and sigmoid", missing)
        if (self.wta is None) != (self.positive_cell is None):
            missing = "wta" if self.wta is None else "positive_cell"
            raise fault("missing: winner-take-all needs both wta and positive_cell", missing)
        if all(c is None for c in (self.sigmoid, self.relu, self.relu_smooth, self.wta)):
            raise fault("missing: needs one of sigmoid, relu, relu_smooth and wta", "sigmoid")
        if self.programmable.w_max_A >= self.cell.largest_A:
            raise fault(
                f"{self.programmable.w_max_A!r}, expected less than "
                f"{self.cell.largest_A:.4g}, where the cell's formula ends",
                "programmable.w_max_A",
            )
        positive = self.positive_cell
        if positive is not None and not (
            self.programmable.w_min_A < positive.w_max_A < positive.largest_A
        ):
            raise fault(
                f"{positive.w_max_A!r}, expected more than programmable.w_min_A and less than "
                f"{positive.largest_A:.4g}, where the cell's formula ends",
                "positive_cell.w_max_A",
            )
        return self


CELL_FORMS = frozenset(("ekv", "subthreshold"))


def card_of(value: Any, source: str) -> Card:
    """The card in ``value``, as parsed from YAML; error messages call its file ``source``.

    Raises FileError whose ``field`` is the dotted path of the wrong key.
    """
    return checked(Card, value, source, CELL_FORMS)


@cache
def _shipped(name: str) -> Card:
    path = CARDS_FOLDER / f"{name}.yaml"
    return card_of(read_yaml(path), os.fspath(path))


def load_card(name: str = DEFAULT_CARD, *, folder: str | os.PathLike[str] = ".") -> Card:
    """The shipped card ``name``, or the card in the file ``name``, relative to ``folder``.

    Raises FileError if neither exists or the file does not hold a valid card.
    """
    if name in CARD_NAMES:
        return _shipped(name)
    path = Path(folder, name)
    # os.path.exists, because Path.exists raises for names that are too long and unreadable folders.
    if path.suffix.lower() not in (".yaml", ".yml") and not os.path.exists(path):
        raise FileError(
            name,
            "no such card",
            remedy=f"choose one of {', '.join(CARD_NAMES)}; or give the path of a YAML file",
        )
    return card_of(read_yaml(path), os.fspath(path))
