"""The paper's configuration files, exactly as published.

The keys are those of the published files (KIRCHHOFF); ``data``, ``train.resample`` and the
baselines are ours. A `Config` has been checked completely: type and range of each key, the
arguments of each topology and device, and combinations (slices and end times, nodes and data, nodes
and projector). Sizes are bounded, so a stranger's file cannot request all of the memory.
"""

from __future__ import annotations

import math
import os
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from ohmbench.constants import EXPERIMENTS, Kind
from ohmbench.data.own import Dataset, OwnData, found_in
from ohmbench.fields import (
    FROM_LIST,
    StrictModel,
    bounded,
    checked,
    fault,
    found,
    one_of,
    yaml_text,
)
from ohmbench.files import parse_yaml, read_yaml
from ohmbench.kirchhoff.arguments import BASELINES, Model, Slice
from ohmbench.kirchhoff.devices import DEVICE_NAMES
from ohmbench.kirchhoff.experiments import INPUTS, OUTPUTS, OWN
from ohmbench.kirchhoff.fields import MAX_NODES
from ohmbench.kirchhoff.grammars import (
    Encoder,
    Projector,
    Scheduler,
    parse_encoder,
    parse_projector,
    parse_residual,
    parse_scheduler,
)
from ohmbench.kirchhoff.simulation import ADAPTIVE, FIXED_STEP
from ohmbench.kirchhoff.topologies import TOPOLOGIES

MAX_EDGES = 50_000_000  # all slices together
MAX_SLICES = 1000
MAX_STEPS = 1_000_000  # for a fixed-step method, all slices together
MAX_TIME = 1e4
MIN_STEP = 1e-12  # in time; a double near 1e4 has a resolution of 2e-12

_Step = Annotated[float, bounded(low=MIN_STEP, high=MAX_TIME)]
_Count = Annotated[int, Field(ge=1, le=10_000_000)]


class Network(StrictModel):
    """``n_free`` voltages that pass through one circuit after another.

    ``residual`` adds the input voltages of a slice to its end voltages (the artifacts always leave
    it null; this reading is ours). ``fill`` says how a sample narrower than the circuit is widened:
    with zeros after it, or repeated.
    """

    model: Annotated[Model, Field(discriminator="name")]
    net_struct: Annotated[
        tuple[Annotated[Slice, Field(discriminator="name")], ...],
        Field(max_length=MAX_SLICES),
        FROM_LIST,
    ] = ()
    initialization: Literal["uniform", "zeros", "ones", "xavier", "gauss", "kaiming"]
    adjoint: bool = True
    projector: Annotated[Projector, BeforeValidator(parse_projector), PlainSerializer(str)] = (
        Projector()
    )
    encoder: Annotated[Encoder, BeforeValidator(parse_encoder), PlainSerializer(str)] = Encoder()
    fill: Literal["zeros", "repeat"] = "zeros"
    residual: Annotated[bool, BeforeValidator(parse_residual)] = False

    @property
    def is_baseline(self) -> bool:
        """Whether the model is a baseline for comparison instead of a circuit."""
        return self.model.name in BASELINES

    @property
    def n_free(self) -> int:
        """Number of nodes without ground, the same in all slices; 0 for a baseline."""
        return self.net_struct[0].args.n_free if self.net_struct else 0

    @property
    def n_edges(self) -> int:
        """Number of edges of all slices together; 0 for a baseline."""
        return sum(part.args.n_edges for part in self.net_struct)

    @model_validator(mode="after")
    def _slices_fit(self) -> Network:
        if self.is_baseline == bool(self.net_struct):
            expected = "none" if self.is_baseline else "at least 1"
            raise fault(
                f"{len(self.net_struct)} slices, expected {expected} for a {self.model.name}",
                "net_struct",
            )
        for number, part in enumerate(self.net_struct):
            where = f"net_struct[{number}].args"
            n_free = part.args.n_free
            if n_free > MAX_NODES:
                raise fault(f"{n_free} nodes, at most {MAX_NODES} are accepted", where)
            if n_free != self.n_free:
                raise fault(
                    f"{n_free} nodes besides ground, expected {self.n_free} as in the first slice",
                    where,
                )
        if self.n_edges > MAX_EDGES:
            raise fault(
                f"{self.n_edges} edges, at most {MAX_EDGES} are accepted in all slices together",
                "net_struct",
            )
        return self


class SimulationSettings(StrictModel):
    """Integration from ``t_end[i]`` to ``t_end[i + 1]`` in slice i; times in units of C/G = 1.

    ``tol`` is the relative and absolute tolerance of adaptive methods, which also use
    ``first_step`` and ``min_step``; other methods use ``step_size``.
    """

    method: Annotated[str, one_of((*ADAPTIVE, *FIXED_STEP))]
    t_end: Annotated[
        tuple[Annotated[float, bounded(low=0, high=MAX_TIME)], ...],
        Field(min_length=2, max_length=MAX_SLICES + 1),
        FROM_LIST,
    ]
    tol: Annotated[float, bounded(above=0, high=1)]
    first_step: _Step
    min_step: _Step
    step_size: _Step

    @property
    def is_adaptive(self) -> bool:
        """Whether the method is adaptive."""
        return self.method in ADAPTIVE

    @model_validator(mode="after")
    def _steps_fit(self) -> SimulationSettings:
        if self.t_end[0] != 0:
            raise fault(f"starts at {self.t_end[0]!r}, expected 0.0", "t_end[0]")
        for number, (before, after) in enumerate(zip(self.t_end, self.t_end[1:], strict=False)):
            if not after > before:
                raise fault(
                    f"{after!r} follows {before!r}, expected increasing times",
                    f"t_end[{number + 1}]",
                )
        if self.min_step > self.first_step:
            raise fault(
                f"{self.min_step!r}, expected at most first_step {self.first_step!r}", "min_step"
            )
        steps = sum(
            math.ceil((after - before) / self.step_size)
            for before, after in zip(self.t_end, self.t_end[1:], strict=False)
        )
        if not self.is_adaptive and steps > MAX_STEPS:
            raise fault(
                f"{self.step_size!r}, so {steps} steps of {self.method}, at most {MAX_STEPS} are "
                "accepted",
                "step_size",
            )
        return self


class Train(StrictModel):
    """Settings of the training. ``resample`` is ours: fresh points of the density for each batch
    instead of one fixed set.
    """

    lr: Annotated[float, bounded(above=0, high=1e3)]
    num_epoch: _Count
    save_epoch: _Count = 1
    scheduler: Annotated[Scheduler, BeforeValidator(parse_scheduler), PlainSerializer(str)] = (
        Scheduler()
    )
    resample: bool = False


def _metric(value: str) -> str:
    if not re.fullmatch(r"top[1-9][0-9]{0,2}|mse", value):
        raise fault(f"expected top<k> or mse, found {found(value)}")
    return value


class Test(StrictModel):
    """What the paper's own test prints: ``top<k>`` and ``mse``."""

    __test__ = False  # keeps pytest from collecting this class

    metric: Annotated[
        tuple[Annotated[str, AfterValidator(_metric)], ...],
        Field(max_length=100),
        FROM_LIST,
    ] = ()


class Visualization(StrictModel):
    """Number of samples in a figure."""

    num_sample: _Count


class Config(StrictModel):
    """One experiment.

    ``visualization`` is None if nothing is to be drawn. ``test_bench`` names the paper's data or,
    with ``data``, the purpose of the network.
    """

    test_bench: Annotated[str, one_of((*EXPERIMENTS, *OWN))]
    data: OwnData | None = None
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)]
    num_worker: Annotated[int, Field(ge=0, le=1024)] = 0
    network: Network
    simulation: SimulationSettings
    train: Train
    test: Test = Test()
    visualization: Visualization | None = None

    @property
    def kind(self) -> Kind:
        """What the network is trained for."""
        if self.data is None:
            return EXPERIMENTS[self.test_bench]
        return next(kind for kind in OWN if kind == self.test_bench)

    @property
    def inputs(self) -> int:
        """Number of values in one sample."""
        if self.data is None:
            return INPUTS[self.test_bench]
        assert self.data.inputs is not None, "the configuration is not bound to its data"
        return self.data.inputs

    @property
    def outputs(self) -> int:
        """Number of outputs of a regression or classification."""
        if self.data is None:
            return OUTPUTS[self.test_bench]
        assert self.data.outputs is not None, "the configuration is not bound to its data"
        return self.data.outputs

    @property
    def is_bound(self) -> bool:
        """Whether the sizes of the data are known."""
        data = self.data
        if data is None:
            return True
        sizes = [data.inputs, data.held_out_rows]
        return None not in (sizes if self.is_flow else [*sizes, data.outputs])

    @property
    def is_flow(self) -> bool:
        """Whether the network is a flow: invertible, with a density."""
        return self.kind in ("generation", "matching")

    @model_validator(mode="after")
    def _parts_fit(self) -> Config:
        slices = len(self.network.net_struct) or 1  # a baseline has a single interval
        if len(self.simulation.t_end) != slices + 1:
            raise fault(
                f"{len(self.simulation.t_end)} times, expected {slices + 1} for {slices} "
                f"slice{'s' if slices > 1 else ''}",
                "simulation.t_end",
            )
        if self.network.is_baseline and (self.network.model.name == "HyperNetwork") != self.is_flow:
            raise fault(
                f"{self.network.model.name!r} is not a network for {self.kind}",
                "network.model.name",
            )
        if self.data is None and self.test_bench not in EXPERIMENTS:
            raise fault(f"test_bench {self.test_bench} needs data of your own", "data")
        if self.data is not None and self.test_bench not in OWN:
            raise fault(
                f"{self.test_bench!r} has its own data, expected one of {', '.join(OWN)}",
                "test_bench",
            )
        if self.is_bound:
            self._check_sizes()
        return self

    def _check_sizes(self) -> None:
        """Check combinations that depend on the sizes of the data."""
        if self.is_flow:
            self._check_flow()
        else:
            self._check_readout()

    def _check_flow(self) -> None:
        inputs = self.inputs
        if self.network.encoder.kind != "none":
            raise fault("an encoder has no density, expected none", "network.encoder")
        if self.network.residual:
            raise fault("a residual slice has no inverse, expected null", "network.residual")
        if not self.network.is_baseline and self.network.n_free != inputs:
            raise fault(
                f"{self.network.n_free} nodes besides ground, expected {inputs} for "
                f"{self.test_bench}",
                "network.net_struct[0].args",
            )

    def _check_readout(self) -> None:
        network, inputs, outputs = self.network, self.inputs, self.outputs
        encoder, projector, nodes = network.encoder, network.projector, network.n_free
        if encoder.kind == "mlp" and encoder.inputs != inputs:
            raise fault(
                f"{str(encoder)!r}, expected mlp_{inputs}_B for {self.test_bench}",
                "network.encoder",
            )
        if network.is_baseline:
            return
        width = encoder.outputs or inputs
        if width > nodes:
            raise fault(
                f"{nodes} nodes besides ground, expected at least the {width} numbers of a sample",
                "network.net_struct[0].args",
            )
        if projector.kind == "mlp" and projector.n != nodes:
            raise fault(
                f"{str(projector)!r}, expected mlp_{nodes}_{outputs} for {nodes} nodes",
                "network.projector",
            )
        if projector.n > nodes or (projector.kind == "reshape" and nodes % projector.n):
            raise fault(f"{str(projector)!r} of {nodes} nodes", "network.projector")
        read = {"none": nodes, "mlp": projector.outputs}.get(projector.kind, projector.n)
        if read != outputs:
            raise fault(
                f"{str(projector)!r} reads {read} numbers, expected {outputs} for "
                f"{self.test_bench}",
                "network.projector",
            )


_TAGS = frozenset((*TOPOLOGIES, *DEVICE_NAMES, *BASELINES))


def config_of(value: Any, source: str) -> Config:
    """The configuration in a YAML file's ``value``; errors call the file ``source``.

    Raises `FileError` with ``field`` the dotted path of the key at fault.
    """
    return checked(Config, value, source, _TAGS)


def bound(config: Config, dataset: Dataset, source: str) -> Config:
    """Return ``config`` with the sizes of its data, after checking that both fit; errors call it
    ``source``.

    Raises FileError if the network does not fit the data.
    """
    assert config.data is not None
    value = config.model_dump(mode="json", exclude_none=True)
    value["data"] |= found_in(dataset)
    return config_of(value, source)


def parse_config(text: str, source: str) -> Config:
    """The configuration in ``text``, which errors call ``source``.

    Raises `FileError` with ``field`` the dotted path of the key at fault.
    """
    return config_of(parse_yaml(text, source), source)


def read_config(path: str | os.PathLike[str]) -> Config:
    """The configuration in a YAML file. Raises `FileError` as `parse_config` and `read_yaml` do."""
    return config_of(read_yaml(path), os.fspath(path))


def config_text(config: Config) -> str:
    """YAML with every key written out; `parse_config` turns it back into an equal `Config`."""
    return yaml_text(config)
