"""The papers' own artifacts, read from a checkout that the user names or from the fetched copy.

Nothing of them is kept in this package.
"""

from __future__ import annotations

import os
from pathlib import Path

from ohmbench.constants import (
    EXPERIMENTS,
    FANN_OPTION,
    FETCH_PAPERS,
    KIRCHHOFF_CHECKPOINT,
    KIRCHHOFF_CONFIG,
    KIRCHHOFF_OPTION,
)
from ohmbench.digital.store import StoredInt8, load_int8
from ohmbench.environment import path_variable
from ohmbench.errors import FileError
from ohmbench.fetching import check_copy, fetched_folder, is_copy
from ohmbench.fetching.sources import FANN, KIRCHHOFFNET, Source
from ohmbench.files import read_pth
from ohmbench.files.pth_reading import MAX_BYTES
from ohmbench.floatgate.store import StoredNetwork, load_network
from ohmbench.kirchhoff.configuration import read_config
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.samples import PaperSource
from ohmbench.kirchhoff.store import StoredKirchhoff, load_checkpoint

FANN_V3 = Path("Analog") / "fg_mnist_weights_v3.npz"
FANN_INT8 = Path("Digital") / "mnist8x8_int8W_int32B_uint8A.npz"
KIRCHHOFF_RESULTS = (Path("src") / "results", Path("results"))


def _folder(source: Source, what: str, named: str | os.PathLike[str] | None, option: str) -> Path:
    """The folder ``named``, else the one in the source's variable, else the fetched copy.

    FileError when there is none of them, or what is named is no folder.
    """
    given = path_variable(source.variable) if named is None else os.fspath(named)
    how = f"run '{FETCH_PAPERS}', or give {option} FOLDER or set {source.variable}"
    if given is None:
        copy = fetched_folder(source.folder)
        if copy is not None:
            return copy
    if not given:
        raise FileError(what, "no folder named", remedy=how)
    if not os.path.isdir(given):
        raise FileError(given, "is not a folder", remedy=how)
    return Path(given)


def fann_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """The FANN artifacts: the folder ``named``, else ``$OHMBENCH_PAPER_FANN``, else the fetched
    copy.

    Raises FileError when there is none of them, or what is named is no folder.
    """
    return _folder(FANN, "FANN artifacts", named, FANN_OPTION)


def _fann_file(named: str | os.PathLike[str] | None, file: Path) -> Path:
    path = fann_folder(named) / file
    if not path.exists():
        remedy = _remedy(path, f"name the folder that holds {file.as_posix()}")
        raise FileError(path, "not found", remedy=remedy)
    check_copy(path)
    return path


def _remedy(path: Path, own: str) -> str:
    """What to do about a file that is missing: fetch it, or ``own`` in a folder of the user's."""
    return f"run '{FETCH_PAPERS}'" if is_copy(path) else own


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


def kirchhoff_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """The KirchhoffNet artifacts: the folder ``named``, else ``$OHMBENCH_PAPER_KIRCHHOFFNET``, else
    the fetched copy.

    Raises FileError when there is none of them, or what is named is no folder.
    """
    return _folder(KIRCHHOFFNET, "KirchhoffNet artifacts", named, KIRCHHOFF_OPTION)


def kirchhoff_results(named: str | os.PathLike[str] | None = None) -> Path:
    """The folder of that checkout with a folder for each experiment.

    Raises FileError when there is none.
    """
    folder = kirchhoff_folder(named)
    for inside in KIRCHHOFF_RESULTS:
        if (folder / inside).is_dir():
            return folder / inside
    if any((folder / name / KIRCHHOFF_CONFIG).is_file() for name in EXPERIMENTS):
        return folder
    missing = folder / KIRCHHOFF_RESULTS[0]
    remedy = _remedy(missing, "name the folder that holds src/results/EXPERIMENT/config.yaml")
    raise FileError(missing, "not found", remedy=remedy)


def read_kirchhoff_folder(folder: str | os.PathLike[str]) -> StoredKirchhoff:
    """A network from a folder with the paper's two files, ``config.yaml`` and ``model.pth``.

    Raises FileError when a file is missing, damaged or holds code, when the configuration is not
    one, or when the two do not belong together: it names the slice, what is there and what should
    be.
    """
    config_path, checkpoint = (Path(folder) / n for n in (KIRCHHOFF_CONFIG, KIRCHHOFF_CHECKPOINT))
    for path in (config_path, checkpoint):
        check_copy(path)
    config = read_config(config_path)
    model = build(config)
    # A large configuration has a large checkpoint.
    promised = sum(p.numel() * p.element_size() for p in model.state_dict().values())
    arrays = read_pth(checkpoint, max_bytes=MAX_BYTES + 2 * promised)
    load_checkpoint(os.fspath(checkpoint), model, arrays)
    source = PaperSource(config.test_bench)
    return StoredKirchhoff(os.fspath(checkpoint), config, model, source)


def read_kirchhoff(experiment: str, named: str | os.PathLike[str] | None = None) -> StoredKirchhoff:
    """The paper's own network of ``experiment``, a name in ``EXPERIMENTS``, any of them.

    Raises FileError as ``read_kirchhoff_folder``, and when the experiment is not in the checkout.
    """
    results = kirchhoff_results(named)
    if experiment not in EXPERIMENTS:
        raise FileError(experiment, "no experiment", remedy=f"there are {', '.join(EXPERIMENTS)}")
    if not (results / experiment).is_dir():
        present = sorted(p.name for p in results.iterdir() if (p / KIRCHHOFF_CONFIG).is_file())
        own = f"that checkout has {', '.join(present) or 'no experiment'}"
        missing = results / experiment
        raise FileError(missing, "not found", remedy=_remedy(missing, own))
    for name in (KIRCHHOFF_CONFIG, KIRCHHOFF_CHECKPOINT):
        file = results / experiment / name
        if not file.exists():
            raise FileError(file, "not found", remedy=_remedy(file, "restore the published file"))
    return read_kirchhoff_folder(results / experiment)
