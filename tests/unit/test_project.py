"""The project's files agree about version and addresses, and have the forms they should have."""

from __future__ import annotations

import copy
import datetime
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflows import read_yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
HOME = "https://github.com/ohmbench/ohmbench"
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = read_yaml(ROOT / "CITATION.cff")
FORMS = {
    path.name: read_yaml(path)
    for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    if path.name != "config.yml"
}
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def releases(changelog: str) -> dict[str, datetime.date]:
    """Each version with its day, newest first. Raises AssertionError for another form."""
    first, *versions = re.findall(r"^## (.*)$", changelog, flags=re.M)
    assert first == "[Unreleased]"
    found = {}
    for heading in versions:
        match = re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", heading)
        assert match, f"a heading of another form: {heading}"
        found[match[1]] = datetime.date.fromisoformat(match[2])
    for kind in re.findall(r"^### (.*)$", changelog, flags=re.M):
        assert kind in KINDS, f"no kind of change: {kind}"
    numbers = [tuple(map(int, version.split("."))) for version in found]
    assert numbers == sorted(numbers, reverse=True), "versions are not newest first"
    days = list(found.values())
    assert days == sorted(days, reverse=True), "days are not newest first"
    for name in ("Unreleased", *found):
        assert re.search(rf"^\[{re.escape(name)}\]: {HOME}/", changelog, flags=re.M), name
    return found


def test_newest_version_is_the_packages() -> None:
    version, day = next(iter(releases(CHANGELOG).items()))
    assert PROJECT["version"] == version
    assert (CITATION["version"], CITATION["date-released"]) == (version, day)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("## [Unreleased]", "## Unreleased", "Unreleased"),
        ("] - 2026-11-27", "], 2026-11-27", "another form"),
        ("## [0.2.0]", "## [0.0.9]", "newest first"),
        ("] - 2026-11-27", "] - 2026-11-20", "newest first"),
        ("### Fixed", "### Repaired", "Repaired"),
        ("\n[0.1.0]: ", "\n[0.1]: ", r"0\.1\.0"),
    ],
)
def test_a_changelog_of_another_form_is_noticed(old: str, new: str, words: str) -> None:
    assert old in CHANGELOG
    with pytest.raises(AssertionError, match=words):
        releases(CHANGELOG.replace(old, new, 1))


def citation_faults(citation: dict[str, Any]) -> list[str]:
    """What a citation of version 1.2.0 of the format lacks, and what ours has to name."""
    faults = [
        f"no {key}" for key in ("message", "title", "authors", "license") if not citation.get(key)
    ]
    if citation.get("cff-version") != "1.2.0":
        faults.append("another version of the format")
    if citation.get("license") != PROJECT["license"]:
        faults.append("another licence")
    if citation.get("repository-code") != HOME:
        faults.append("another repository")
    references = citation.get("references", [])
    for key in ("type", "title", "authors"):
        faults += [f"a reference without {key}" for r in references if not r.get(key)]
    titles = " ".join(str(r.get("title")) for r in references)
    faults += [f"{paper} is not cited" for paper in ("Analog Domain", "KirchhoffNet")
               if paper not in titles]  # fmt: skip
    return faults


def test_citation() -> None:
    assert citation_faults(CITATION) == []


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (lambda c: c.pop("authors"), "no authors"),
        (lambda c: c.update({"cff-version": "1.1.0"}), "another version of the format"),
        (lambda c: c.update(license="MIT"), "another licence"),
        (lambda c: c.update({"repository-code": HOME + "s"}), "another repository"),
        (lambda c: c["references"].pop(), "KirchhoffNet is not cited"),
        (lambda c: c["references"][0].pop("authors"), "a reference without authors"),
    ],
    ids=["authors", "format", "licence", "repository", "paper", "reference"],
)
def test_a_faulty_citation_is_noticed(plant: Callable[[dict[str, Any]], Any], fault: str) -> None:
    citation = copy.deepcopy(CITATION)
    plant(citation)
    assert fault in citation_faults(citation)


def unreachable(urls: dict[str, str], root: Path) -> list[str]:
    """Addresses outside the repository, or of files that it does not have."""
    wrong = []
    for name, url in urls.items():
        file = re.fullmatch(rf"{HOME}/(?:blob|tree)/main/(.+)", url)
        known = url in (HOME, f"{HOME}/issues") or (file and (root / file[1]).exists())
        if not known:
            wrong.append(f"{name}: {url}")
    return wrong


def test_addresses_of_the_project() -> None:
    urls = PROJECT["urls"]
    assert set(urls) == {"Homepage", "Documentation", "Repository", "Issues", "Changelog"}
    assert unreachable(urls, ROOT) == []
    assert unreachable({"x": f"{HOME}/blob/main/CHANGES.md"}, ROOT)
    assert unreachable({"x": "https://example.org"}, ROOT)


def form_faults(form: dict[str, Any]) -> list[str]:
    """What GitHub refuses in a form for issues, and whether it asks for ``ohmbench doctor``."""
    faults = [f"no {key}" for key in ("name", "description", "body") if not form.get(key)]
    fields = form.get("body", [])
    ids = [field.get("id") for field in fields]
    if len(set(ids)) != len(ids) or not all(re.fullmatch(r"[\w-]+", str(i)) for i in ids):
        faults.append("fields need ids of their own")
    for field in fields:
        if field.get("type") not in ("markdown", "textarea", "input", "dropdown", "checkboxes"):
            faults.append(f"no type of field: {field.get('type')}")
        if not field.get("attributes", {}).get("label"):
            faults.append("a field without a label")
    if not any(
        "ohmbench doctor" in field.get("attributes", {}).get("label", "")
        and field.get("validations", {}).get("required") is True
        for field in fields
    ):
        faults.append("does not ask for the output of ohmbench doctor")
    return faults


@pytest.mark.parametrize("name", FORMS)
def test_forms_for_issues(name: str) -> None:
    assert form_faults(FORMS[name]) == []


def test_there_is_a_form_for_each_kind_of_issue() -> None:
    assert set(FORMS) == {"claim.yml", "crash.yml", "own_network.yml", "wrong_number.yml"}


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (lambda form: form.pop("description"), "no description"),
        (lambda form: form["body"].pop(), "does not ask for the output of ohmbench doctor"),
        (
            lambda form: form["body"][-1].pop("validations"),
            "does not ask for the output of ohmbench doctor",
        ),
        (lambda form: form["body"][0].update(id="doctor"), "fields need ids of their own"),
        (lambda form: form["body"][0].update(type="text"), "no type of field: text"),
        (lambda form: form["body"][0]["attributes"].pop("label"), "a field without a label"),
    ],
    ids=["description", "doctor", "required", "ids", "type", "label"],
)
def test_a_faulty_form_is_noticed(plant: Callable[[dict[str, Any]], Any], fault: str) -> None:
    form = copy.deepcopy(FORMS["crash.yml"])
    plant(form)
    assert fault in form_faults(form)
