"""From a name on the command line to a network: what a name that means nothing is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ohmbench import constants, families
from ohmbench.digital import StoredInt8
from ohmbench.errors import FileError
from ohmbench.families import Papers, find_training, load
from ohmbench.floatgate import StoredNetwork
from ohmbench.floatgate.card import CARDS_FOLDER, DEFAULT_CARD


def test_a_few_of_many_stored_names_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line has room for eight; those of single seeds are in the list alone."""
    stored = [f"net{k}" for k in range(20)]
    manifest = {name: None for one in stored for name in (f"{one}-seed3", one)}
    monkeypatch.setattr(families, "read_manifest", lambda: manifest)
    with pytest.raises(FileError, match="neither stored weights nor a file") as caught:
        load("nothing", Papers(None))
    told = str(caught.value.remedy).removeprefix("choose from ").split(", ")
    assert told[:8] == stored[:8]
    assert told[8] == "paper-v3"


@pytest.mark.parametrize("name", ["nothing.npz", "no/thing"])
def test_what_looks_like_a_path_is_a_file_that_is_not_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=r"no such file or folder|not found"):
        load(name, Papers(None))
    (tmp_path / "word").write_text("no network", encoding="utf-8")
    with pytest.raises(FileError) as caught:
        load("word", Papers(None))
    assert "neither stored" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"), [("floatgate-digits", StoredNetwork), ("int8-digits", StoredInt8)]
)
def test_stored_names_are_read_from_the_package(name: str, kind: type[object]) -> None:
    assert isinstance(load(name, Papers(None)).network, kind)


TABLE = "a,b,kind\n" + "".join(f"{k},{k % 7},{'ab'[k % 2]}\n" for k in range(40))
TRAINED_FROM = {
    "floatgate": "family: floatgate\ncard: parts/card.yaml\nlayers: [{}]\n",
    "int8": "family: int8\nhidden: 3\n",
    "kirchhoff": """test_bench: classification
batch_size: 8
network:
  model: {name: ShiftRelu2, args: {}}
  net_struct: [{name: _fully_connect, args: {num_node: 3}}]
  projector: last2
  initialization: kaiming
simulation:
  {method: rk4, t_end: [0, 1], tol: 1e-3, first_step: 1e-2, min_step: 1e-6, step_size: 0.5}
train: {lr: 1e-3, num_epoch: 1}
""",
}


@pytest.mark.parametrize("family", TRAINED_FROM)
def test_no_file_that_a_training_reads_is_written(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    """Wherever the command is given: paths start at the folder of the configuration."""
    nets, elsewhere = tmp_path / "nets", tmp_path / "elsewhere"
    (nets / "parts").mkdir(parents=True)
    elsewhere.mkdir()
    data = "data: {file: parts/train.csv, held_out: parts/test.csv, target: kind}\n"
    files = {"net.yaml": TRAINED_FROM[family] + data, "parts/train.csv": TABLE}
    files["parts/test.csv"] = TABLE.replace("1,1,b\n", "1,2,b\n")
    if family == "floatgate":
        files["parts/card.yaml"] = (CARDS_FOLDER / f"{DEFAULT_CARD}.yaml").read_text("utf-8")
    for name, text in files.items():
        (nets / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(elsewhere)
    _, training = find_training("../nets/net.yaml", 0)
    read = {os.path.realpath(path) for path in training.reads}
    assert read == {os.path.realpath(nets / name) for name in files}
    for name in files:
        status, _, err = run("train", "../nets/net.yaml", "--out", nets / name, "--force")
        assert (status, "is what this command reads" in err) == (2, True)
    assert {name: (nets / name).read_text("utf-8") for name in files} == files


def test_a_network_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "net.npz").write_bytes(b"")
    with pytest.raises(FileError, match=r"net\.npz: is not a configuration"):
        find_training(str(tmp_path / "net.npz"), 0)


def test_the_names_of_help_are_the_families_own() -> None:
    """Help and completion know the trainings without loading a family."""
    own = [name for family in families.FAMILIES for name in family.trainings]
    assert sorted(constants.TRAININGS) == sorted(own)
