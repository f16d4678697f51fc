"""The sizes of the data of the paper's experiments."""

from __future__ import annotations

from ohmbench.constants import EXPERIMENTS, Kind

OWN: tuple[Kind, ...] = ("generation", "regression", "classification")
"""``test_bench`` of a configuration with the user's own data: the purpose of the network."""

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
