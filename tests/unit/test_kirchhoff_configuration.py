"""Configurations: the paper's are taken as they are, and every fault names its key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ohmbench.errors import FileError
from ohmbench.kirchhoff import topologies
from ohmbench.kirchhoff.arguments import BASELINES, MixConnect, NeighborIndex, Pregiven
from ohmbench.kirchhoff.configuration import (
    EXPERIMENTS,
    INPUTS,
    OUTPUTS,
    Config,
    config_text,
    parse_config,
    read_config,
)
from ohmbench.kirchhoff.devices import DEVICE_NAMES, device
from ohmbench.kirchhoff.grammars import Encoder, Projector, Scheduler
from ohmbench.kirchhoff.simulation import ADAPTIVE, FIXED_STEP
from ohmbench.paper import kirchhoff_results
from tests.unit.hostile_kirchhoff import (
    ARGS,
    IMAGE,
    REMOVED,
    Fault,
    changed,
    classifier,
    config,
    config_faults,
    yaml_of,
)


def with_(base: dict[str, Any], changes: dict[str, Any]) -> Config:
    return parse_config(yaml_of(changed(base, changes)), "made.yaml")


# ------------------------------------------------------------------------------------------------
# The paper's files

PAPER = {
    # name: kind, nodes besides ground, edges of each slice, slices
    "twomoon": ("generation", 2, 300, 2),
    "8gaussians": ("generation", 2, 300, 4),
    "genmnist": ("generation", 784, 50_240, 2),
    "potential1": ("matching", 2, 120, 16),
    "mnist": ("classification", 834, 230_068, 2),
}


@pytest.mark.needs("paper-kirchhoffnet")
def test_the_papers_configurations_are_read() -> None:
    paths = kirchhoff_results().glob("*/config.yaml")
    found = {path.parent.name: read_config(path) for path in paths}
    assert PAPER.keys() & found.keys()
    assert set(found) <= set(EXPERIMENTS)
    for name in PAPER.keys() & found.keys():
        configuration = found[name]
        kind, nodes, edges, slices = PAPER[name]
        network = configuration.network
        assert configuration.test_bench == name
        assert configuration.kind == kind
        assert network.n_free == nodes
        assert [part.args.n_edges for part in network.net_struct] == [edges] * slices
        assert parse_config(config_text(configuration), name) == configuration


TWOMOON = """\
batch_size: 512
network:
  adjoint: true
  initialization: kaiming
  model:
    args: {}
    name: ShiftTanh2
  net_struct:
  - args:
      num_node: 3
      repeat:
      - 25
      - 25
    name: _fully_connect
num_worker: 8
simulation:
  first_step: 1e-3
  method: dopri5
  min_step: 1e-6
  step_size: 1.0e-06
  t_end:
  - 0
  - 0.5
  tol: 1e-4
test_bench: twomoon
train:
  lr: 5e-4
  num_epoch: 5000
  scheduler: cosinelr_50_0.00001
"""


def test_every_key_has_the_meaning_of_the_papers_files() -> None:
    found = parse_config(TWOMOON, "f")
    assert (found.test_bench, found.kind, found.is_flow) == ("twomoon", "generation", True)
    assert (found.batch_size, found.num_worker) == (512, 8)
    network = found.network
    assert (network.model.name, network.initialization, network.adjoint) == (
        "ShiftTanh2",
        "kaiming",
        True,
    )
    assert network.net_struct[0].name == "_fully_connect"
    assert network.net_struct[0].args.model_dump() == {
        "num_node": 3,
        "include_gnd": True,
        "repeat": (25, 25),
    }
    assert (network.projector, network.encoder) == (Projector(), Encoder())
    assert (network.fill, network.residual) == ("zeros", False)
    simulation = found.simulation
    assert simulation.t_end == (0.0, 0.5)
    assert all(type(t) is float for t in simulation.t_end)
    steps = (simulation.tol, simulation.first_step, simulation.min_step, simulation.step_size)
    assert steps == (1e-4, 1e-3, 1e-6, 1e-6)
    assert simulation.is_adaptive
    train = found.train
    assert (train.lr, train.num_epoch, train.save_epoch) == (5e-4, 5000, 1)
    assert train.scheduler == Scheduler("cosinelr", 50, eta=1e-5)
    assert train.resample is False
    assert found.test.metric == ()
    assert found.visualization is None


# ------------------------------------------------------------------------------------------------
# Every experiment, device, topology and method


def test_the_tables_of_experiments_agree() -> None:
    assert set(INPUTS) == set(EXPERIMENTS)
    targets = {name for name, kind in EXPERIMENTS.items() if kind[-3:] == "ion" and kind[0] in "rc"}
    assert set(OUTPUTS) == targets
    assert len(EXPERIMENTS) == 18


def _sized(name: str) -> Config:
    """A configuration of experiment ``name`` whose sizes fit its data."""
    inputs, kind = INPUTS[name], EXPERIMENTS[name]
    if kind in ("generation", "matching"):
        part = {"name": "_fully_connect", "args": {"num_node": inputs + 1}}
        changes: dict[str, Any] = {"test_bench": name, "network.net_struct": [part, part]}
        return with_(config(), changes)
    if kind == "regression":
        part = {"name": "_fully_connect", "args": {"num_node": inputs + 2}}
        changes = {"test_bench": name, "network.net_struct": [part], "network.projector": "last1"}
        return with_(classifier(), changes)
    side = {"mnist": 28, "tinyimage": 64}.get(name, 32)
    channels = inputs // side**2
    sizes = {"num_channel": channels, "width": side, "height": side, "neighbor_size": 2}
    changes = {f"{ARGS}.{key}": value for key, value in sizes.items()}
    changes[f"{ARGS}.fully_connect_node"] = OUTPUTS[name]
    return with_(
        classifier(),
        {**changes, "test_bench": name, "network.projector": f"last{OUTPUTS[name]}"},
    )


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_every_experiment_can_be_configured(name: str) -> None:
    found = _sized(name)
    assert found.test_bench == name
    assert found.is_flow == (found.kind in ("generation", "matching"))
    assert parse_config(config_text(found), "again") == found


@pytest.mark.parametrize("name", [name for name in DEVICE_NAMES if name != "Device"])
def test_every_device_can_be_named(name: str) -> None:
    assert with_(config(), {"network.model": {"name": name}}).network.model.name == name
    assert device(name).name == name


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid", "softplus"])
def test_the_general_device_takes_an_activation(activation: str) -> None:
    model = {"name": "Device", "args": {"activation": activation, "difference": False}}
    found = with_(config(), {"network.model": model}).network.model
    assert device(found.name, **found.args.model_dump()).activation.name == activation


@pytest.mark.parametrize("method", [*ADAPTIVE, *FIXED_STEP])
def test_every_method_can_be_named(method: str) -> None:
    simulation = with_(config(), {"simulation.method": method}).simulation
    assert simulation.method == method
    assert simulation.is_adaptive == (method in ADAPTIVE)


WINDOW = {**IMAGE, "padding": True, "repeat": 2, "sharing": True, "parallel": 2}
PARTS: dict[str, dict[str, Any]] = {
    "_fully_connect": {"num_node": 5, "include_gnd": False, "repeat": [1, 2]},
    "_neighbor_index": {**WINDOW, "width": 4, "height": 3, "num_channel": 2},
    "_mix_connect": {
        **IMAGE,
        "width": 5,
        "height": 4,
        "fully_connect_node": 3,
        "repeat": [2, 1],
        "kernel_repeat": 2,
        "padding": True,
    },
    "_simple_connect": {"num_node": 6, "repeat": [1, 0]},
    "_pregiven": {"edges": [[1, 2], [2, 4], [3, 1]], "repeat": [1, 2], "num_feature": 3},
}


@pytest.mark.parametrize("name", list(topologies.TOPOLOGIES))
def test_every_topology_has_the_sizes_its_arguments_say(name: str) -> None:
    part = {"name": name, "args": PARTS[name]}
    changes = {"network.net_struct": [part], "test_bench": "toyregress"}
    found = with_(classifier(), {**changes, "network.projector": "last1"}).network
    circuit = topologies.topology(name, found.net_struct[0].args.model_dump())
    assert (found.n_free, found.n_edges) == (circuit.n_free, circuit.n_edges)


@given(
    channels=st.integers(1, 2),
    width=st.integers(1, 6),
    height=st.integers(1, 6),
    window=st.integers(1, 7),
    padding=st.booleans(),
    repeat=st.integers(1, 2),
    extra=st.integers(0, 2),
)
def test_edges_of_windows_are_counted_as_the_generator_makes_them(
    channels: int, width: int, height: int, window: int, padding: bool, repeat: int, extra: int
) -> None:
    image = {"num_channel": channels, "width": width, "height": height, "neighbor_size": window}
    try:
        block = NeighborIndex(**image, padding=padding, repeat=repeat, parallel=2)
    except ValidationError:
        return
    circuit = topologies.topology("_neighbor_index", block.model_dump())
    assert (block.n_free, block.n_edges) == (circuit.n_free, circuit.n_edges)
    mixed = MixConnect(
        **image, padding=padding, kernel_repeat=repeat, fully_connect_node=extra, repeat=(1, 2)
    )
    circuit = topologies.topology("_mix_connect", mixed.model_dump())
    assert (mixed.n_free, mixed.n_edges) == (circuit.n_free, circuit.n_edges)


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 5)).filter(lambda pair: pair[0] != pair[1]),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 3),
)
def test_edges_of_a_given_graph_are_counted_as_the_generator_makes_them(
    edges: list[tuple[int, int]], features: int
) -> None:
    given_graph = Pregiven(edges=tuple(edges), num_feature=features, repeat=(2, 1))
    circuit = topologies.topology("_pregiven", given_graph.model_dump())
    assert (given_graph.n_free, given_graph.n_edges) == (circuit.n_free, circuit.n_edges)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_have_no_slices_and_one_interval(name: str) -> None:
    alone = {"network.net_struct": REMOVED, "simulation.t_end": [0, 1]}
    if name == "FeedForward":
        model = {"name": name, "args": {"hidden": [64, 32]}}
        found = with_(classifier(), {**alone, "network.model": model})
        assert found.network.model.args.hidden == (64, 32)
    else:
        model = {"name": name, "args": {"hidden": 32, "width": 16}}
        found = with_(config(), {**alone, "network.model": model})
        assert (found.network.model.args.hidden, found.network.model.args.width) == (32, 16)
    assert found.network.is_baseline
    assert (found.network.n_free, found.network.n_edges) == (0, 0)
    assert parse_config(config_text(found), "again") == found


# ------------------------------------------------------------------------------------------------
# Files of experiments whose own files are not at hand


def test_a_colour_classifier_shares_and_copies() -> None:
    window = {**WINDOW, "num_channel": 3, "width": 32, "height": 32, "padding": False}
    part = {"name": "_neighbor_index", "args": {**window, "neighbor_size": 2, "repeat": 1}}
    nodes = 2 * 3 * 32 * 32
    found = with_(
        classifier(),
        {
            "test_bench": "svhn",
            "network.net_struct": [part, part],
            "network.projector": f"mlp_{nodes}_10",
            "network.fill": "repeat",
            "simulation.t_end": [0, 1, 2],
        },
    )
    assert found.network.n_free == nodes
    assert found.network.projector == Projector("mlp", nodes, 10)
    assert found.network.n_edges == 2 * 2 * 31 * 31 * 12 * 11
    assert found.network.net_struct[1].args.sharing


def test_an_encoded_classifier() -> None:
    found = with_(
        classifier(),
        {
            "test_bench": "cifar100",
            "network.encoder": "mlp_3072_500",
            "network.projector": "first100",
            "network.residual": True,
        },
    )
    assert found.network.encoder == Encoder("mlp", 3072, 500)
    assert found.network.residual


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, Projector()),
        ("none", Projector()),
        ("last10", Projector("last", 10)),
        ("first10", Projector("first", 10)),
        ("mlp_790_10", Projector("mlp", 790, 10)),
        ("reshape10", Projector("reshape", 10)),
    ],
)
def test_projectors(text: str | None, value: Projector) -> None:
    # 790 nodes: 784 pixels and 6 more. A flow reads nothing out, so that any of them is allowed.
    found = with_(config(), {"network.projector": text}).network.projector
    assert found == value
    assert with_(config(), {"network.projector": str(found)}).network.projector == value
    if value.kind != "none":
        sized = {f"{ARGS}.fully_connect_node": 6, "network.projector": text}
        assert with_(classifier(), sized).network.projector == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, Scheduler()),
        ("none", Scheduler()),
        ("steplr_100_0.3", Scheduler("steplr", 100, gamma=0.3)),
        ("steplr_7_1", Scheduler("steplr", 7, gamma=1.0)),
        ("cosinelr_50_0.00001", Scheduler("cosinelr", 50, eta=1e-5)),
        ("cosinelr_50_1e-05", Scheduler("cosinelr", 50, eta=1e-5)),
        ("cosinelr_10_0", Scheduler("cosinelr", 10, eta=0.0)),
    ],
)
def test_schedulers(text: str | None, value: Scheduler) -> None:
    found = with_(config(), {"train.scheduler": text}).train.scheduler
    assert found == value
    assert with_(config(), {"train.scheduler": str(found)}).train.scheduler == value


@given(st.integers(1, 9_999_999), st.floats(0, 1, exclude_min=True))
def test_schedulers_are_written_as_they_are_read(epochs: int, factor: float) -> None:
    for value in (
        Scheduler("steplr", epochs, gamma=factor),
        Scheduler("cosinelr", epochs, eta=factor),
    ):
        if factor >= 1e-99:
            assert with_(config(), {"train.scheduler": str(value)}).train.scheduler == value


def test_whole_numbers_are_numbers() -> None:
    found = with_(config(), {"simulation.t_end": [0, 1, 2], "train.lr": 1, "simulation.tol": 1})
    values = (*found.simulation.t_end, found.train.lr, found.simulation.tol)
    assert all(type(value) is float for value in values)


def test_a_configuration_cannot_be_changed() -> None:
    found = with_(config(), {})
    with pytest.raises(ValidationError, match="frozen"):
        found.batch_size = 3  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------
# Faults


def judge_fault(read: Callable[[str, str], Any], fault: Fault) -> None:
    """The fault is refused in one line that names its key and says what is wrong with it."""
    refusal = None
    try:
        read(fault.text, "my.yaml")
    except FileError as error:
        refusal = error
    assert refusal is not None, f"{fault.name} is accepted"
    message, field = str(refusal), refusal.field
    assert field == fault.field, f"names {field!r}, not {fault.field!r}: {message}"
    assert fault.complaint in message, f"does not say {fault.complaint!r}: {message}"
    assert message.startswith("my.yaml: "), message
    assert message.isprintable(), message
    assert len(message) < 1000, message


@pytest.mark.parametrize("fault", config_faults(), ids=lambda fault: fault.name)
def test_every_fault_names_its_key(fault: Fault) -> None:
    judge_fault(parse_config, fault)


def test_the_templates_of_the_faults_are_good() -> None:
    assert with_(config(), {}).network.n_edges == 36
    assert with_(classifier(), {}).network.n_free == 794


@pytest.mark.parametrize("text", ["[]", "twomoon", "null", "3"])
def test_what_is_no_mapping_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(FileError, match=r"my\.yaml: expected a mapping") as caught:
        parse_config(text, "my.yaml")
    assert caught.value.field is None


def test_faults_of_yaml_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(TWOMOON + "batch_size: 3\n")
    with pytest.raises(FileError, match=r"key 'batch_size' occurs twice \(line 30\)"):
        read_config(path)


def test_a_misspelt_key_is_called_unknown_rather_than_missing() -> None:
    base = config()
    base["train"]["learning_rate"] = base["train"].pop("lr")
    with pytest.raises(FileError, match=r"train\.learning_rate: unknown key, known here: lr,"):
        parse_config(json.dumps(base), "f")


# ------------------------------------------------------------------------------------------------
# The judge goes red


def _fault(name: str) -> Fault:
    return next(fault for fault in config_faults() if fault.name == name)


def _without_times(text: str, source: str) -> Any:
    """A reader that forgets to check t_end."""
    try:
        return parse_config(text, source)
    except FileError as error:
        if error.field is not None and error.field.startswith("simulation.t_end"):
            return None
        raise


def _nameless(text: str, source: str) -> Any:
    try:
        return parse_config(text, source)
    except FileError as error:
        raise FileError(source, error.reason) from error


def _vague(text: str, source: str) -> Any:
    try:
        return parse_config(text, source)
    except FileError as error:
        raise FileError(source, "is wrong", field=error.field) from error


@pytest.mark.parametrize(
    ("read", "fault", "complaint"),
    [
        pytest.param(_without_times, "t_end-start", "t_end-start is accepted", id="t_end-start"),
        pytest.param(_without_times, "t_end-falls", "t_end-falls is accepted", id="t_end-falls"),
        pytest.param(_nameless, "lr-zero", "names None, not 'train.lr'", id="no-key"),
        pytest.param(_vague, "lr-zero", "does not say 'more than 0'", id="vague"),
    ],
)
def test_planted_faults_of_the_reader_are_caught(
    read: Callable[[str, str], Any], fault: str, complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_fault(read, _fault(fault))
    judge_fault(parse_config, _fault(fault))
