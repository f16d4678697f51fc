"""Plants the fault of a ledger's row and runs the row's test: it must turn red.

The fault stands in a copy, of the ledger's folder or of the package that the fault names, which is
imported in place of the original. The original stays as it is, and so does compiled code that was
kept for it.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ohmbench.claims.ledger import Claim, ClaimStatus, Fault, number_text
from ohmbench.claims.outcomes import TEST_FAILED, Outcome
from ohmbench.claims.running import SKIPPED_FOLDERS, run_row
from ohmbench.eda.hdl import HDL_VARIABLE, hdl_folder
from ohmbench.errors import FileError
from ohmbench.files import write_bytes

_HDL = Path("ohmbench", "hdl")
_IMPORTED = "PYTHONPATH"


@dataclass(frozen=True)
class Planted:
    """What became of a row whose fault was in place."""

    row: Claim
    outcome: Outcome

    @property
    def red(self) -> bool:
        """Whether the row FAILED by its test, not by anything around it."""
        found = self.outcome
        by_test = found.measurement is not None or found.reason == TEST_FAILED
        return found.status is ClaimStatus.FAILED and by_test

    @property
    def measured(self) -> bool:
        """Whether it is red because of the value that its test measured."""
        return self.red and self.outcome.measurement is not None

    @property
    def text(self) -> str:
        """One line: red or not, and by what."""
        found = self.outcome
        if self.measured:
            assert found.measurement is not None
            value = f"{number_text(found.measurement.value)} {self.row.unit}".strip()
            return f"red: measured {value}"
        if self.red:
            return "red: its test failed before it measured anything"
        return f"NOT RED: {found.status.value}" + (f", {found.reason}" if found.reason else "")


@dataclass(frozen=True)
class _Place:
    """The ``folder`` that is copied, the ``file`` in it, and the variable that names the copy.

    That variable is None for the ledger's own folder, whose copy has the tests too.
    """

    folder: Path
    file: Path
    variable: str | None = None


def _place(ledger: Path, row: Claim, fault: Fault) -> _Place:
    file = Path(fault.file)
    if (ledger.parent / file).is_file():
        return _Place(ledger.parent, ledger.parent / file)
    if file.parent == _HDL:  # in a checkout the Verilog lies outside the package
        folder = hdl_folder()
        return _Place(folder, folder / file.name, HDL_VARIABLE)
    package = file.parts[0]
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    for named in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (Path(named).parent / file).is_file():
            return _Place(Path(named), Path(named).parent / file, _IMPORTED)
    raise FileError(
        ledger,
        f"{fault.file} is neither in the ledger's folder nor in an installed package",
        field=f"claim {row.id}, fault",
        remedy="name a file that is there",
    )


def _changed(ledger: Path, row: Claim, fault: Fault, text: str) -> str:
    """``text`` with the fault. Raises FileError where it does not fit."""
    times = text.count(fault.replace)
    if times != 1:
        raise FileError(
            ledger,
            f"{fault.file} has the text {fault.replace!r} {times} times, but should have it once",
            field=f"claim {row.id}, fault",
            remedy="bring the fault along with the file",
        )
    changed = text.replace(fault.replace, fault.by)
    if fault.file.endswith(".py"):
        try:
            ast.parse(changed)
        except SyntaxError as error:
            raise FileError(
                ledger,
                f"with the fault {fault.file} is not Python: {error.msg}",
                field=f"claim {row.id}, fault",
                remedy="plant a fault that can be imported",
            ) from None
    return changed


def _fault_of(ledger: Path, row: Claim) -> Fault:
    if row.fault is None:
        raise FileError(
            ledger, "has no fault to plant", field=f"claim {row.id}", remedy="add the key 'fault'"
        )
    return row.fault


def faulty_text(ledger: Path, row: Claim) -> str:
    """The text of the file that the row's fault changes, with the fault.

    Raises FileError when the row has no fault, when its file is not there or not UTF-8, when the
    text to replace is not there exactly once, and when a Python file can no longer be parsed.
    """
    fault = _fault_of(ledger, row)
    place = _place(ledger, row, fault)
    try:
        text = place.file.read_bytes().decode()
    except OSError as error:
        raise FileError(place.file, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise FileError(place.file, "is not UTF-8") from None
    return _changed(ledger, row, fault, text)


def plant(
    ledger: Path, row: Claim, *, environment: Mapping[str, str] | None = None, show: bool = True
) -> Planted:
    """Run the row's test with the row's fault in place.

    ``environment`` and ``show`` as for ``run_row``. Raises as ``faulty_text`` and ``run_row`` (as
    for tests that cannot be imported with the fault), and FileError when the copy cannot be made.
    """
    changed, fault = faulty_text(ledger, row), _fault_of(ledger, row)
    place = _place(ledger, row, fault)
    with tempfile.TemporaryDirectory(prefix="ohmbench-plant-") as folder:
        copy = Path(folder, "copy", place.folder.name)
        try:
            shutil.copytree(place.folder, copy, ignore=_left_out)
        except OSError as error:
            raise FileError(place.folder, f"cannot be copied: {error}") from None
        write_bytes(copy / place.file.relative_to(place.folder), changed.encode(), overwrite=True)
        outcome = run_row(
            copy / ledger.name if place.variable is None else ledger,
            row,
            environment={**(environment or {}), **_environment(place, copy)},
            show=show,
        )
    return Planted(row, outcome)


def _left_out(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.startswith(".") or name in SKIPPED_FOLDERS}


def _environment(place: _Place, copy: Path) -> dict[str, str]:
    """The variables with which the copy is used in place of the original."""
    found = {
        # A copy of the package has no folder with the Verilog beside it.
        HDL_VARIABLE: os.fspath(hdl_folder()),
        # Loops that were compiled without the fault are not to be found here.
        "NUMBA_CACHE_DIR": os.fspath(copy.parent.parent / "numba"),
    }
    if place.variable == HDL_VARIABLE:
        found[HDL_VARIABLE] = os.fspath(copy)
    if place.variable == _IMPORTED:
        searched = [os.fspath(copy.parent), *filter(None, [os.environ.get(_IMPORTED)])]
        found[_IMPORTED] = os.pathsep.join(searched)
    return found
