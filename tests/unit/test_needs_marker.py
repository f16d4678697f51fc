"""``@pytest.mark.needs``, called as pytest calls it, on needs that are planted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ohmbench import needs
from ohmbench.claims import needs_marker
from ohmbench.needs import Availability, Need


def need(name: str, *, there: bool, version: str | None = None) -> Need:
    found = Availability("here") if there else Availability(None, "not found")
    told = None if version is None else lambda: version or ""
    return Need(name, "a thing", "some tests", "install it", lambda: found, told)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Need]:
    rows = [
        need("tool", there=True, version="1.2"),
        need("gone", there=False, version="3.4"),
        need("file", there=True),
    ]
    found = {row.name: row for row in rows}
    monkeypatch.setattr(needs, "NEEDS", found)
    return found


class Item:
    """A test with markers, and a run with or without ``--require-tools``."""

    def __init__(self, *names: str, require: bool = False) -> None:
        self.names = names
        self.config = SimpleNamespace(getoption=lambda option: require)

    def iter_markers(self, name: str) -> list[Any]:
        assert name == "needs"
        return [SimpleNamespace(args=(each,)) for each in self.names]


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("require", [False, True])
def test_what_is_there_is_no_reason_to_skip(require: bool) -> None:
    needs_marker.pytest_runtest_setup(Item("tool", "file", require=require))  # type: ignore[arg-type]


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("names", [("gone",), ("tool", "gone"), ("gone", "tool")])
def test_what_is_missing_skips_or_fails_with_its_reason(names: tuple[str, ...]) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"needs gone: .*not found") as skipped:
        needs_marker.pytest_runtest_setup(Item(*names))  # type: ignore[arg-type]
    assert "install it" in str(skipped.value)
    either = (pytest.fail.Exception, pytest.skip.Exception)  # a skip would skip this test too
    with pytest.raises(either, match=r"--require-tools: needs gone: .*not found") as caught:
        needs_marker.pytest_runtest_setup(Item(*names, require=True))  # type: ignore[arg-type]
    assert caught.type is pytest.fail.Exception
    assert not caught.value.pytrace  # one line, not a traceback of this plugin


def test_the_header_has_the_tools_that_are_there_and_what_is_missing(
    planted: dict[str, Need],
) -> None:
    first, *missing = needs_marker.pytest_report_header()
    assert first == "tools: tool 1.2"
    assert [line.partition(": ")[0] for line in missing] == ["needs gone"]
    for name in ("tool", "gone"):
        del planted[name]
    assert needs_marker.pytest_report_header() == []


def test_the_marker_is_registered() -> None:
    lines: list[tuple[str, str]] = []
    config: Any = SimpleNamespace(addinivalue_line=lambda *line: lines.append(line))
    needs_marker.pytest_configure(config)
    ((where, line),) = lines
    assert where == "markers"
    assert line.startswith("needs(name, ...): ")
