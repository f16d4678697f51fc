"""The YAML file of a floating-gate network of the user's own: layers, encoding, data, training."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ohmbench.data.own import Dataset, OwnData, found_in, load_data
from ohmbench.fields import FROM_LIST, StrictModel, bounded, checked, fault, one_of, yaml_text
from ohmbench.files import parse_yaml
from ohmbench.floatgate.layers import Activation
from ohmbench.floatgate.networks import NetworkSpec

FAMILY = "floatgate"
MAX_LAYERS = 100
MAX_CELLS = 10_000_000  # of all layers together
_MAX_NEURONS = 100_000

ACTIVATIONS = {activation.label: activation for activation in Activation}


class Layer(StrictModel):
    """``neurons`` rows and the circuit that follows each.

    The last layer has a row for each class of the data, and need not say how many.
    """

    neurons: Annotated[int, Field(ge=1, le=_MAX_NEURONS)] | None = None
    activation: Annotated[str, one_of(ACTIVATIONS)] = Activation.SIGMOID.label


class Encoding(StrictModel):
    """A feature in [0, 1] becomes the gate voltage ``low_V + span_V * feature``."""

    low_V: Annotated[float, bounded(low=0, high=2.5)] = 1.8
    span_V: Annotated[float, bounded(above=0, high=2.5)] = 0.7

    @model_validator(mode="after")
    def _below_the_supply(self) -> Encoding:
        if self.low_V + self.span_V > 2.5:
            raise fault(
                f"reaches {self.low_V + self.span_V:.4g} V, at most the supply of 2.5 V is accepted"
            )
        return self


class Training(StrictModel):
    """How the network is trained; the defaults suit small networks (``training.Recipe``)."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    batch: Annotated[int, Field(ge=1, le=100_000)] = 64
    population: Annotated[int, Field(ge=1, le=1000)] = 4
    learning_rate: Annotated[float, bounded(above=0, high=10)] = 0.1
    noise_V: Annotated[float, bounded(low=0, high=1)] = 0.03
    logit_gain: Annotated[float, bounded(above=0, high=1000)] = 2.0


class Config(StrictModel):
    """One network of the user's own. ``name`` is the file's, which training fills in."""

    family: Literal["floatgate"]
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_LAYERS), FROM_LIST]
    encoding: Encoding = Encoding()
    data: OwnData
    train: Training = Training()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, then the neurons of each layer; of a configuration bound to its data."""
        neurons = [layer.neurons for layer in self.layers]
        known = [n for n in (self.data.inputs, *neurons) if n is not None]
        assert len(known) == len(neurons) + 1, "not bound to its data"
        return tuple(known)

    @property
    def is_bound(self) -> bool:
        """Whether the sizes of the data are known."""
        data = self.data
        return None not in (self.name, data.inputs, data.outputs, data.held_out_rows)

    @property
    def spec(self) -> NetworkSpec:
        """Shape, circuits and encoding; of a configuration bound to its data."""
        assert self.name is not None, "not bound to its data"
        return NetworkSpec(
            self.name,
            self.sizes,
            tuple(ACTIVATIONS[layer.activation] for layer in self.layers),
            self.encoding.low_V,
            self.encoding.span_V,
            self.name,
        )

    @model_validator(mode="after")
    def _parts_fit(self) -> Config:
        if self.data.target is None and not self.data.file.lower().endswith(".npz"):
            raise fault("missing: the column that holds the classes", "data.target")
        if self.data.scale == "standard":
            raise fault(
                "'standard' has no bounds, which gate voltages have: expected minmax or none",
                "data.scale",
            )
        *hidden, _ = self.layers
        for k, layer in enumerate(hidden):
            if layer.neurons is None:
                raise fault("missing: only the last layer takes it from the data",
                            f"layers[{k}].neurons")  # fmt: skip
            if ACTIVATIONS[layer.activation] is Activation.WTA:
                raise fault(
                    "'wta' gives no voltage for another layer, expected it in the last only",
                    f"layers[{k}].activation",
                )
        if self.is_bound:
            self._check_sizes()
        return self

    def _check_sizes(self) -> None:
        last = len(self.layers) - 1
        if self.layers[last].neurons != self.data.outputs:
            raise fault(
                f"{self.layers[last].neurons}, expected {self.data.outputs}, a row for each class",
                f"layers[{last}].neurons",
            )
        sizes = self.sizes
        cells = sum(a * b for a, b in pairwise(sizes))
        if cells > MAX_CELLS:
            raise fault(f"{cells} cells, at most {MAX_CELLS} are accepted", "layers")


def config_of(value: Any, source: str) -> Config:
    """The configuration in a YAML file's ``value``; errors call the file ``source``.

    Raises FileError with ``field`` the dotted path of the key at fault.
    """
    return checked(Config, value, source)


def parse_config(text: str, source: str) -> Config:
    """The configuration in ``text``. Raises FileError as ``config_of`` and ``parse_yaml`` do."""
    return config_of(parse_yaml(text, source), source)


def config_text(config: Config) -> str:
    """YAML with every key written out; ``parse_config`` makes an equal ``Config`` of it."""
    return yaml_text(config)


def with_data(
    config: Config, seed: int, *, folder: str | os.PathLike[str] = ".", source: str = "network"
) -> tuple[Config, Dataset]:
    """``config`` bound to the data that it names, and these data split by ``seed``.

    Relative paths start at ``folder``; errors call the configuration ``source``, after which the
    network is named too. Raises FileError as ``load_data`` does, and where the layers do not fit
    the data.
    """
    dataset = load_data(config.data, "classification", seed, folder=folder)
    value = config.model_dump(mode="json", exclude_none=True)
    value["data"] |= found_in(dataset)
    value.setdefault("name", Path(source).stem)
    value["layers"][-1].setdefault("neurons", len(dataset.classes))
    return config_of(value, source), dataset
