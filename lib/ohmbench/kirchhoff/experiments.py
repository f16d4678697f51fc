"""The paper's experiments under the names in its files, and the sizes of their data."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["generation", "matching", "regression", "classification"]

OWN: tuple[Kind, ...] = ("generation", "regression", "classification")
"""``test_bench`` of a configuration with the user's own data: the purpose of the network."""

EXPERIMENTS: dict[str, Kind] = {
    **dict.fromkeys(
        (
            "twomoon",
            "circle",
            "8gaussians",
            "2spirals",
            "pinwheel",
            "swissroll",
            "gauss",
            "genmnist",
        ),
        "generation",
    ),
    **dict.fromkeys(("potential1", "potential2"), "matching"),
    **dict.fromkeys(("toyregress", "diabete", "housing"), "regression"),
    **dict.fromkeys(("mnist", "svhn", "cifar10", "cifar100", "tinyimage"), "classification"),
}
"""``test_bench`` -> purpose of the network."""

INPUTS: dict[str, int] = {
    **dict.fromkeys(EXPERIMENTS, 2),
    **dict.fromkeys(("genmnist", "mnist"), 28 * 28),
    **dict.fromkeys(("svhn", "cifar10", "cifar100"), 3 * 32 * 32),
    "tinyimage": 3 * 64 * 64,
    "toyregress": 5,
    "diabete": 10,
    "housing": 8,
}
"""``test_bench`` -> number of values in one sample."""

OUTPUTS: dict[str, int] = {
    **dict.fromkeys(("toyregress", "diabete", "housing"), 1),
    **dict.fromkeys(("mnist", "svhn", "cifar10"), 10),
    "cifar100": 100,
    "tinyimage": 200,
}
"""``test_bench`` of a regression or classification -> number of outputs."""
