"""The YAML file of a user's own int8 network: hidden neurons, data, training."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ohmbench.data.classifier import Classifier, bound_value
from ohmbench.data.own import Dataset
from ohmbench.digital.specs import Int8Spec
from ohmbench.fields import StrictModel, bounded, checked, fault
from ohmbench.files import parse_yaml

FAMILY = "int8"
MAX_WEIGHTS = 10_000_000  # both layers together
_MAX_NEURONS = 100_000


class Training(StrictModel):
    """Training options; the defaults suit small networks (see ``training.Int8Recipe``)."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    batch: Annotated[int, Field(ge=1, le=100_000)] = 64
    learning_rate: Annotated[float, bounded(above=0, high=10)] = 0.01
    weight_decay: Annotated[float, bounded(low=0, high=1)] = 0.01
    label_smoothing: Annotated[float, bounded(low=0, high=0.5)] = 0.05


class Config(Classifier):
    """A user's own network with ``hidden`` neurons; inputs and classes are those of the data."""

    family: Literal["int8"]
    hidden: Annotated[int, Field(ge=1, le=_MAX_NEURONS)]
    train: Training = Training()

    @property
    def spec(self) -> Int8Spec:
        """Name and sizes. Needs a configuration bound to its data."""
        inputs, classes = self.data.inputs, self.data.outputs
        assert self.name is not None
        assert inputs is not None
        assert classes is not None
        return Int8Spec(self.name, (inputs, self.hidden, classes), self.name)

    @model_validator(mode="after")
    def _is_small_enough(self) -> Config:
        if self.is_bound:
            inputs, hidden, classes = self.spec.sizes
            weights = hidden * (inputs + classes)
            if weights > MAX_WEIGHTS:
                raise fault(f"{weights} weights, at most {MAX_WEIGHTS} are accepted", "hidden")
        return self


def config_of(value: Any, source: str) -> Config:
    """The configuration in ``value``, as parsed from YAML; error messages call its file ``source``.

    Raises FileError whose ``field`` is the dotted path of the wrong key.
    """
    return checked(Config, value, source)


def parse_config(text: str, source: str) -> Config:
    """The configuration in ``text``. Raises FileError as ``config_of`` and ``parse_yaml`` do."""
    return config_of(parse_yaml(text, source), source)


def with_data(
    config: Config, seed: int, *, folder: str | os.PathLike[str] = ".", source: str = "network"
) -> tuple[Config, Dataset]:
    """``config`` bound to the data that it names, and the data split by ``seed``.

    Relative paths start at ``folder``. ``source`` is the name of the configuration in error
    messages, and names the network. Raises FileError as ``load_data`` does, and if the network is
    too large for the data.
    """
    value, dataset = bound_value(config, seed, folder=folder, source=source)
    return config_of(value, source), dataset
