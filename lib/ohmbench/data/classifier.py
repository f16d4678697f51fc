"""What the YAML files of users' own classifiers have in common, for every family."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ohmbench.data.own import (
    Dataset,
    OwnData,
    data_schema,
    dataset_arrays,
    dataset_for,
    found_in,
    load_data,
)
from ohmbench.errors import FileError, one_line
from ohmbench.fields import StrictModel, checked, fault, yaml_text
from ohmbench.files import ArraySpec, parse_yaml, read_npz

_OWN_SCHEMA = (
    ArraySpec("config", ("lines",), ("U",)),
    ArraySpec("seed", (), ("int64",), low=0, high=2**31 - 1),
    ArraySpec("recipe", (), ("U",)),
    ArraySpec("history", ("rows", 3), ("float64",)),
)


class Classifier(StrictModel):
    """The configuration of a classifier on the user's own data.

    ``data`` trains and judges it; its features become numbers in [0, 1]. ``name`` is the file's
    name, which training fills in (``bound_value``).
    """

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    data: OwnData

    @property
    def is_bound(self) -> bool:
        """Whether the sizes of the data are known."""
        data = self.data
        return None not in (self.name, data.inputs, data.outputs, data.held_out_rows)

    @model_validator(mode="after")
    def _data_fit(self) -> Classifier:
        if self.data.target is None and not self.data.file.lower().endswith(".npz"):
            raise fault("missing: the column that holds the classes", "data.target")
        if self.data.scale == "standard":
            raise fault(
                "'standard' has no bounds, as the network's inputs have: expected minmax or none",
                "data.scale",
            )
        return self


def bound_value(
    config: Classifier, seed: int, *, folder: str | os.PathLike[str], source: str
) -> tuple[dict[str, Any], Dataset]:
    """``config`` as plain values, with its name and the sizes of its data; and the data themselves.

    Relative paths start at ``folder``; the network is named after ``source``. Raises FileError as
    ``load_data`` does, and for features outside [0, 1].
    """
    dataset = load_data(config.data, "classification", seed, folder=folder)
    low, high = float(dataset.train_x.min()), float(dataset.train_x.max())
    if not (low >= 0 and high <= 1):
        raise FileError(
            Path(folder, config.data.file),
            f"has features from {low:.4g} to {high:.4g}, but scale none needs them from 0 to 1",
            field="data.scale",
            remedy="choose scale: minmax",
        )
    value = config.model_dump(mode="json", exclude_none=True)
    value["data"] |= found_in(dataset)
    value.setdefault("name", Path(source).stem)
    return value, dataset


Bound = TypeVar("Bound", bound=Classifier)


@dataclass(frozen=True)
class Own(Generic[Bound]):
    """The user's part of a network: its configuration, bound to its data, and these data."""

    config: Bound
    data: Dataset

    @property
    def held_out(self) -> str:
        """Description of the held-out part of the data."""
        return f"{len(self.data.test_x)} held-out samples of {one_line(self.data.name)}"


class Named:
    """A network whose classes are named by its ``own`` data, or else by their numbers."""

    own: Own[Any] | None

    def class_name(self, k: int) -> str:
        """The number of class ``k``, followed by its name if that differs."""
        name = str(k) if self.own is None else self.own.data.classes[k]
        return name if name == str(k) else f"{k} ({one_line(name)})"

    def class_names_json(self) -> dict[str, list[str]]:
        """The class names in the user's own data."""
        return {} if self.own is None else {"classes": list(self.own.data.classes)}


def stored_config(path: str, model: type[Bound], tags: Collection[str] = ()) -> Bound:
    """The configuration in the file ``path``, bound to its data.

    Raises FileError as ``read_npz`` and ``fields.checked`` do, and if it is not bound.
    """
    lines = read_npz(path, _OWN_SCHEMA[:1], allow_extra=True)["config"]
    source = f"{path}: config"
    config = checked(model, parse_yaml("\n".join(map(str, lines)), source), source, tags)
    if not config.is_bound:
        raise FileError(path, "does not say the sizes of its data", field="config: data")
    return config


def stored_own(path: str, arrays: Mapping[str, NDArray[Any]], config: Bound) -> Own[Bound]:
    """``config``, bound, with the data in the file ``path`` that judge its network.

    Raises FileError if the data belong to another network.
    """
    classes = config.data.outputs
    assert classes is not None, "not bound to its data"
    return Own(config, dataset_for(path, arrays, "classification", classes))


def own_schema(config: Classifier) -> tuple[ArraySpec, ...]:
    """What a network's file holds besides its weights, for the bound ``config``."""
    rows, inputs = config.data.held_out_rows, config.data.inputs
    assert rows is not None, "not bound to its data"
    assert inputs is not None
    return (*_OWN_SCHEMA, *data_schema(rows, inputs))


def own_arrays(own: Own[Any]) -> dict[str, NDArray[np.generic]]:
    """Arrays of the configuration (read by ``stored_config``) and of the data (read by
    ``stored_own``).
    """
    return {"config": np.array(yaml_text(own.config).splitlines()), **dataset_arrays(own.data)}
