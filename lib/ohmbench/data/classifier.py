"""What the YAML files of classifiers of the user's own have in common, whatever their family."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ohmbench.data.own import Dataset, OwnData, dataset_for, found_in, load_data
from ohmbench.errors import FileError, one_line
from ohmbench.fields import StrictModel, checked, fault, yaml_text
from ohmbench.files import ArraySpec, parse_yaml, read_npz

OWN_SCHEMA = (
    ArraySpec("config", ("lines",), ("U",)),
    ArraySpec("seed", (), ("int64",), low=0, high=2**31 - 1),
    ArraySpec("recipe", (), ("U",)),
    ArraySpec("history", ("rows", 3), ("float64",)),
)
"""What the file of such a network holds besides its weights and ``data.own.data_schema``."""


class Classifier(StrictModel):
    """``data`` are what it is trained on and judged by; their features become numbers in [0, 1].

    ``name`` is the file's, which training fills in (``bound_value``).
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
    """``config`` as plain values with its name and the sizes of its data, and these data.

    Relative paths start at ``folder``; the network is named after ``source``. Raises FileError as
    ``load_data`` does, and for features outside of [0, 1].
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


def stored_config(path: str, model: type[Bound], tags: Collection[str] = ()) -> Bound:
    """The configuration in the file ``path``, bound to its data.

    Raises FileError as ``read_npz`` and ``fields.checked`` do, and where it is not bound.
    """
    lines = read_npz(path, OWN_SCHEMA[:1], allow_extra=True)["config"]
    source = f"{path}: config"
    config = checked(model, parse_yaml("\n".join(map(str, lines)), source), source, tags)
    if not config.is_bound:
        raise FileError(path, "does not say the sizes of its data", field="config: data")
    return config


def stored_data(path: str, arrays: Mapping[str, NDArray[Any]], config: Classifier) -> Dataset:
    """The data that judge the network of ``config``, bound, in the file ``path``.

    Raises FileError where they are not for it.
    """
    classes = config.data.outputs
    assert classes is not None, "not bound to its data"
    return dataset_for(path, arrays, "classification", classes)


def class_name(data: Dataset | None, k: int) -> str:
    """What the data call class ``k``: its number, and its name where that is another."""
    name = str(k) if data is None else data.classes[k]
    return name if name == str(k) else f"{k} ({one_line(name)})"


def config_lines(config: Classifier) -> NDArray[np.str_]:
    """A configuration as the array ``config``, which ``stored_config`` reads."""
    return np.array(yaml_text(config).splitlines())
