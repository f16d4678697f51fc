"""The installed package alone, in an empty folder, with files that the user writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_cli_claims import LEDGER
from tests.unit.test_cli_claims import TESTS as LEDGER_TESTS
from tests.unit.test_own_floatgate import OWN_CARD, write_csv
from tests.unit.test_own_kirchhoff import KINDS
from tests.unit.test_own_kirchhoff import YAML as CIRCUIT

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "lib", "hdl", "tests/repro")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel of this source installs."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    site = tmp_path_factory.mktemp("site")
    for arguments in (
        ("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(site), "."),
        ("install", "-q", "--no-deps", "--target", str(site), "--find-links", str(site),
         "--no-index", "ohmbench"),
    ):  # fmt: skip
        subprocess.run([sys.executable, "-m", "pip", *arguments], cwd=source, check=True)
    return site


class Installed:
    """``run("evaluate", ...)`` as a user of the wheel does, in ``folder``."""

    def __init__(self, site: Path, folder: Path) -> None:
        self.site, self.folder = site, folder

    def __call__(self, *arguments: object, module: str = "ohmbench", status: int = 0) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.site),
            "PYTHONDONTWRITEBYTECODE": "1",  # a folder of nothing but what the commands write
        }
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def installed(site: Path, tmp_path: Path) -> Installed:
    found = Installed(site, tmp_path)
    where = "import ohmbench; print(ohmbench.__file__)"
    (tmp_path / "where.py").write_text(where)
    assert str(site) in found(module="where")
    (tmp_path / "where.py").unlink()
    return found


def test_a_device_a_network_and_data_of_ones_own(installed: Installed) -> None:
    folder = installed.folder
    write_csv(folder, "iris")
    (folder / "mine.yaml").write_text(OWN_CARD, encoding="utf-8")
    (folder / "net.yaml").write_text(
        "family: floatgate\ncard: mine.yaml\n"
        "layers: [{neurons: 10}, {neurons: 8}, {activation: sigmoid}]\n"
        "encoding: {low_V: 0.8, span_V: 0.4}\n"
        "data: {file: iris.csv, target: kind}\n"
        "train: {steps: 150, population: 1, batch: 32}\n",
        encoding="utf-8",
    )
    installed("train", "net.yaml")
    for file in ("mine.yaml", "net.yaml", "iris.csv"):
        (folder / file).unlink()
    found = json.loads(installed("evaluate", "net-seed0.npz", "--json"))
    assert (found["total"], len(found["classes"])) == (38, 3)
    assert json.loads(installed("power", "net-seed0.npz", "--json"))["neurons"] == 21
    assert "image 2: answers" in installed(
        "predict", "net-seed0.npz", "--image", 2, "--plot", "2.png"
    )
    installed("plot", "net-seed0.npz", "--out", "plots")
    assert {file.name for file in folder.iterdir()} == {"net-seed0.npz", "2.png", "plots"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_circuit_on_data_of_ones_own(installed: Installed, kind: str) -> None:
    folder = installed.folder
    write_csv(folder, "iris")
    values = {**KINDS[kind], "epochs": 2}
    target = {
        "classification": "target: kind",
        "regression": "target: petal width (cm)",
        "generation": "features: [sepal length (cm), petal length (cm)], scale: standard",
    }
    if kind == "generation":
        lines = (folder / "iris.csv").read_text().splitlines()
        kept = "\n".join(",".join(line.split(",")[:4]) for line in lines)
        (folder / "iris.csv").write_text(kept)
    if kind == "regression":
        target[kind] += ", features: [sepal length (cm), petal length (cm)]"
    values["data"] = f"{{file: iris.csv, {target[kind]}}}"
    (folder / "net.yaml").write_text(CIRCUIT.format(kind=kind, **values), encoding="utf-8")
    installed("train", "net.yaml")
    (folder / "iris.csv").unlink()
    assert json.loads(installed("evaluate", "net-seed0.npz", "--json"))["kind"] == kind


def test_a_third_papers_ledger(installed: Installed) -> None:
    """One claim of each status, one of them red."""
    folder = installed.folder
    (folder / "tests").mkdir()
    (folder / "claims.yaml").write_text(LEDGER, encoding="utf-8")
    (folder / "tests" / "test_paper.py").write_text(LEDGER_TESTS, encoding="utf-8")
    printed = installed("claims", ".", "--json", "claims.json", status=1)
    assert "lab.accuracy" in printed
    (rows,) = json.loads((folder / "claims.json").read_text(encoding="utf-8"))["ledgers"].values()
    assert {row["id"]: row["status"] for row in rows} == {
        "lab.accuracy": "reproduced",
        "lab.power": "differs",
        "lab.speed": "FAILED",
        "lab.chip": "not checkable",
    }
    # Templates, style and script are in the wheel too.
    installed("report", "--claims-json", "claims.json", "--out", "report.html", status=1)
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "lab.accuracy" in html
    assert "addEventListener" in html
