"""Names and defaults that the command line shares with what it runs.

This module imports nothing beyond the standard library, so that help and completion load no numpy
and no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["generation", "matching", "regression", "classification"]

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
"""The KirchhoffNet paper's experiments: ``test_bench`` -> what the network is trained for."""

PAPER_V3 = "paper-v3"
PAPER_INT8 = "paper-int8"
PAPER_PREFIX = "paper-"
PAPER_NAMES = (PAPER_V3, PAPER_INT8, *(PAPER_PREFIX + name for name in EXPERIMENTS))
PAPER_SHORT = f"{PAPER_V3}, {PAPER_INT8}, {PAPER_PREFIX}EXPERIMENT"
"""The names of ``PAPER_NAMES``, which fill a page."""

FANN_VARIABLE = "OHMBENCH_PAPER_FANN"
FANN_OPTION = "--paper-fann"
KIRCHHOFF_VARIABLE = "OHMBENCH_PAPER_KIRCHHOFFNET"
KIRCHHOFF_OPTION = "--paper-kirchhoffnet"
DATA_VARIABLE = "OHMBENCH_DATA"
MODELS_VARIABLE = "OHMBENCH_MODELS"
FETCH_PAPERS = "ohmbench fetch papers"
"""The command that gets the papers' files."""
KIRCHHOFF_CONFIG, KIRCHHOFF_CHECKPOINT = "config.yaml", "model.pth"

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
MANIFEST = WEIGHTS_FOLDER / "manifest.json"
CONFIGS_FOLDER = Path(__file__).parent / "kirchhoff" / "configs"

FLOATGATE_NAMES = ("floatgate-digits", "floatgate-circles")
INT8_NAMES = ("int8-digits", "int8-mnist28")
CONFIG_NAMES = tuple(sorted(path.stem for path in CONFIGS_FOLDER.glob("*.yaml")))
TRAININGS = (*FLOATGATE_NAMES, *INT8_NAMES, *CONFIG_NAMES)
"""The names of all trainings, in the order of help: the recipes of each family."""

JUDGE_TOL = 1e-5
"""Tolerance, V and nats, at which densities are judged; ten times less changes no figure shown."""

SAMPLES_DRAWN = 5000
"""Samples of a flow that figures show."""
IMAGES_DRAWN = 1000
"""Images of a classification that figures are about."""
