"""Fixtures that several modules of unit tests take."""

import sys

import pytest

from ohmbench import cli
from ohmbench.fetching import copies


@pytest.fixture(autouse=True)
def no_fetched_copy(request, monkeypatch, tmp_path_factory):
    """What the user has fetched is hidden from tests, except from those that need it."""
    if request.node.get_closest_marker("needs") is None:
        folder = tmp_path_factory.getbasetemp() / "nothing-fetched"
        monkeypatch.setattr(copies, "fetched_root", lambda: folder)


@pytest.fixture
def run(monkeypatch, capsys):
    """``run("evaluate", ...)`` -> (exit status, standard output, standard error)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ohmbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return call
