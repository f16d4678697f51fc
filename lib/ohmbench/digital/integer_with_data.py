"""An integer network of N layers together with the samples to run it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.data.labelled import Samples, read_samples
from ohmbench.data.parts import data_origin
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.integer.store import StoredInteger
from ohmbench.errors import FileError, one_line


@dataclass(frozen=True)
class IntegerWithData:
    """A network from a file, and the samples to run it on, if the user named some."""

    stored: StoredInteger
    samples: Samples | None = None

    @property
    def network(self) -> IntegerNetwork:
        """Its integers."""
        return self.stored.network

    @property
    def origin(self) -> Mapping[str, Any]:
        """What its file says of where it came from."""
        return self.stored.origin

    def read(self, data: str | None, target: str | None = None) -> Samples:
        """The samples of ``data``, or those that the network was made on. Raises FileError."""
        path, network = self.stored.path, self.network
        was = data_origin(path, self.origin)
        if data is None and was is None:
            raise FileError(
                path, "holds no data", remedy="name some with --data (a data set, or a file)"
            )
        return read_samples(
            data, network.inputs, network.classes, target=target, was=was, owner=path
        )

    def with_samples(self) -> IntegerWithData:
        """Itself with samples: the user's, or those it was made on. Raises FileError."""
        return self if self.samples is not None else replace(self, samples=self.read(None))

    def named_samples(self) -> Samples:
        """The user's, or those it was made on. Raises FileError if there are none."""
        return self.read(None) if self.samples is None else self.samples

    def labels(self) -> Int64[NDArray[np.int64], " n"]:
        """The classes of the samples. Raises FileError if they are not known."""
        samples = self.named_samples()
        if samples.y is None:
            raise FileError(
                samples.name,
                "has no classes",
                remedy="add them; in a CSV file as a column y, or name theirs with --target",
            )
        return samples.y

    def integers(self) -> Int64[NDArray[np.int64], "n inputs"]:
        """The samples as the network reads them. Raises FileError if there are none."""
        return self.network.input.quantise(self.named_samples().x)


_NAMES_SHOWN = 20


def class_names(names: tuple[str, ...]) -> list[str]:
    """One line with the names of classes that are not just their numbers, if there are any."""
    if names == tuple(map(str, range(len(names)))):
        return []
    shown = [f"{k} ({one_line(name)})" for k, name in enumerate(names[:_NAMES_SHOWN])]
    return [f"classes: {', '.join(shown)}" + (", ..." if len(names) > _NAMES_SHOWN else "")]
