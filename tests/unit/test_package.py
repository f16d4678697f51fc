"""What is installed: every package of the library, the Verilog and the ledger with it."""

import ast
import dataclasses
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ohmbench.eda.hdl import sources

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PACKAGES = CONFIGURATION.partition("packages = [")[2].partition("]")[0]
LISTED = set(re.findall(r'"(ohmbench[.\w]*)",', PACKAGES))


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
    texts = {".md", ".yaml", ".css", ".js", ".j2"}
    assert endings <= {".py", ".typed", ".npz", ".json", ".cpp", ".v", *texts}
    for pattern in ("*.npz", "*.json", "py.typed", "*.cpp", "*.v", "README.md", "*.yaml"):
        assert pattern in CONFIGURATION


def test_sources_are_found_in_a_checkout():
    assert {path.parent for path in sources()} == {ROOT / "hdl"}


COUNTERS = {
    "ohmbench.benchmarks.timing:Race",
    "ohmbench.eda.synthesis.blif:Netlist",
    "ohmbench.floatgate.ranges:RangeCount",
    "ohmbench.floatgate.ranges:RangeCounts",
}
"""What is filled while something runs. Every other record says what was found, for good."""


def modules_with_records() -> list[str]:
    library = ROOT / "lib"
    files = sorted(library.glob("ohmbench/**/*.py"))
    return [
        ".".join(file.relative_to(library).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if "@dataclass" in file.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", modules_with_records())
def test_records_cannot_be_changed(name):
    module = importlib.import_module(name)
    records = {
        f"{name}:{key}": value
        for key, value in vars(module).items()
        if dataclasses.is_dataclass(value) and value.__module__ == name
    }
    written = ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
    assert len(records) >= sum(
        any("dataclass" in ast.unparse(d) for d in node.decorator_list)
        for node in written
        if isinstance(node, ast.ClassDef)
    )
    thawed = {key for key, value in records.items() if not value.__dataclass_params__.frozen}
    assert thawed == COUNTERS & set(records)


WRONG_IMPORTS = {
    "a kernel of a family": ("kernels/choice.py", "from ohmbench.floatgate import EKV"),
    "a family of another": ("digital/golden.py", "from ohmbench.kirchhoff.circuit import Circuit"),
    "a family of the command": ("kirchhoff/judging.py", "from ohmbench.cli.common import say"),
    "a circle in a family": ("floatgate/synapse.py", "from ohmbench.floatgate import networks"),
    "a command of a family": ("cli/predict.py", "from ohmbench.digital import infer"),
    "a package without a floor": ("variation/__init__.py", ""),
}


@pytest.mark.parametrize("fault", [None, *WRONG_IMPORTS])
def test_imports_point_down(fault: str | None, tmp_path: Path) -> None:
    """The contracts of ``tox -e lint`` hold, and each kind of wrong import breaks one."""
    shutil.copytree(
        ROOT / "lib" / "ohmbench",
        tmp_path / "ohmbench",
        ignore=lambda folder, names: [n for n in names if not (n.endswith(".py") or "." not in n)],
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    if fault is not None:
        file, line = WRONG_IMPORTS[fault]
        target = tmp_path / "ohmbench" / file
        target.parent.mkdir(exist_ok=True)
        text = target.read_text(encoding="utf-8") if target.exists() else ""
        target.write_text(f"{text}\n{line}\n", encoding="utf-8")
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--no-cache", "--no-logo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (0 if fault is None else 1), done.stdout + done.stderr


@pytest.mark.parametrize("family", ["digital", "floatgate", "kirchhoff"])
def test_the_face_of_a_family(family):
    """Every name is there, in order and once; it opens no window and parses no command line."""
    face = importlib.import_module(f"ohmbench.{family}")
    names = face.__all__
    assert [name for name in names if not hasattr(face, name)] == []
    constants = sorted(name for name in names if name.isupper())
    classes = sorted(name for name in names if name[0].isupper() and not name.isupper())
    assert names == [*constants, *classes, *sorted(name for name in names if name[0].islower())]
    assert len(set(names)) == len(names)


def test_faces_import_no_command_line_and_no_figures():
    """Nor is a shape checked by them: beartype is for tests, and annotations stay texts."""
    text = (
        "import sys, ohmbench.digital, ohmbench.floatgate, ohmbench.kirchhoff\n"
        "print(*({'beartype', 'matplotlib', 'typer'} & set(sys.modules)))\n"
        "print(*(f for f in sys.meta_path if type(f).__module__.startswith('jaxtyping')))\n"
        "print(*ohmbench.floatgate.relu.__annotations__.values())"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "", " ".join(["Float[Tensor, '*rows']"] * 2)]


DOCUMENTED = '"""A module."""\n\n\ndef f() -> None:\n    """Nothing."""\n'


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (DOCUMENTED, None),
        (DOCUMENTED.replace("def f", "def _f").replace('"""Nothing."""', "return"), None),
        (DOCUMENTED.replace("Nothing.", ""), "D419"),
        (DOCUMENTED.replace('"""Nothing."""', "return"), "D103"),
        (DOCUMENTED.replace('"""A module."""', ""), "D100"),
        (DOCUMENTED.replace("def f() -> None", "class C"), None),
        (DOCUMENTED + "\n\nclass C:\n    x = 1\n", "D101"),
        (DOCUMENTED.replace("def f() -> None", "class C") + "\n    def f(self): ...\n", "D102"),
    ],
)
def test_public_definitions_have_docstrings(text, rule):
    """What ``ruff check`` says of a module of the library."""
    pytest.importorskip("ruff", reason="linting needs ohmbench[lint]")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    done = subprocess.run(
        [*command, "--stdin-filename", "lib/ohmbench/planted.py", "-"],
        input=text, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert re.findall(r" (D\d+) ", done.stdout) == ([] if rule is None else [rule]), done.stdout
