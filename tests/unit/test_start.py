"""What surrounds the command: everything of it is pinned, ignored or understood."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from ohmbench import start
from ohmbench.weights import WEIGHTS_FOLDER

ROOT = Path(__file__).parents[2]

HOSTILE = {
    # As Jupyter sets it for its children, whose environment need not have the package.
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MATPLOTLIBRC": "/proc/1/nothing",
    "NUMBA_NUM_THREADS": "0",
    "NUMBA_THREADING_LAYER": "nonsense",
    "NUMBA_THREADING_LAYER_PRIORITY": "nonsense",
    "NUMBA_DISABLE_JIT": "1",
    "NUMBA_OPT": "nonsense",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONIOENCODING": "ascii",
    "LC_ALL": "C",
    "LANG": "C",
    "TERM": "dumb",
    "COLUMNS": "1",
    "LINES": "nonsense",
    "NO_COLOR": "1",
    "HOME": "/proc/1/nothing",
    "XDG_CACHE_HOME": "/proc/1/nothing",
    "XDG_CONFIG_HOME": "/proc/1/nothing",
    "TZ": "Nowhere/At_all",
    "PYTHONHASHSEED": "7",
}
"""Each of them ended a command in a traceback, changed what it drew or printed, or might."""

SEVERAL = """
import json, sys
from ohmbench.start import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["ohmbench", *words]
    try:
        main()
    except SystemExit as end:
        print("status", end.code)
"""


def test_a_hostile_environment_changes_nothing(tmp_path, run):
    """One process for several commands: starting takes seconds."""
    odd, plain, hostile = (tmp_path / name for name in ("Ω$ß.npz", "plain.png", "hostile.png"))
    shutil.copy(WEIGHTS_FOLDER / "int8-digits.npz", odd)
    commands = [
        ["--version"],
        ["evaluate", "floatgate-circles"],
        ["evaluate", str(odd)],
        ["predict", str(odd), "--image", "7", "--plot", str(hostile)],
        ["evaluate", "Ω"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **HOSTILE},
    )
    found = [text.splitlines()[-1] for text in done.stdout.split("status")[1:]]
    assert [line.split()[0] for line in done.stdout.split("status ")[1:]] == [*"00002"], found
    assert "\\u03a9" in done.stdout
    assert "Matplotlib" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ohmbench: \\u03a9: neither stored")
    out = run("evaluate", "floatgate-circles")[1]
    assert out.splitlines()[0] in done.stdout
    assert run("predict", odd, "--image", 7, "--plot", plain)[0] == 0
    assert hostile.read_bytes() == plain.read_bytes()


@pytest.fixture
def environment(monkeypatch):
    """An environment and warnings of its own, back as they were afterwards."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with warnings.catch_warnings():
        yield os.environ


def test_what_is_pinned_and_ignored(environment):
    environment.update(dict.fromkeys((*start.PINNED, *start.IGNORED), "nonsense"))
    environment["NUMBA_CACHE_DIR"] = "theirs"
    start.order_environment()
    assert environment["MPLBACKEND"] == "agg"
    assert not set(environment) & set(start.IGNORED)
    assert environment["NUMBA_CACHE_DIR"] == "theirs"


def test_warnings_asked_to_be_errors_are_shown(environment, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", ["error", "ignore::ImportWarning"])
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=ImportWarning)
    start.order_environment()
    with pytest.warns(UserWarning, match="shown"):
        warnings.warn("shown", stacklevel=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("not shown", ImportWarning, stacklevel=1)
    assert caught == []


def test_warnings_are_as_they_were_where_nobody_asked(environment, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", [])
    before = list(warnings.filters)
    start.order_environment()
    assert warnings.filters == before


def test_as_a_module(environment, monkeypatch):
    """``python -m ohmbench`` is the command."""
    ran = []
    stand_in = ModuleType("ohmbench.cli")
    stand_in.main = lambda: ran.append(sys.argv)
    monkeypatch.setitem(sys.modules, "ohmbench.cli", stand_in)
    monkeypatch.setattr(sys, "argv", ["ohmbench", "list"])
    runpy.run_module("ohmbench", run_name="__main__")
    assert [words[1:] for words in ran] == [["list"]]
    runpy.run_module("ohmbench.__main__", run_name="imported")
    assert len(ran) == 1


GUIDE = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")


def test_the_guide_lists_every_variable():
    """Those that the library reads by our names or VTR's, and those that the start decides on."""
    read = {
        name
        for path in (ROOT / "lib").rglob("*.py")
        for name in re.findall(r'"((?:OHMBENCH|VTR)_[A-Z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(read) >= 9
    listed = set(re.findall(r"`(_?[A-Z][A-Z_]+)`", GUIDE))
    assert read | set(start.PINNED) | set(start.IGNORED) <= listed
    assert {name for name in listed if name.startswith(("OHMBENCH_", "VTR_"))} <= read
