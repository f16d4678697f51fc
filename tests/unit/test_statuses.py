"""Every command: 0 and a quiet error stream, 1 for a verdict, 2 and one line for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import typer

from ohmbench import cli
from tests.unit.command_line import assert_refused
from tests.unit.option_rows import Seen, drawn_as_text, see, stand_ins, world

__all__ = ["drawn_as_text", "see", "stand_ins", "world"]

# By command: words that succeed, words whose verdict is no, and words that are wrong.
ROWS: dict[str, tuple[str, str | None, str]] = {
    "list": ("", None, "surplus"),
    "doctor": ("", None, "surplus"),
    "train": ("{short} --samples 32", None, "missing.yaml"),
    "evaluate": ("{int8}", None, "missing.npz"),
    "claims": ("{ledger} --source fann", "{ledger}", "missing"),
    "report": ("--claims-json {judged}", "{ledger}", "missing"),
    "export": ("{int8} new.onnx", None, "{circles} new.onnx"),
    "power": ("{circles}", None, "{int8}"),
    "predict": ("{int8} --image 19", None, "{int8} --image 20"),
    "plot": ("{int8}", None, "{int8} --out {int8}"),
    "sample": ("{flow} -n 2", None, "{regression} -n 2"),
    "quantize": ("{mlp} --data {points}", None, "{mlp} --data nobody"),
    "import": ("{dense} --random 5", "{undecided} --random 5", "{reals} --rounding single"),
    "prove": ("{int8}", "{int8} --product-bits 30", "{circles}"),
    "trace": ("{int8}", "{int8} --float {float}", "{int8} --image 20"),
    "synth run": ("64-100-10", None, "64-100"),
    "synth sweep": ("64-100-10 --lanes 13", None, "64-100"),
    "bench show": ("{before}", None, "{short}"),
    "bench compare": ("{before} {before}", "{before} {after}", "{before} {short}"),
    "bench plot": ("{before}", None, "{before} --only nobody"),
    "fetch": ("all --list", None, "nothing"),
    "store": ("{circles} --name new", None, "{circles} --name a/b"),
}
PROGRESS = ("train", "synth run", "synth sweep")
"""Whose error stream has a bar."""
FILES = ("claims", "report")
"""Which say all they have to say in files."""


def every_command() -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[" ".join(path)] = command
        for name, one in (inner or {}).items():
            walk(one, (*path, name))

    walk(typer.main.get_command(cli.app), ())
    return found


def test_every_command_has_a_row() -> None:
    assert set(ROWS) == set(every_command())


@pytest.mark.parametrize("command", ROWS)
def test_statuses_and_streams(command: str, see: Callable[..., Seen]) -> None:
    good, no, wrong = ROWS[command]
    seen = see(f"{command} {good}")
    assert seen.status == 0
    assert seen.out.strip()
    assert seen.err == "" or command in PROGRESS
    assert "ohmbench: " not in seen.err
    refused = see(f"{command} {wrong}")
    assert_refused((refused.status, refused.out, refused.err))
    assert refused.files == {}
    if no is not None:
        verdict = see(f"{command} {no}")
        assert (verdict.status, verdict.err) == (1, "")
        assert verdict.out.strip()


@pytest.mark.parametrize("command", [c for c in ROWS if ROWS[c][1] and c not in FILES])
def test_a_verdict_is_the_same_as_json(command: str, see: Callable[..., Seen]) -> None:
    for words in ROWS[command][:2]:
        plain, as_json = see(f"{command} {words}"), see(f"{command} {words} --json")
        assert plain.status == as_json.status
        assert as_json.err == ""
        assert as_json.json
