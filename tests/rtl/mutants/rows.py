"""``python -m tests.rtl.mutants.rows`` prints rows that ``configurations.py`` lacks (two minutes).

They are drawn from a fixed seed and chosen one after the other: the one that adds most (mutants
told apart, pairs of properties) for the code that its simulation takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..configurations import (
    AXI_ROWS,
    LIMITS,
    ROWS,
    SIZES,
    USUAL_ROWS,
    Configuration,
    drawn_admissible,
    possible_pairs,
)
from .elaboration import told
from .elaboration_run import Mutants

DRAWN = 4000
_DEFAULTS = dict(zip(SIZES, (64, 100, 10, 13), strict=False))


def code(c: Configuration) -> int:
    """Roughly the kilobytes of C++ that a simulation of it is."""
    requantiser = 20 + 0.6 * c.bias_bits + 1.2 * c.scale_bits
    lanes = c.lanes * (10 + 8 * c.elements)
    return round(250 + lanes + c.classes * (15 + 6 * c.requants) + c.requants * requantiser)


def chosen(
    pool: Sequence[Configuration], added: Sequence[set[object]], missing: set[object]
) -> list[Configuration]:
    """From the pool, until nothing in it adds anything that is missing."""
    found: list[Configuration] = []
    missing = set(missing)
    while missing:
        gains = [len(each & missing) / (300 + code(c)) for c, each in zip(pool, added, strict=True)]
        best = int(max(range(len(pool)), key=gains.__getitem__))
        if not gains[best]:
            break
        missing -= added[best]
        found.append(pool[best])
    return found


def missing_rows(mutants: Mutants) -> dict[str, list[Configuration]]:
    """By the name of the list that they belong to."""
    untold = [m for m in mutants.by_id.values() if not (m.is_refusal or mutants.is_told(m))]
    core = [m for m in untold if not m.is_around]
    around = [m for m in untold if m.is_around]
    found = {}

    usual = list(drawn_admissible(2, DRAWN, usual=True))
    pairs = set(possible_pairs(usual=True)).difference(
        *(c.pairs_of_properties(usual=True) for c in USUAL_ROWS)
    )
    added: list[set[object]] = [set(c.pairs_of_properties(usual=True)) for c in usual]
    found["USUAL_ROWS"] = chosen(usual, added, set(pairs))

    pool = [*drawn_admissible(3, DRAWN, usual=False), *LIMITS]
    have = [*USUAL_ROWS, *found["USUAL_ROWS"], *ROWS]
    pairs = set(possible_pairs(usual=False)).difference(
        *(c.pairs_of_properties(usual=False) for c in have)
    )
    added = [
        {*c.pairs_of_properties(usual=False), *told(mutants.design, "accelerator", c, core)}
        for c in pool
    ]
    found["ROWS"] = chosen(pool, added, {*pairs, *(m.id for m in core)})

    pool = [c for c in usual if not _DEFAULTS.items() & c.parameters().items()]
    added = [set(told(mutants.design, "accelerator_axi", c, around)) for c in pool]
    found["AXI_ROWS"] = chosen(pool, added, {m.id for m in around})
    assert all(not _DEFAULTS.items() & c.parameters().items() for c in AXI_ROWS)
    return found


def main() -> None:
    for name, rows in missing_rows(Mutants()).items():
        for row in rows:
            print(name, row.name.replace("-", " "))


if __name__ == "__main__":
    main()
