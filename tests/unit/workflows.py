"""What the workflows of GitHub, tox and pre-commit run, read from their files."""

from __future__ import annotations

import configparser
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_EXPRESSION = re.compile(r"\$\{\{\s*matrix\.(\w+)\s*\}\}")
_PINNED = re.compile(r"@(v\d+|[0-9a-f]{40})$")


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class ToxFile:
    """What this project uses of a ``tox.ini``."""

    default: list[str]
    known: set[str]
    lint: list[str]

    @classmethod
    def read(cls, path: Path) -> ToxFile:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(path, encoding="utf-8")
        return cls(
            default=[name.strip() for name in parser["tox"]["env_list"].split(",")],
            known={s.removeprefix("testenv:") for s in parser.sections() if ":" in s},
            lint=[
                line for line in parser["testenv:lint"]["commands"].split("\n")
                if line and not line.startswith("#")
            ],
        )  # fmt: skip


def workflows(folder: Path) -> dict[str, dict[str, Any]]:
    """The workflows in ``.github/workflows`` of ``folder``, by file name."""
    found = {p.name: read_yaml(p) for p in sorted((folder / ".github/workflows").glob("*.yml"))}
    assert found, f"{folder}: no workflows"
    return found


def _rows(job: dict[str, Any]) -> list[dict[str, str]]:
    """The values of ``matrix`` in every run of a job."""
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    include = matrix.pop("include", [])
    keys = list(matrix)
    rows = [dict(zip(keys, row, strict=True)) for row in itertools.product(*matrix.values())]
    return include if include and not keys else [*rows, *include]


def commands(job: dict[str, Any]) -> Iterator[str]:
    """Each command of each run of a job, with the values of its matrix."""
    for row in _rows(job):
        for step in job["steps"]:
            yield _EXPRESSION.sub(lambda m, row=row: str(row.get(m[1], "")), step.get("run", ""))


def environments(found: dict[str, dict[str, Any]]) -> set[str]:
    """The tox environments that the workflows run."""
    return {
        name
        for workflow in found.values()
        for job in workflow["jobs"].values()
        for command in commands(job)
        for name in re.findall(r"\btox -e ?([\w-]+)", command)
    }


def _files(job: dict[str, Any]) -> Iterator[str]:
    """Paths of this repository's files that a job names, in commands, keys of caches and inputs."""
    folders = {
        step.get("with", {}).get("path")
        for step in job["steps"]
        if "checkout" in step.get("uses", "")
    }
    for step in job["steps"]:
        texts = re.findall(r" -c (\S+)", step.get("run", ""))
        given = step.get("with", {})
        texts += given.get("cache-dependency-path", "").split()
        for text in map(str, given.values()):
            for listed in re.findall(r"hashFiles\(([^)]*)\)", text):
                texts += re.findall(r"'([^']*)'", listed)
        for text in texts:
            first, _, rest = text.partition("/")
            yield rest if first in folders else text


def faults(found: dict[str, dict[str, Any]], tox: ToxFile, root: Path) -> list[str]:
    """What is wrong with the workflows that their own linter does not know; empty if nothing."""
    wrong = []
    run = environments(found)
    wrong += [f"tox.ini has no environment {name}" for name in sorted(run - tox.known)]
    wrong += [f"no workflow runs tox -e {name}" for name in tox.default if name not in run]
    for file, workflow in found.items():
        if not {"push", "pull_request"} <= set(workflow["on"]):
            wrong.append(f"{file}: should run on push and pull_request")
        if workflow.get("permissions") != {"contents": "read"}:
            wrong.append(f"{file}: permissions should be contents: read")
        if "group" not in workflow.get("concurrency", {}):
            wrong.append(f"{file}: no concurrency group")
        for name, job in workflow["jobs"].items():
            if "timeout-minutes" not in job:
                wrong.append(f"{file}: {name} has no time limit")
            checks_out = False
            for step in job["steps"]:
                uses = step.get("uses")
                if uses is not None and not _PINNED.search(uses):
                    wrong.append(f"{file}: {name} uses {uses} without a version")
                if uses is not None and "checkout" in uses:
                    checks_out = True
                    if step.get("with", {}).get("persist-credentials") is not False:
                        wrong.append(f"{file}: {name} leaves the token in the checkout")
            # A token that can write is out of reach of what the repository's code does.
            if "write" in job.get("permissions", {}).values() and checks_out:
                wrong.append(f"{file}: {name} runs the repository's code with a token that writes")
            wrong += [
                f"{file}: {name} names {path}, which is not there"
                for path in _files(job)
                if not any(root.glob(path))
            ]
    return wrong
