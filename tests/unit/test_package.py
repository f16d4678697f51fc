"""What is installed: every package of the library, the Verilog and the ledger with it."""

import re
from pathlib import Path

from ohmbench.eda.hdl import sources

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
LISTED = set(re.findall(r'^    "(ohmbench[.\w]*)",', CONFIGURATION, flags=re.M))


def test_every_package_is_listed():
    library = ROOT / "lib"
    found = {
        ".".join(file.parent.relative_to(library).parts)
        for file in library.glob("ohmbench/**/__init__.py")
    }
    assert found | {"ohmbench.hdl", "ohmbench.repro"} == LISTED


def test_every_kind_of_file_is_installed():
    """No file of the library or the hardware has an ending that the package data leave out."""
    endings = {
        path.suffix
        for folder in (ROOT / "lib" / "ohmbench", ROOT / "hdl")
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert endings <= {".py", ".typed", ".npz", ".json", ".cpp", ".v", ".md", ".yaml"}
    for pattern in ("*.npz", "*.json", "py.typed", "*.cpp", "*.v", "README.md", "*.yaml"):
        assert pattern in CONFIGURATION


def test_sources_are_found_in_a_checkout():
    assert {path.parent for path in sources()} == {ROOT / "hdl"}
