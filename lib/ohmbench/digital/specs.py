"""The int8 networks known by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Int8Spec:
    """A network's name, its sizes (inputs, hidden, classes) and the data set to evaluate it on."""

    name: str
    sizes: tuple[int, int, int]
    dataset: str


INT8_SPECS = {
    spec.name: spec
    for spec in (
        Int8Spec("int8-digits", (64, 100, 10), "digits-fann"),
        Int8Spec("int8-mnist28", (784, 64, 10), "mnist"),
    )
}
"""Name -> spec."""
