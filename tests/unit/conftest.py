"""Fixtures that several modules of unit tests take."""

import sys

import pytest

from ohmbench import cli


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
