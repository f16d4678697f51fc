"""From a name on the command line to a network: what a name that means nothing is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohmbench import families
from ohmbench.digital import StoredInt8
from ohmbench.errors import FileError
from ohmbench.families import Papers, find_training, load
from ohmbench.floatgate import StoredNetwork


def test_a_few_of_many_stored_names_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line has room for eight; those of single seeds are in the list alone."""
    stored = [f"net{k}" for k in range(20)]
    manifest = {name: None for one in stored for name in (f"{one}-seed3", one)}
    monkeypatch.setattr(families, "read_manifest", lambda: manifest)
    with pytest.raises(FileError, match="neither stored weights nor a file") as caught:
        load("nothing", Papers(None))
    told = str(caught.value.remedy).removeprefix("there are ").split(", ")
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


def test_a_network_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "net.npz").write_bytes(b"")
    with pytest.raises(FileError, match=r"net\.npz: is not a configuration"):
        find_training(str(tmp_path / "net.npz"), 0)
