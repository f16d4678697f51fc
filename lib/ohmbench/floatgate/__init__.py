"""Floating-gate networks on an FPAA: cells, circuits, networks, programming, power.

Reading order: ``card`` (the constants of one device), ``synapse`` (one cell and its row),
``transistor``, ``sigmoid``, ``relu``, ``wta`` (the circuits behind a row), ``circuits`` (all models
of one device), ``layers``, ``networks``, then ``programming`` (what an array can hold),
``evaluation``, ``power``, ``configuration`` (the user's own networks), ``store`` (files),
``training``. ``piecewise`` and ``ranges`` hold the machinery of the fitted curves, ``operands`` the
checks of arguments.
"""

from ohmbench.floatgate.card import Card, load_card
from ohmbench.floatgate.circuits import Activation, Circuits
from ohmbench.floatgate.evaluation import Evaluation, evaluate
from ohmbench.floatgate.layers import FGLayer
from ohmbench.floatgate.networks import SPECS, FGNetwork, NetworkSpec, network_spec
from ohmbench.floatgate.power import (
    energy_per_inference,
    max_power,
    mean_power_per_class,
    power_of_first_image_per_class,
    power_per_image,
)
from ohmbench.floatgate.programming import FG_ARRAY, FG_ARRAY_WTA, ProgrammableSet
from ohmbench.floatgate.ranges import count_out_of_range
from ohmbench.floatgate.relu import relu, relu_smooth
from ohmbench.floatgate.rows import line_currents
from ohmbench.floatgate.sigmoid import sigmoid
from ohmbench.floatgate.store import StoredNetwork, load_network, save_network
from ohmbench.floatgate.synapse import EKV, SUBTHRESHOLD, WTA_CELL, LineCurrents
from ohmbench.floatgate.transistor import Line, current_to_voltage
from ohmbench.floatgate.wta import wta, wta_transistor

__all__ = [
    "EKV",
    "FG_ARRAY",
    "FG_ARRAY_WTA",
    "SPECS",
    "SUBTHRESHOLD",
    "WTA_CELL",
    "Activation",
    "Card",
    "Circuits",
    "Evaluation",
    "FGLayer",
    "FGNetwork",
    "Line",
    "LineCurrents",
    "NetworkSpec",
    "ProgrammableSet",
    "StoredNetwork",
    "count_out_of_range",
    "current_to_voltage",
    "energy_per_inference",
    "evaluate",
    "line_currents",
    "load_card",
    "load_network",
    "max_power",
    "mean_power_per_class",
    "network_spec",
    "power_of_first_image_per_class",
    "power_per_image",
    "relu",
    "relu_smooth",
    "save_network",
    "sigmoid",
    "wta",
    "wta_transistor",
]
