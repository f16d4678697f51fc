"""Everything outside the package that some check needs, in one table.

The ``needs`` marker of the tests, the header of a test run, ``ohmbench doctor`` and the
documentation read this table, so that each thing is looked for and reported in the same way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ohmbench.constants import (
    FANN_VARIABLE,
    FETCH_PAPERS,
    KIRCHHOFF_CHECKPOINT,
    KIRCHHOFF_OPTION,
    KIRCHHOFF_VARIABLE,
    MODELS_VARIABLE,
)
from ohmbench.data.mnist import DATA_VARIABLE, missing_files, mnist_folder
from ohmbench.data.regression import housing_file
from ohmbench.digital.importing.runtimes import INSTALL, RUNTIMES, Runtime
from ohmbench.eda.tools import TOOLS, Tool
from ohmbench.errors import FileError
from ohmbench.fetching import check_copy, is_copy
from ohmbench.fetching.copies import MODELS, model_file
from ohmbench.fetching.sources import MNIST, SOURCES, TARGETS
from ohmbench.paper import FANN_INT8, FANN_V3, fann_folder, kirchhoff_results


@dataclass(frozen=True)
class Availability:
    """Where a need was met, or the ``reason`` why not (then ``where`` is None).

    ``is_copy``: it is what ``ohmbench fetch`` keeps, and not a folder that the user names.
    """

    where: str | None
    reason: str = ""
    is_copy: bool = False


@dataclass(frozen=True)
class Need:
    """One need: its name in ``needs(name)``, what it is, what it is for, how to get it, how to find
    it.

    ``version`` returns the version of a tool that was found; files have none.
    """

    name: str
    what: str
    used_by: str
    hint: str
    look: Callable[[], Availability]
    version: Callable[[], str] | None = None


def _there(path: str | os.PathLike[str]) -> Availability:
    return Availability(os.fspath(path), is_copy=is_copy(path))


def _file_in(folder: Callable[[], os.PathLike[str]], relative: str) -> Callable[[], Availability]:
    def look() -> Availability:
        try:
            path = os.path.join(folder(), relative)
            if not os.path.isfile(path):
                return Availability(None, f"{path} not found")
            check_copy(path)
        except FileError as error:
            return Availability(None, error.reason)
        return _there(path)

    return look


def _models() -> Availability:
    try:
        files = [
            model_file(os.fspath(file.target))
            for name in TARGETS[MODELS]
            for file in SOURCES[name].files
        ]
    except FileError as error:
        return Availability(None, error.reason)
    return _there(files[0].parent)


def _mnist() -> Availability:
    try:
        folder, missing = mnist_folder(), missing_files()
        if missing:
            return Availability(None, f"{folder} lacks {', '.join(missing)}")
        for file in MNIST.files:
            check_copy(folder / file.target)
    except FileError as error:
        return Availability(None, error.reason)
    return _there(folder)


def _housing() -> Availability:
    try:
        return _there(housing_file())
    except FileError as error:
        return Availability(None, error.reason)


def _cuda() -> Availability:
    if torch.cuda.is_available():
        return Availability("cuda")
    return Availability(None, "PyTorch sees no CUDA device")


def _runtime(runtime: Runtime) -> Need:
    def look() -> Availability:
        folder = runtime.folder()
        return Availability(folder, "" if folder else f"{runtime.package} is not installed")

    return Need(
        runtime.package,
        f"the runtime of {runtime.format}",
        f"running imported {runtime.format} networks beside their integers",
        INSTALL,
        look,
        runtime.version,
    )


def _tool(tool: Tool) -> Need:
    def look() -> Availability:
        path = tool.path()
        return Availability(path) if path else Availability(None, tool.missing())

    return Need(tool.name, tool.what, tool.used_by, tool.hint, look, tool.version)


NEEDS = {
    need.name: need
    for need in (
        Need(
            "paper-fann",
            "the FANN paper's trained files",
            "claims about the paper's own floating-gate networks",
            f"run '{FETCH_PAPERS}', or set {FANN_VARIABLE} or pass --paper-fann FOLDER "
            f"(holds {FANN_V3.as_posix()})",
            _file_in(fann_folder, os.fspath(FANN_V3)),
        ),
        Need(
            "paper-fann-int8",
            "the FANN paper's int8 network",
            "claims about the paper's digital half",
            f"run '{FETCH_PAPERS}', or set {FANN_VARIABLE} or pass --paper-fann FOLDER "
            f"(holds {FANN_INT8.as_posix()})",
            _file_in(fann_folder, os.fspath(FANN_INT8)),
        ),
        Need(
            "paper-kirchhoffnet",
            "the KirchhoffNet paper's checkpoints",
            "claims about the paper's own circuits",
            f"run '{FETCH_PAPERS}', or set {KIRCHHOFF_VARIABLE} or pass {KIRCHHOFF_OPTION} FOLDER "
            "(holds src/results/twomoon and so on)",
            _file_in(kirchhoff_results, os.path.join("twomoon", KIRCHHOFF_CHECKPOINT)),
        ),
        Need(
            "models",
            "integer networks that others published (QONNX, TFLite)",
            "claims about these networks, and their import",
            f"run 'ohmbench fetch models', or set {MODELS_VARIABLE} to a folder that holds them",
            _models,
        ),
        Need(
            "mnist",
            "the official MNIST files (IDX)",
            "floatgate-mnist28, mnist, genmnist, and judging int8-mnist28",
            f"run 'ohmbench fetch mnist', or set {DATA_VARIABLE} to a folder that holds them, or "
            "has them in mnist/ or MNIST/raw/",
            _mnist,
        ),
        Need(
            "housing",
            "California housing (StatLib's cal_housing)",
            "judging housing and housing-mlp",
            f"run 'ohmbench fetch housing', or set {DATA_VARIABLE} to a folder that holds it (or "
            "has it in housing/)",
            _housing,
        ),
        Need(
            "cuda",
            "a CUDA device",
            "the checks that circuits run on one",
            "a machine with one, and a PyTorch built for it",
            _cuda,
            lambda: f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}",
        ),
        *map(_runtime, RUNTIMES.values()),
        *map(_tool, TOOLS.values()),
    )
}
"""Name -> need."""


def skip_reason(name: str) -> str | None:
    """Return None if the need is met, else one line: what is missing and how to get it."""
    need = NEEDS[name]
    found = need.look()
    return None if found.where else f"needs {name}: {found.reason} ({need.hint})"
