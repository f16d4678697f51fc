"""Help and completion load nothing that computes: they are there at once, in little memory.

The number of modules stands for the time, which a busy machine would blur.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TypeAlias

import pytest
import shellingham
import typer

from ohmbench import cli, constants, families
from ohmbench.digital.widths import PUBLISHED_HARDWARE
from tests.unit.command_line import assert_refused
from tests.unit.test_statuses import every_command

HEAVY = (
    *("torch", "numpy", "scipy", "sklearn", "matplotlib"),
    *("numba", "pydantic", "torchdiffeq", "rich"),
)
MOST_MODULES = 300
"""There are 235 with Python 3.11: Python's own at the start, typer's and the command's."""
MOST_MiB = 60

PROBE = """
import json, os, sys
from contextlib import redirect_stdout
from io import StringIO

planted, requests, heavy = sys.argv[1], *map(json.loads, sys.argv[2:])

class Plant:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "ohmbench.cli.power" and planted:
            __import__(planted)

sys.meta_path.insert(0, Plant)
from ohmbench.start import main

def run(words, environment):
    os.environ.update(environment)
    sys.argv = ["ohmbench", *words]
    out = StringIO()
    try:
        with redirect_stdout(out):
            main()
    except SystemExit as end:
        status = end.code
    for name in environment:
        os.environ.pop(name, None)
    return status, out.getvalue()

found = []
for words, environment in requests:
    status, out = run(words, environment)
    found.append((words, status, out, sorted(set(heavy) & set(sys.modules))))
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
json.dump((found, len(sys.modules), peak), sys.stdout)
"""
"""One process for all: what a request loads is seen at the next ones, too, and the first names it.

``VmHWM`` and not ``ru_maxrss``, which starts at what the process that forked had.
"""


def completion(shell: str, words: str) -> dict[str, str]:
    """The environment by which ``shell`` asks how ``words`` go on."""
    asked = {
        "_OHMBENCH_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": f"ohmbench {words}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    if shell == "bash":
        several = words.split(" ")
        asked |= {"COMP_WORDS": f"ohmbench {words}", "COMP_CWORD": str(len(several))}
    return asked


Requests: TypeAlias = list[tuple[list[str], dict[str, str]]]

REQUESTS: Requests = [
    ([], {}),
    (["--help"], {}),
    (["--version"], {}),
    *(([*name.split(), "--help"], {}) for name in (*every_command(), "synth", "bench")),
    ([], completion("bash", "")),
    ([], completion("bash", "synth ")),
    ([], completion("zsh", "evaluate --")),
    ([], completion("zsh", "train --seed 3 two")),
    ([], completion("fish", "tr")),
    ([], completion("fish", "evaluate int8")),
]


def probe(
    requests: Requests, planted: str = ""
) -> tuple[list[tuple[list[str], int, str, list[str]]], int, float]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, planted, json.dumps(requests), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_help_and_completion_load_nothing_that_computes() -> None:
    found, modules, peak_MiB = probe(REQUESTS)
    assert len(found) == len(REQUESTS)
    for words, status, out, loaded in found:
        assert (status, loaded) == (0, []), words
        assert out.strip(), words
    assert modules < MOST_MODULES
    assert peak_MiB < MOST_MiB


def test_a_heavy_import_is_noticed() -> None:
    """numpy at the top of one command's module shows in the help of all."""
    found, *_ = probe(REQUESTS[1:2], "numpy")
    assert ["numpy" in loaded for *_, loaded in found] == [True]


def test_names_and_sizes_in_the_help_are_those_of_what_runs() -> None:
    own = [family.trainings for family in (families.FLOATGATE, families.INT8, families.KIRCHHOFF)]
    assert tuple(name for trainings in own for name in trainings) == constants.TRAININGS
    options = {p.name: p.help for p in every_command()["prove"].params}
    for size in ("inputs", "hidden", "classes"):
        assert f"or {getattr(PUBLISHED_HARDWARE, size)} with" in options[size]


# ------------------------------------------------------------------------------------------------
# What the help says


def groups() -> dict[str, typer.core.TyperGroup]:
    top = typer.main.get_command(cli.app)
    return {"": top, **{name: top.commands[name] for name in ("synth", "bench")}}


@pytest.mark.parametrize("name", ["", "synth", "bench"])
def test_each_command_is_listed_by_a_whole_sentence(
    name: str, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run(*name.split(), "--help")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    for command in groups()[name].commands.values():
        sentence = command.get_short_help_str()
        assert f"{command.name} {sentence}" in text
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert ".." not in sentence
        assert ":" not in sentence


def test_commands_are_listed_by_panel(run) -> None:
    out = run("--help")[1]
    panels = list(dict.fromkeys(panel for panel, *_ in cli.COMMANDS))
    assert panels == ["Networks", "Hardware", "Papers", "Maintenance"]
    sections = {part.split(":")[0].strip(): part for part in out.split("\n\n")}
    for panel, name, _ in cli.COMMANDS:
        assert f"\n  {name} " in sections[panel]


# ------------------------------------------------------------------------------------------------
# Completion


@pytest.fixture
def complete(run, monkeypatch: pytest.MonkeyPatch):
    """``complete("fish", "ev")``: what is printed to that shell."""

    def call(shell: str, words: str) -> str:
        for name, value in completion(shell, words).items():
            monkeypatch.setenv(name, value)
        status, out, err = run()
        assert (status, err) == (0, "")
        return out

    return call


def test_bash_gets_one_candidate_a_line(complete) -> None:
    assert complete("bash", "ev").split() == ["evaluate"]
    assert complete("bash", "synth s").split()[0] == "sweep"
    assert complete("bash", "bench ").split() == ["show", "compare", "plot"]
    assert complete("bash", "prove --hardware ").split() == ["ours", "published"]
    assert "--image" in complete("bash", "predict --i").split()
    assert complete("bash", "predict --ind").split() == []  # works, but is not offered
    assert set(complete("bash", "").split()) == {name for _, name, _ in cli.COMMANDS}


def test_names_of_networks_are_completed(complete) -> None:
    stored = json.loads(constants.MANIFEST.read_text())
    every = [*stored, *constants.PAPER_NAMES]
    assert complete("bash", "evaluate ").split() == every
    assert complete("bash", "power floatgate-d").split() == [
        name for name in every if name.startswith("floatgate-d")
    ]
    assert complete("bash", "train two").split() == ["twomoon", "twomoon-hyper"]
    assert "int8-digits" in complete("bash", "synth int8").split()


def test_without_a_manifest_the_papers_names_are_left(
    complete, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (None, "{", "\0"):
        file = tmp_path / f"{text!r}.json"
        if text is not None:
            file.write_text(text)
        monkeypatch.setattr("ohmbench.cli.naming.MANIFEST", file)
        assert complete("bash", "evaluate ").split() == list(constants.PAPER_NAMES)


def test_fish_gets_a_candidate_and_its_sentence_on_each_line(
    complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However narrow the terminal: fish takes each line for a candidate."""
    monkeypatch.setenv("COLUMNS", "20")
    rows = [line.split("\t") for line in complete("fish", "evaluate --").splitlines()]
    assert {row[0] for row in rows} >= {"--samples", "--seed", "--json", "--help"}
    assert all(row[0].startswith("--") and row[1].endswith(".") for row in rows)
    rows = [line.split("\t") for line in complete("fish", "").splitlines()]
    assert [row[0] for row in rows] == list(groups()[""].commands)


def test_zsh_gets_the_arguments_of_its_function(complete) -> None:
    out = complete("zsh", "tr")
    assert out.startswith("_arguments '*: :((")
    assert '"train":"Train a network from scratch' in out
    assert '"trace":"' in out


def test_a_shell_completes(tmp_path) -> None:
    """bash itself, with the script that the command gives it."""
    script = (
        'eval "$(_OHMBENCH_COMPLETE=source_bash "$1" -m ohmbench)"\n'
        "COMP_WORDS=(ohmbench evaluate floatgate-circles-seed9); COMP_CWORD=2\n"
        "_ohmbench_completion ./ohmbench; echo ${COMPREPLY[@]}\n"
    )
    program = tmp_path / "ohmbench"
    program.write_text(f"#!{sys.executable}\nfrom ohmbench.start import main\nmain()\n")
    program.chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", "--norc", "-c", script, "bash", sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == ["floatgate-circles-seed9"], done.stderr


@pytest.mark.parametrize(
    ("shell", "file", "named_in"),
    [
        ("bash", ".bash_completions/ohmbench.sh", ".bashrc"),
        ("zsh", ".zfunc/_ohmbench", ".zshrc"),
        ("fish", ".config/fish/completions/ohmbench.fish", None),
    ],
)
def test_completion_is_installed_at_home(
    shell: str, file: str, named_in: str | None, run, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    status, out, err = run("--install-completion")
    assert (status, err) == (0, "")
    assert str(tmp_path / file) in out.replace("\n", "")
    script = (tmp_path / file).read_text()
    assert f"_OHMBENCH_COMPLETE=complete_{shell}" in script
    status, shown, _ = run("--show-completion")
    assert (status, shown.strip()) == (0, script.strip())
    if named_in is not None:
        folder = file.split("/")[0]
        assert folder in (tmp_path / named_in).read_text()


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
@pytest.mark.parametrize("shell", ["dash", None])
def test_a_shell_without_completion_is_refused(
    option: str, shell: str | None, run, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def detect() -> tuple[str, str]:
        if shell is None:
            raise shellingham.ShellDetectionFailure
        return shell, f"/bin/{shell}"

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", detect)
    found = shell or "an unknown shell"
    assert_refused(run(option), f"{option}: not for {found}; run it in", "zsh")
    assert list(tmp_path.iterdir()) == []
