"""The manifest vouches for every stored file, and refuses what it does not describe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohmbench.errors import FileError
from ohmbench.files import sha256_file, write_npz
from ohmbench.weights import (
    MANIFEST,
    WEIGHTS_FOLDER,
    describe,
    read_manifest,
    register,
    stored,
    versions,
)
from tests.unit.predictions import CLASSIFIERS, PREDICTIONS, answers, needs_mnist

METRICS = {"accuracy": 0.9}
RECIPE = {"steps": 3, "layers": [{"theta_std": 2.0}]}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    write_npz(tmp_path / "net.npz", {"W": np.ones(3)})
    return tmp_path / "net.npz"


@pytest.fixture
def manifest(weights: Path) -> Path:
    path = weights.parent / "manifest.json"
    entry = describe(weights, command="ohmbench train net", seed=3, recipe=RECIPE, metrics=METRICS)
    register("net", entry, manifest=path)
    return path


def test_round_trip(weights: Path, manifest: Path) -> None:
    assert stored("net", manifest=manifest) == weights
    assert stored("other", manifest=manifest) is None
    entry = read_manifest(manifest)["net"]
    assert (entry.file, entry.sha256) == ("net.npz", sha256_file(weights))
    assert (entry.command, entry.seed, entry.metrics) == ("ohmbench train net", 3, METRICS)
    assert entry.recipe == RECIPE
    assert entry.versions == versions()
    assert {"python", "ohmbench", "torch", "numpy"} <= entry.versions.keys()


def test_registering_adds_and_replaces(weights: Path, manifest: Path) -> None:
    second = describe(weights, command="again", seed=4, recipe=RECIPE, metrics=METRICS)
    register("second", second, manifest=manifest)
    assert list(read_manifest(manifest)) == ["net", "second"]
    register("net", second, manifest=manifest)
    assert read_manifest(manifest) == {"net": second, "second": second}


def test_another_file_is_refused(weights: Path, manifest: Path) -> None:
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(FileError, match=r"net\.npz: is not the file its manifest describes"):
        stored("net", manifest=manifest)


def test_a_missing_file_is_refused(weights: Path, manifest: Path) -> None:
    weights.unlink()
    with pytest.raises(FileError, match=r"net\.npz.*no such file"):
        stored("net", manifest=manifest)


def changed(**changes: Any) -> Any:
    entry = {
        "file": "net.npz",
        "sha256": "0" * 64,
        "command": "c",
        "seed": 1,
        "recipe": {},
        "versions": {},
        "metrics": {},
    }
    return {"net": {k: v for k, v in (entry | changes).items() if v is not ...}}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        pytest.param([], "is not an object of names", id="list"),
        pytest.param({"net": 3}, "net: ", id="no-entry"),
        pytest.param(changed(sha256=...), "net.sha256: Field required", id="missing"),
        pytest.param(changed(sha="0"), "net.sha: Extra inputs", id="unknown"),
        pytest.param(changed(sha256="0" * 63), "net.sha256: String should match", id="hash-short"),
        pytest.param(changed(sha256="Z" * 64), "net.sha256: String should match", id="hash-no-hex"),
        pytest.param(changed(seed="1"), "net.seed: Input should be", id="seed-text"),
        pytest.param(changed(metrics={"a": "b"}), "net.metrics.a: Input should", id="metric-text"),
        pytest.param(changed(file="../net.npz"), "net.file: String should match", id="elsewhere"),
        pytest.param(changed(file="/etc/net.npz"), "net.file: String should match", id="absolute"),
        pytest.param(changed(file="net.pth"), "net.file: String should match", id="pickle"),
    ],
)
def test_malformed_manifests_are_refused(tmp_path: Path, value: Any, complaint: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(FileError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)


def test_damaged_manifests_are_neither_read_nor_overwritten(weights: Path, manifest: Path) -> None:
    manifest.write_text("{", encoding="utf-8")
    entry = describe(weights, command="c", seed=1, recipe=RECIPE, metrics=METRICS)
    with pytest.raises(FileError, match="not valid JSON"):
        register("net", entry, manifest=manifest)
    assert manifest.read_text(encoding="utf-8") == "{"


# ------------------------------------------------------------------------------------------------
# This project's weights


def check_folder(folder: Path, manifest: Path) -> None:
    """Every entry's file is there and is the one described; no npz lies there unvouched for."""
    entries = read_manifest(manifest)
    assert entries, f"{manifest.name} vouches for nothing"
    for name in entries:
        assert stored(name, manifest=manifest) is not None
    lying = {path.relative_to(folder).as_posix() for path in folder.rglob("*.npz")}
    unknown = sorted(lying - {entry.file for entry in entries.values()})
    assert unknown == [], f"without an entry in {manifest.name}: {unknown}"


def test_the_weights_are_those_of_the_manifest() -> None:
    check_folder(WEIGHTS_FOLDER, MANIFEST)


def test_the_check_finds_what_is_wrong(weights: Path, manifest: Path) -> None:
    check_folder(weights.parent, manifest)
    (weights.parent / "more").mkdir()
    write_npz(weights.parent / "more" / "stray.npz", {"W": np.ones(1)})
    with pytest.raises(AssertionError, match=r"more/stray\.npz"):
        check_folder(weights.parent, manifest)
    weights.write_bytes(b"other")
    with pytest.raises(FileError, match="SHA-256 differs"):
        check_folder(weights.parent, manifest)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.needs("mnist")] if needs_mnist(name) else [])
        for name in CLASSIFIERS
    ],
)
def test_a_stored_network_answers_as_ever(name: str) -> None:
    """Whatever is rewritten around it; ``python -m tests.unit.predictions`` stores the hashes."""
    assert answers(name) == json.loads(PREDICTIONS.read_text(encoding="utf-8"))[name]
