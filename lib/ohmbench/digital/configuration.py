"""The YAML file of an int8 network of the user's own: hidden neurons, data, training."""

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
MAX_WEIGHTS = 10_000_000  # of both layers together
_MAX_NEURONS = 100_000


class Training(StrictModel):
    """How the network is trained; the defaults suit small networks (``training.Int8Recipe``)."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    batch: Annotated[int, Field(ge=1, le=100_000)] = 64
    learning_rate: Annotated[float, bounded(above=0, high=10)] = 0.01
    weight_decay: Annotated[float, bounded(low=0, high=1)] = 0.01
    label_smoothing: Annotated[float, bounded(low=0, high=0.5)] = 0.05


class Config(Classifier):
    """One network of the user's own: inputs, ``hidden`` neurons, a class each for the data's."""

    family: Literal["int8"]
    hidden: Annotated[int, Field(ge=1, le=_MAX_NEURONS)]
    train: Training = Training()

    @property
    def spec(self) -> Int8Spec:
        """Name and sizes; of a configuration bound to its data."""
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
    """The configuration in a YAML file's ``value``; errors call the file ``source``.

    Raises FileError with ``field`` the dotted path of the key at fault.
    """
    return checked(Config, value, source)


def parse_config(text: str, source: str) -> Config:
    """The configuration in ``text``. Raises FileError as ``config_of`` and ``parse_yaml`` do."""
    return config_of(parse_yaml(text, source), source)


def with_data(
    config: Config, seed: int, *, folder: str | os.PathLike[str] = ".", source: str = "network"
) -> tuple[Config, Dataset]:
    """``config`` bound to the data that it names, and these data split by ``seed``.

    Relative paths start at ``folder``; errors call the configuration ``source``, after which the
    network is named too. Raises FileError as ``load_data`` does, and where the network is too large
    for the data.
    """
    value, dataset = bound_value(config, seed, folder=folder, source=source)
    return config_of(value, source), dataset
