"""KirchhoffNet: circuits that obey Kirchhoff's current law, integrated as neural ODEs.

In these modules KIRCHHOFF stands for Gao, Sun, Rohrer and Boning, "KirchhoffNet: A scalable ultra
fast analog neural network", ICCAD 2024 (arXiv 2310.15872), and its published artifacts.

Reading order: ``devices`` (an edge), ``topologies`` (which nodes the edges join), ``circuit`` (the
current law), ``simulation`` (its integration), ``network`` (slices, inputs and outputs), ``flows``
(densities); then ``configuration`` with ``experiments``, ``arguments``, ``grammars`` and ``fields``
(the paper's YAML), ``recipes`` (ours), ``baselines``, ``models``, ``store`` (files), ``samples``
(data), ``training``, ``evaluation``. ``execution`` chooses among the paths; the fast ones are in
``fast``.
"""

from ohmbench.constants import CONFIG_NAMES
from ohmbench.kirchhoff.baselines import FeedForward, HyperFlow
from ohmbench.kirchhoff.circuit import (
    AutogradDivergence,
    Circuit,
    PlainRightHandSide,
    RightHandSide,
)
from ohmbench.kirchhoff.configuration import Config, config_text, parse_config, read_config
from ohmbench.kirchhoff.devices import ACTIVATIONS, DEVICE_NAMES, Device, DeviceActivation, device
from ohmbench.kirchhoff.evaluation import draw, log_density
from ohmbench.kirchhoff.execution import ExecutionPath, right_hand_side
from ohmbench.kirchhoff.flows import Flow, Samples, log_normal, noise, pull_back, push_forward
from ohmbench.kirchhoff.models import Model, build
from ohmbench.kirchhoff.network import KirchhoffNet
from ohmbench.kirchhoff.recipes import own_config
from ohmbench.kirchhoff.simulation import (
    ADAPTIVE,
    FIXED_STEP,
    Result,
    Solver,
    SolverError,
    integrate,
    integrate_noisy,
)
from ohmbench.kirchhoff.store import (
    StoredKirchhoff,
    load_checkpoint,
    load_kirchhoff,
    save_kirchhoff,
)
from ohmbench.kirchhoff.topologies import (
    GROUND,
    TOPOLOGIES,
    Topology,
    fully_connect,
    mix_connect,
    neighbor_index,
    pregiven,
    simple_connect,
    topology,
)

__all__ = [
    "ACTIVATIONS",
    "ADAPTIVE",
    "CONFIG_NAMES",
    "DEVICE_NAMES",
    "FIXED_STEP",
    "GROUND",
    "TOPOLOGIES",
    "AutogradDivergence",
    "Circuit",
    "Config",
    "Device",
    "DeviceActivation",
    "ExecutionPath",
    "FeedForward",
    "Flow",
    "HyperFlow",
    "KirchhoffNet",
    "Model",
    "PlainRightHandSide",
    "Result",
    "RightHandSide",
    "Samples",
    "Solver",
    "SolverError",
    "StoredKirchhoff",
    "Topology",
    "build",
    "config_text",
    "device",
    "draw",
    "fully_connect",
    "integrate",
    "integrate_noisy",
    "load_checkpoint",
    "load_kirchhoff",
    "log_density",
    "log_normal",
    "mix_connect",
    "neighbor_index",
    "noise",
    "own_config",
    "parse_config",
    "pregiven",
    "pull_back",
    "push_forward",
    "read_config",
    "right_hand_side",
    "save_kirchhoff",
    "simple_connect",
    "topology",
]
