"""Every line about what is wrong has one form: what, how, and what to do.

``assert_refused`` holds all refusals of all tests against the form; here are those that typer and
the system word themselves.
"""

from __future__ import annotations

import errno

import pytest

from ohmbench.cli.grouping import OLD_OPTIONS, renamed
from ohmbench.cli.refusals import line_of, system_line
from ohmbench.errors import FileError, OhmbenchError, OperandError
from tests.unit.command_line import FORM, assert_refused
from tests.unit.option_rows import (
    Seen,
    drawn_as_text,
    every_option,
    only_second,
    see,
    stand_ins,
    world,
)
from tests.unit.test_statuses import every_command

__all__ = ["drawn_as_text", "see", "stand_ins", "world"]

COMMANDS = every_command()
ARGUMENTS = {
    command: [p for p in COMMANDS[command].params if p.param_type_name == "argument"]
    for command in COMMANDS
}


def required(command: str) -> list[str]:
    """Words for the arguments without which a command says something else first."""
    return ["nobody" for argument in ARGUMENTS[command] if argument.required]


@pytest.mark.parametrize("command", COMMANDS)
def test_words_that_a_command_does_not_take(command: str, run) -> None:
    see_help = f"see 'ohmbench {command} --help'\n"
    words = [*command.split(), *required(command)]
    status, out, err = run(*words, "--xyzzy")
    assert (status, out) == (2, "")
    assert err == f"ohmbench: --xyzzy: no such option; {see_help}"
    if required(command):
        name = next(a.metavar or a.name for a in ARGUMENTS[command] if a.required)
        status, out, err = run(*command.split())
        assert (status, out) == (2, "")
        assert err == f"ohmbench: {name}: is missing; {see_help}"
    if all(argument.nargs == 1 for argument in ARGUMENTS[command]):
        surplus = ["one"] * (len(ARGUMENTS[command]) - len(required(command))) + ["two", "three"]
        mandatory = {"predict": ["--image", "1"], "sample": ["-n", "1"], "store": ["--name", "x"],
                     "quantize": ["--data", "x"]}  # fmt: skip
        status, out, err = run(*words, *mandatory.get(command, []), *surplus)
        assert (status, out) == (2, "")
        expected = f"ohmbench: two three: unexpected after the other arguments; {see_help}"
        assert err == expected


NUMBERS = {
    name: option
    for name, option in every_option().items()
    if option.type_descriptor.annotation in (int, float)
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_word_in_place_of_a_number(name: str, run) -> None:
    command, _, option = name.rpartition(" ")
    result = run(*command.split(), *required(command), option, "word")
    assert_refused(result, f" {option}", "should be a valid", f"see 'ohmbench {command} --help'")
    assert result[2].startswith("ohmbench: -")
    last = run(*command.split(), *required(command), option)
    assert_refused(last, f"ohmbench: {option}: needs a value; see 'ohmbench {command} --help'")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("evaluat x", "evaluat: no such command; did you mean 'evaluate'?; see 'ohmbench --help'"),
        ("nonsense", "nonsense: no such command; see 'ohmbench --help'"),
        ("bench", "bench: needs a command; see 'ohmbench bench --help'"),
        ("bench shw", "shw: no such command; did you mean 'show'?; see 'ohmbench bench --help'"),
        (
            "predict x --imag 3",
            "--imag: no such option; did you mean --image?; see 'ohmbench predict --help'",
        ),
        (
            "evaluate x --json=3",
            "--json: does not take a value; see 'ohmbench evaluate --help'",
        ),
    ],
)
def test_what_comes_near_is_named(words: str, line: str, run) -> None:
    assert run(*words.split()) == (2, "", f"ohmbench: {line}\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileError("x.npz", "not found"), "x.npz: not found; see 'ohmbench power --help'"),
        (FileError("a;b", "not a file", remedy="name one"), "a;b: not a file; name one"),
        (OperandError("--tol 3: at most 1"), "--tol 3: at most 1; see 'ohmbench power --help'"),
        (OhmbenchError("nothing to draw; add lanes"), "power: nothing to draw; add lanes"),
    ],
)
def test_errors_of_ohmbench(error: OhmbenchError, line: str) -> None:
    assert line_of(error, "ohmbench power") == line
    assert FORM.fullmatch(f"ohmbench: {line}\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left", "/x"), "/x: No space left; free some space"),
        (OSError(errno.EACCES, "Denied", "/x"), "/x: Denied; check its permissions"),
        (OSError(errno.EMFILE, "Too many"), "list: Too many; see 'ohmbench list --help'"),
        (OSError("odd"), "list: odd; see 'ohmbench list --help'"),
    ],
)
def test_errors_of_the_system(error: OSError, line: str) -> None:
    assert system_line(error, "ohmbench list") == line
    assert FORM.fullmatch(f"ohmbench: {line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "ohmbench: No such option: --nonsense (see 'ohmbench --help')",
        "ohmbench: not enough memory; ask for less",
        "ohmbench: --tol 3: at most 1",
        "ohmbench: x: wrong; ",
        "--tol 3: at most 1; choose less",
    ],
)
def test_another_form_is_noticed(line: str) -> None:
    assert not FORM.fullmatch(f"{line}\n")


# ------------------------------------------------------------------------------------------------
# Old names of options

OLD = {
    "evaluate --points": "evaluate {flow} --json --seed 1",
    "predict --index": "predict {int8} --json",
    "sample --number": "sample {flow} --json --seed 1",
}


def test_every_old_option_is_tried() -> None:
    assert {f"{command} {old}" for command, names in OLD_OPTIONS.items() for old in names} == set(
        OLD
    )
    for command, names in OLD_OPTIONS.items():
        taken = {word for p in COMMANDS[command].params for word in p.opts}
        assert set(names.values()) <= taken
        assert not set(names) & taken


@pytest.mark.parametrize("name", OLD)
def test_an_old_option_works_and_is_not_shown(name: str, see) -> None:
    command, _, old = name.partition(" ")
    new = OLD_OPTIONS[command][old]
    shown: list[Seen] = [
        see(f"{OLD[name]} {words}") for words in (f"{new} 7", f"{old} 7", f"{old}=7", f"{new} 8")
    ]
    assert [seen.status for seen in shown] == [0] * 4
    assert shown[0].json == shown[1].json == shown[2].json != shown[3].json
    out = see(f"{command} --help").out
    assert only_second(old in out, new in out)


def test_words_after_two_dashes_are_no_options() -> None:
    assert renamed(["--a", "--a=1", "--", "--a"], {"--a": "--b"}) == ["--b", "--b=1", "--", "--a"]
