"""The papers' own artifacts, read from a checkout the user names; nothing of them is kept here."""

from __future__ import annotations

import os
from pathlib import Path

from ohmbench.digital.store import StoredInt8, load_int8
from ohmbench.errors import FileError
from ohmbench.floatgate.store import StoredNetwork, load_network

FANN_VARIABLE = "OHMBENCH_PAPER_FANN"
FANN_OPTION = "--paper-fann"
FANN_V3 = Path("Analog") / "fg_mnist_weights_v3.npz"
FANN_INT8 = Path("Digital") / "mnist8x8_int8W_int32B_uint8A.npz"


def fann_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """The user's checkout of the FANN artifacts: ``named``, else ``$OHMBENCH_PAPER_FANN``.

    Raises FileError when neither is given or it is no folder.
    """
    given = os.environ.get(FANN_VARIABLE, "") if named is None else os.fspath(named)
    how = f"give {FANN_OPTION} FOLDER or set {FANN_VARIABLE}"
    if not given:
        raise FileError("FANN artifacts", "no folder named", remedy=how)
    if not os.path.isdir(given):
        raise FileError(given, "is not a folder", remedy=how)
    return Path(given)


def _fann_file(named: str | os.PathLike[str] | None, file: Path) -> Path:
    path = fann_folder(named) / file
    if not path.exists():
        raise FileError(path, "not found", remedy=f"name the folder that holds {file.as_posix()}")
    return path


def read_fann_v3(named: str | os.PathLike[str] | None = None) -> StoredNetwork:
    """The paper's first 64-100-10 snapshot with its 450 test images, weights float32 as stored.

    Raises FileError when the folder or file is missing or the file is not what the paper ships.
    """
    path = _fann_file(named, FANN_V3)
    stored = load_network(path)
    if stored.network.spec.name != "floatgate-digits":
        raise FileError(path, f"holds a {stored.network.spec.name}, not a 64-100-10 net")
    return stored


def read_fann_int8(named: str | os.PathLike[str] | None = None) -> StoredInt8:
    """The paper's int8 64-100-10 network with its 360 test images and its stored answers.

    Raises FileError when the folder or file is missing or the file is not what the paper ships.
    """
    path = _fann_file(named, FANN_INT8)
    stored = load_int8(path)
    if stored.network.sizes != (64, 100, 10):
        raise FileError(path, f"holds layers {stored.network.sizes}, not a 64-100-10 net")
    if stored.own_images is None or stored.predictions is None:
        lacking = "test_inputs_u8" if stored.own_images is None else "pytorch_test_pred"
        raise FileError(path, "missing", field=lacking, remedy="restore the published file")
    return stored
