"""This project's own trained weights: npz files and the manifest that describes them.

``manifest.json`` gives for each name the file, its SHA-256, the command that trained it, seed,
recipe, versions and metrics. ``stored`` refuses a file that differs from its entry.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ohmbench.constants import MANIFEST as MANIFEST
from ohmbench.constants import WEIGHTS_FOLDER as WEIGHTS_FOLDER
from ohmbench.errors import FileError
from ohmbench.files import read_json, sha256_file, write_json

_VERSIONED = ("ohmbench", "torch", "numpy", "scipy", "scikit-learn", "torchdiffeq", "numba")


class StoredWeights(BaseModel):
    """One manifest entry: ``recipe`` as the training wrote it into the file, ``metrics`` as
    measured on held-out data when it was stored.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+\.npz$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    command: str
    seed: int
    recipe: dict[str, Any]
    versions: dict[str, str]
    metrics: dict[str, float]


def versions() -> dict[str, str]:
    """Versions of everything that determines the bits of a training: Python and the numeric
    packages.
    """
    return {"python": platform.python_version(), **{name: version(name) for name in _VERSIONED}}


def read_manifest(path: Path = MANIFEST) -> dict[str, StoredWeights]:
    """All entries by name. Raises FileError for a missing, damaged or invalid manifest."""
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise FileError(path, "is not an object of names")
    manifest = {}
    for name, entry in entries.items():
        try:
            manifest[name] = StoredWeights.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join([name, *map(str, first["loc"])])
            raise FileError(path, first["msg"], field=field) from None
    return manifest


def stored(name: str, *, manifest: Path = MANIFEST) -> Path | None:
    """The file of the weights called ``name``, or None if no weights have that name.

    Raises FileError if the file's SHA-256 differs from the manifest's.
    """
    entry = read_manifest(manifest).get(name)
    if entry is None:
        return None
    path = manifest.parent / entry.file
    if sha256_file(path) != entry.sha256:
        raise FileError(path, "is not the file its manifest describes (SHA-256 differs)",
                        remedy="restore it from version control")  # fmt: skip
    return path


def describe(
    path: Path, *, command: str, seed: int, recipe: dict[str, Any], metrics: dict[str, float]
) -> StoredWeights:
    """The manifest entry of the file at ``path``, with the versions of this installation."""
    return StoredWeights(
        file=path.name,
        sha256=sha256_file(path),
        command=command,
        seed=seed,
        recipe=recipe,
        versions=versions(),
        metrics=metrics,
    )


def register(name: str, entry: StoredWeights, *, manifest: Path = MANIFEST) -> None:
    """Add or replace one entry. Raises FileError if the manifest cannot be read or written."""
    entries = read_manifest(manifest) if manifest.exists() else {}
    entries[name] = entry
    write_json(manifest, {k: e.model_dump() for k, e in entries.items()}, overwrite=True)
