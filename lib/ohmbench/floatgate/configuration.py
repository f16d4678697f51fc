"""The YAML file of a user's own floating-gate network: device, layers, data, training."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ohmbench.data.classifier import Classifier, bound_value
from ohmbench.data.own import Dataset
from ohmbench.fields import FROM_LIST, StrictModel, bounded, checked, fault, one_of
from ohmbench.files import parse_yaml
from ohmbench.floatgate.card import CELL_FORMS, DEFAULT_CARD, Card, load_card
from ohmbench.floatgate.circuits import Activation, Circuits
from ohmbench.floatgate.networks import NetworkSpec

FAMILY = "floatgate"
MAX_LAYERS = 100
MAX_CELLS = 10_000_000  # of all layers together
_MAX_NEURONS = 100_000

ACTIVATIONS = {activation.label: activation for activation in Activation}


class Layer(StrictModel):
    """``neurons`` rows, and the activation circuit of each.

    The last layer has one row per class of the data, and may leave ``neurons`` out.
    """

    neurons: Annotated[int, Field(ge=1, le=_MAX_NEURONS)] | None = None
    activation: Annotated[str, one_of(ACTIVATIONS)] = Activation.SIGMOID.label


class Encoding(StrictModel):
    """A feature in [0, 1] becomes the gate voltage ``low_V + span_V * feature``."""

    low_V: Annotated[float, bounded(low=0)] = 1.8
    span_V: Annotated[float, bounded(above=0)] = 0.7


class Training(StrictModel):
    """Training options; the defaults suit small networks (see ``training.Recipe``)."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    batch: Annotated[int, Field(ge=1, le=100_000)] = 64
    population: Annotated[int, Field(ge=1, le=1000)] = 4
    learning_rate: Annotated[float, bounded(above=0, high=10)] = 0.1
    noise_V: Annotated[float, bounded(low=0, high=1)] = 0.12
    logit_gain: Annotated[float, bounded(above=0, high=1000)] = 2.0


class Config(Classifier):
    """A user's own network.

    ``card`` names the device: a card that comes with ohmbench, or a file. ``device`` holds the
    contents of that card; ``with_data`` fills it in.
    """

    family: Literal["floatgate"]
    card: Annotated[str, Field(min_length=1)] = DEFAULT_CARD
    device: Card | None = None
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_LAYERS), FROM_LIST]
    encoding: Encoding = Encoding()
    train: Training = Training()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of inputs, then neurons of each layer. Needs a configuration bound to its data."""
        neurons = [layer.neurons for layer in self.layers]
        known = [n for n in (self.data.inputs, *neurons) if n is not None]
        assert len(known) == len(neurons) + 1, "not bound to its data"
        return tuple(known)

    @property
    def is_bound(self) -> bool:
        """Whether the sizes of the data and the device are known."""
        return super().is_bound and self.device is not None

    @property
    def spec(self) -> NetworkSpec:
        """Shape, circuits and encoding. Needs a configuration bound to its data."""
        assert self.name is not None, "not bound to its data"
        assert self.device is not None, "not bound to its device"
        return NetworkSpec(
            self.name,
            self.sizes,
            tuple(ACTIVATIONS[layer.activation] for layer in self.layers),
            self.encoding.low_V,
            self.encoding.span_V,
            self.name,
            Circuits(self.device),
        )

    @model_validator(mode="after")
    def _parts_fit(self) -> Config:
        *hidden, _ = self.layers
        for k, layer in enumerate(hidden):
            if layer.neurons is None:
                raise fault("missing: only the last layer takes it from the data",
                            f"layers[{k}].neurons")  # fmt: skip
            if ACTIVATIONS[layer.activation] is Activation.WTA:
                raise fault(
                    "'wta' has no output voltage for a next layer; use it in the last layer only",
                    f"layers[{k}].activation",
                )
        if self.device is not None:
            self._check_device(Circuits(self.device))
        if self.is_bound:
            self._check_sizes()
        return self

    def _check_device(self, circuits: Circuits) -> None:
        highest_V = self.encoding.low_V + self.encoding.span_V
        if highest_V > circuits.v_dd_V * (1 + 1e-9):  # tolerance for rounding: 0.8 + 0.4 > 1.2
            raise fault(
                f"reaches {highest_V:.4g} V, at most the supply of {circuits.v_dd_V:g} V is "
                "accepted",
                "encoding",
            )
        for k, layer in enumerate(self.layers):
            if not circuits.has(ACTIVATIONS[layer.activation]):
                raise fault(
                    f"{layer.activation!r}, a circuit that the device {circuits.card.name} lacks",
                    f"layers[{k}].activation",
                )

    def _check_sizes(self) -> None:
        last = len(self.layers) - 1
        if self.layers[last].neurons != self.data.outputs:
            raise fault(
                f"{self.layers[last].neurons}, expected {self.data.outputs}, one row per class",
                f"layers[{last}].neurons",
            )
        sizes = self.sizes
        cells = sum(a * b for a, b in pairwise(sizes))
        if cells > MAX_CELLS:
            raise fault(f"{cells} cells, at most {MAX_CELLS} are accepted", "layers")


def config_of(value: Any, source: str) -> Config:
    """The configuration in ``value``, as parsed from YAML; error messages call its file ``source``.

    Raises FileError whose ``field`` is the dotted path of the wrong key.
    """
    return checked(Config, value, source, CELL_FORMS)


def parse_config(text: str, source: str) -> Config:
    """The configuration in ``text``. Raises FileError as ``config_of`` and ``parse_yaml`` do."""
    return config_of(parse_yaml(text, source), source)


def with_data(
    config: Config, seed: int, *, folder: str | os.PathLike[str] = ".", source: str = "network"
) -> tuple[Config, Dataset]:
    """``config`` bound to the card and the data that it names, and the data split by ``seed``.

    Relative paths start at ``folder``. ``source`` is the name of the configuration in error
    messages, and names the network. Raises FileError as ``load_card`` and ``load_data`` do, and if
    the layers do not fit the device or the data.
    """
    value, dataset = bound_value(config, seed, folder=folder, source=source)
    value["device"] = load_card(config.card, folder=folder).model_dump(
        mode="json", exclude_none=True
    )
    value["layers"][-1].setdefault("neurons", len(dataset.classes))
    return config_of(value, source), dataset
