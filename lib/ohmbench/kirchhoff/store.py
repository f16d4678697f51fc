"""KirchhoffNets in files: this project's npz, and the names of the paper's checkpoints.

Parameters have the names of the paper's state dictionaries: slice i's array (rows, edges) is
``circuit.layer_list.i.model.param``. An npz file adds ``config`` (the lines of the whole
configuration as YAML), ``seed``, ``recipe`` (JSON) and ``history`` of the training, and the
held-out part of the user's own data, so that it needs no other file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.data.own import Dataset, data_schema, dataset_arrays, dataset_for
from ohmbench.errors import FileError
from ohmbench.files import ArraySpec, npz_bytes, read_npz, write_npz
from ohmbench.kirchhoff.configuration import Config, config_text, parse_config
from ohmbench.kirchhoff.models import Model, build, fewest_parameters
from ohmbench.kirchhoff.samples import DATA_TASKS, OwnSource, PaperSource, Source

_OURS = re.compile(r"slices\.(\d+)\.param")
# Prefixes that torch adds to the names of a wrapped model: DataParallel and its relatives, and
# torch.compile, in any order and number.
_WRAPPED = re.compile(r"(?:module\.|_orig_mod\.)*")

_SIDE_SCHEMA = (
    ArraySpec("config", ("lines",), ("U",)),
    ArraySpec("seed", (), ("int64",), low=0, high=2**31 - 1),
    ArraySpec("recipe", (), ("U",)),
    ArraySpec("history", ("rows", 3), ("float64",)),
)


@dataclass(frozen=True)
class StoredKirchhoff:
    """A network from a file and the ``source`` of the data that judge it.

    Networks trained by ohmbench have ``seed``, ``recipe`` (JSON text) and ``history`` (rows of
    step, loss, learning rate).
    """

    path: str
    config: Config
    model: Model
    source: Source
    seed: int | None = None
    recipe: str | None = None
    history: NDArray[np.float64] | None = None


def _checkpoint_name(ours: str) -> str:
    return _OURS.sub(r"circuit.layer_list.\1.model.param", ours)


def checkpoint_arrays(model: Model) -> dict[str, torch.Tensor]:
    """The parameters of ``model`` under the names of the paper's checkpoints."""
    return {_checkpoint_name(name): p.detach() for name, p in model.state_dict().items()}


def _unwrapped(
    path: str, arrays: Mapping[str, NDArray[np.generic]]
) -> tuple[str, dict[str, NDArray[np.generic]]]:
    """The prefix that torch added to every name, and the arrays without it.

    Raises FileError if some names lack it.
    """
    wrappers = {name: _WRAPPED.match(name)[0] for name in arrays}  # type: ignore[index]
    first, *others = wrappers or [""]
    prefix = wrappers.get(first, "")
    for name in others:
        if wrappers[name] != prefix:
            mine, its = (f"the prefix {p}" if p else "no prefix" for p in (wrappers[name], prefix))
            raise FileError(
                path,
                f"has {mine}, but {first} has {its}: names of different models",
                field=name,
                remedy="save model.state_dict() of one model",
            )
    return prefix, {name.removeprefix(prefix): array for name, array in arrays.items()}


def load_checkpoint(path: str, model: Model, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Copy ``arrays``, under their checkpoint names, into ``model``.

    All names may begin with the prefixes of DataParallel and torch.compile. Raises FileError naming
    the first array (and so the slice) that is missing, unexpected, of a shape or type other than
    the configuration's, or without the others' prefix.
    """
    remedy = "name a configuration and a checkpoint that belong together"
    prefix, arrays = _unwrapped(path, arrays)
    wanted = {_checkpoint_name(name): p for name, p in model.state_dict().items()}
    for name, p in wanted.items():
        if name not in arrays:
            raise FileError(
                path, f"is missing; expected {tuple(p.shape)} by the configuration",
                field=prefix + name, remedy=remedy,
            )  # fmt: skip
        found = arrays[name]
        if found.shape != tuple(p.shape):
            raise FileError(
                path,
                f"shape {found.shape}, expected {tuple(p.shape)} by the configuration",
                field=prefix + name,
                remedy=remedy,
            )
        if found.dtype.name not in ("float32", "float64"):
            raise FileError(
                path, f"element type {found.dtype.name}, expected float32", field=prefix + name
            )
    extra = sorted(set(arrays) - set(wanted))
    if extra:
        raise FileError(
            path,
            f"not expected: the configuration has {len(wanted)} arrays",
            field=prefix + extra[0],
            remedy=remedy,
        )
    with torch.no_grad():
        for name, p in wanted.items():
            p.copy_(torch.from_numpy(np.ascontiguousarray(arrays[name])))


def load_kirchhoff(path: str | os.PathLike[str]) -> StoredKirchhoff:
    """Read a network that ohmbench trained; nothing in the file is executed.

    Raises FileError naming file, field and reason if the file is missing, damaged or of another
    layout, or if its configuration is invalid or does not fit its arrays.
    """
    path = os.fspath(path)
    side = read_npz(path, _SIDE_SCHEMA, allow_extra=True)
    config = parse_config("\n".join(map(str, side["config"])), f"{path}: config")
    if not config.is_bound:
        raise FileError(path, "does not say the sizes of its data", field="config: data")
    needed, held = 4 * fewest_parameters(config), npz_bytes(path)
    if needed > held:  # check before they are made
        raise FileError(
            path,
            f"describes a network of {needed} bytes, but the arrays hold {held}",
            field="config: network",
            remedy="train it again",
        )
    model = build(config)
    side_schema: tuple[ArraySpec, ...] = _SIDE_SCHEMA
    if config.data is not None:
        assert config.data.held_out_rows is not None  # guaranteed by is_bound
        side_schema += data_schema(config.data.held_out_rows, config.inputs)
    schema = [
        ArraySpec(name, tuple(p.shape), ("float32",))
        for name, p in checkpoint_arrays(model).items()
    ]
    arrays = read_npz(path, [*side_schema, *schema])
    load_checkpoint(path, model, {spec.name: arrays[spec.name] for spec in schema})
    source: Source = PaperSource(config.test_bench)
    if config.data is not None:
        classes = config.outputs if config.kind == "classification" else 0
        data = dataset_for(path, arrays, DATA_TASKS[config.kind], classes)
        source = OwnSource(data)
    return StoredKirchhoff(
        path, config, model, source, int(side["seed"]), str(side["recipe"]), side["history"]
    )


def save_kirchhoff(
    path: str | os.PathLike[str],
    model: Model,
    *,
    seed: int,
    recipe: str,
    history: NDArray[np.float64],
    data: Dataset | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``model`` with its configuration, and the held-out part of ``data`` if these are the
    user's own.

    Writes the whole file or nothing. Raises FileError if it cannot be written.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "config": np.array(config_text(model.config).splitlines()),
        "seed": np.array(seed, dtype=np.int64),
        "recipe": np.array(recipe),
        "history": history,
    }
    if data is not None:
        arrays |= dataset_arrays(data)
    for name, p in checkpoint_arrays(model).items():
        arrays[name] = p.numpy()
    write_npz(path, arrays, overwrite=overwrite)
