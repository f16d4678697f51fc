"""The HTML report in a real browser: it works by mouse and by keys, and asks for nothing."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.browser.browsing import (
    ENTER,
    NARROW,
    SPACE,
    TAB,
    WIDE,
    Browser,
    axe_violations,
    console_errors,
    requests_outside,
    wrong_rows,
)
from tests.browser.reports import HOSTILE, SCRIPT, outcomes

ALL = [outcome.claim.id for outcome in outcomes()]


@pytest.fixture
def page(started: Browser, report_file: Path) -> Browser:
    started.show(report_file)
    return started


def choose(page: Browser, field: str, value: str) -> None:
    """What a choice in a list does, by mouse or by keys."""
    page.run(
        "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('change', {bubbles: true}))",
        *(field, value),
    )
    assert page.named(field).get_property("value") == value


def of(**wanted: str) -> list[str]:
    """The ids of the claims with this status, family or paper."""
    return [
        o.claim.id
        for o in outcomes()
        if o.status.value == wanted.get("status", o.status.value)
        and (o.claim.family or "none named") == wanted.get("family", o.claim.family or "none named")
        and o.claim.id.partition(".")[0] == wanted.get("paper", o.claim.id.partition(".")[0])
    ]


def told(page: Browser) -> str:
    return page.named("shown").text


# ------------------------------------------------------------------------------------------------
# Filters


@pytest.mark.parametrize("status", sorted({o.status.value for o in outcomes()}))
def test_a_status_filters(page: Browser, status: str) -> None:
    assert wrong_rows(page, ALL) == []
    button = page.one(f"button.toggle[data-status='{status}']")
    assert button.text.endswith(f"{status} {len(of(status=status))}")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert wrong_rows(page, of(status=status)) == []
    assert told(page) == f"{len(of(status=status))} of {len(ALL)} claims"
    button.click()
    assert wrong_rows(page, ALL) == []


def test_several_statuses_are_either(page: Browser) -> None:
    for status in ("met", "FAILED"):
        page.one(f"button.toggle[data-status='{status}']").click()
    assert wrong_rows(page, of(status="met") + of(status="FAILED")) == []


def test_paper_and_family_filter_together(page: Browser) -> None:
    choose(page, "paper", "other")
    assert wrong_rows(page, of(paper="other")) == []
    choose(page, "family", "digital")
    assert wrong_rows(page, of(paper="other", family="digital")) == []
    choose(page, "family", "none named")
    assert wrong_rows(page, ["other.size"]) == []
    page.named("clear").click()
    assert wrong_rows(page, ALL) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("CLASSIFIES", ["lab.accuracy"]),  # in a statement, in any case
        ("lab.po", ["lab.power"]),  # in an id
        ("page 2", ["other.size", "other.error"]),  # in a source
        ("lab-data", ["other.size"]),  # in a reason
        ("error page", ["other.error"]),  # every word
        ("nothing has this", []),
    ],
)
def test_a_search_shows_what_has_every_word(page: Browser, words: str, expected: list[str]) -> None:
    page.named("search").send_keys(words)
    assert wrong_rows(page, expected) == []
    assert told(page) == f"{len(expected)} of {len(ALL)} claims"
    assert page.named("none").is_displayed() == (expected == [])


def test_a_filter_hides_an_open_row_whole_and_shows_it_open_again(page: Browser) -> None:
    page.one("[id='lab.accuracy'] button.open").click()
    assert page.named("more-lab.accuracy").is_displayed()
    page.named("search").send_keys("lab.power")
    assert not page.named("more-lab.accuracy").is_displayed()
    page.named("clear").click()
    assert page.named("more-lab.accuracy").is_displayed()


# ------------------------------------------------------------------------------------------------
# Rows and pages


def test_a_row_opens_and_shows_what_is_known(page: Browser) -> None:
    assert not page.named("more-lab.accuracy").is_displayed()
    button = page.one("[id='lab.accuracy'] button.open")
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    text = page.named("more-lab.accuracy").text
    for expected in (
        *("claims.yaml:1", "97.02 % (seed 3, 450 images", "± 0.05 %", "one decimal"),
        *("pytest ", "test_lab.py::test_all[3]", '@pytest.mark.parametrize("size", [3])'),
        *("The amplifier has a wrong gain.", "- gain = 2.0", "+ gain = 3.0", "2026-01-01 12:00"),
    ):
        assert expected in text, expected
    button.click()
    assert not page.named("more-lab.accuracy").is_displayed()


def test_unfold_all_opens_and_closes_every_row(page: Browser) -> None:
    unfold = page.named("unfold")
    for wanted in (True, False):
        unfold.click()
        seen = {row.is_displayed() for row in page.all("tr.more")}
        assert seen == {wanted}


def test_a_permalink_opens_its_row(started: Browser, report_file: Path) -> None:
    started.show(report_file, "#lab.energy")
    opened = [row.get_attribute("id") for row in started.all("tr.more") if row.is_displayed()]
    assert opened == ["more-lab.energy"]
    at = started.run("return document.getElementById('lab.energy').getBoundingClientRect().top")
    assert 0 <= at < 1000
    link = started.one("[id='more-lab.energy'] a.permalink")
    assert link.get_attribute("href") == f"{report_file.as_uri()}#lab.energy"


def test_a_permalink_opens_a_row_that_filters_hide(page: Browser) -> None:
    page.named("search").send_keys("lab.power")
    page.run("location.hash = '#lab.energy'")
    page.wait(lambda: page.named("more-lab.energy").is_displayed())
    assert wrong_rows(page, ALL) == []


def test_pages_are_shown_one_at_a_time(page: Browser) -> None:
    def seen() -> list[str]:
        return [p.get_attribute("id") or "" for p in page.all("section.page") if p.is_displayed()]

    assert seen() == ["claims"]
    for key in ("speed", "networks", "claims"):
        page.one(f"nav a[data-page='{key}']").click()
        page.wait(lambda key=key: seen() == [key])  # type: ignore[misc]
        assert page.one("nav a[aria-current]").get_attribute("data-page") == key
    assert page.run("return history.length") > 1


def test_the_csv_has_every_row_whatever_is_filtered(page: Browser) -> None:
    page.named("search").send_keys("lab.power")
    page.named("csv").click()
    file = page.downloads / "claims.csv"
    page.wait(file.is_file)
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))
    file.unlink()
    assert [row["id"] for row in rows] == ALL
    assert [row["status"] for row in rows] == [o.status.value for o in outcomes()]


def test_everything_is_reached_by_keys_alone(page: Browser) -> None:
    toggle = page.focus_by_tab(lambda e: e.get_attribute("data-status") == "met")
    ring = toggle.value_of_css_property("outline-style")
    assert ring == "solid"  # the focus is seen
    page.press(SPACE)
    assert wrong_rows(page, of(status="met")) == []
    page.focus_by_tab(lambda e: e.get_attribute("id") == "search")
    page.press("fast")
    page.focus_by_tab(lambda e: e.get_attribute("class") == "open")
    page.press(ENTER)
    assert page.named("more-lab.speed").is_displayed()
    page.press(TAB)
    assert page.driver.switch_to.active_element.get_attribute("class") == "permalink"


# ------------------------------------------------------------------------------------------------
# What no report may do


def test_the_console_is_silent_and_nothing_is_asked_for(
    started: Browser, report_file: Path, hostile_file: Path
) -> None:
    for file in (report_file, hostile_file):
        started.show(file)
        started.named("unfold").click()
        for link in started.all("nav a"):
            link.click()
        assert console_errors(started) == []
        assert requests_outside(started) == []


def test_a_strangers_texts_are_shown_and_never_run(started: Browser, hostile_file: Path) -> None:
    started.show(hostile_file)
    started.named("unfold").click()
    assert started.run("return window.broken") is None
    assert started.all("img") == []
    assert len(started.all("script")) == 2  # the data and our own
    text = started.named("more-lab.accuracy").text
    for name in ("statement", "source", "why", "detail"):
        assert HOSTILE[name] in text, name
    assert "{{ 7 * 7 }}" in text
    assert SCRIPT in started.one("[id='more-lab.accuracy'] pre").text
    started.run("location.hash = '#speed'")
    started.wait(lambda: started.named("speed").is_displayed())
    assert HOSTILE["title"] in started.named("speed").text
    # The security policy holds back what would get through.
    started.run("const s = document.createElement('script'); s.textContent = 'window.broken = 3';"
                "document.body.append(s)")  # fmt: skip
    assert started.run("return window.broken") is None


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_axe_finds_nothing_serious(
    started: Browser, report_file: Path, screenshots: Path, width: int, dark: bool
) -> None:
    started.show(report_file, width=width, dark=dark)
    started.named("unfold").click()
    found = []
    for key in ("claims", "speed", "networks"):
        started.one(f"nav a[data-page='{key}']").click()
        started.wait(lambda key=key: started.named(key).is_displayed())  # type: ignore[misc]
        found += axe_violations(started)
        # No text is cut off at the side, and nobody scrolls to both sides.
        wide = started.run("return document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{key} is {wide} px wider than the window"
        name = f"report-{key}-{width}-{'dark' if dark else 'light'}.png"
        started.screenshot(screenshots / name)
        assert (screenshots / name).read_bytes().startswith(b"\x89PNG")
    assert found == []


# ------------------------------------------------------------------------------------------------
# Planted faults: each check sees its own


def planted(file: Path, folder: Path, old: str, new: str) -> Path:
    """The page with a fault, and without the policy and the script's lock that it hides behind."""
    text = file.read_text(encoding="utf-8")
    policy = text[text.index("<meta http-equiv") :].partition("\n")[0]
    assert text.count(old) >= 1, old
    made = folder / "planted.html"
    made.write_text(text.replace(policy, "").replace(old, new), encoding="utf-8")
    return made


def test_a_request_is_seen(started: Browser, report_file: Path, tmp_path: Path) -> None:
    image = "<h1><img alt='' src='http://127.0.0.1:9/logo.png'>"
    started.show(planted(report_file, tmp_path, "<h1>", image))
    assert requests_outside(started) == ["http://127.0.0.1:9/logo.png"]
    beside = "<h1><img alt='' src='other.png'>"
    started.show(planted(report_file, tmp_path, "<h1>", beside))
    assert requests_outside(started) == [(tmp_path / "other.png").as_uri()]


def test_a_console_error_is_seen(started: Browser, report_file: Path, tmp_path: Path) -> None:
    fault = 'showPage("claims");\n  follow(false);\n  nothing();'
    started.show(planted(report_file, tmp_path, 'showPage("claims");\n  follow(false);', fault))
    assert any("nothing is not defined" in line for line in console_errors(started))


def test_a_filter_that_hides_nothing_is_seen(
    started: Browser, report_file: Path, tmp_path: Path
) -> None:
    started.show(planted(report_file, tmp_path, "row.hidden = !(", "row.hidden = false && !("))
    started.named("search").send_keys("lab.power")
    assert wrong_rows(started, ["lab.power"]) == sorted(set(ALL) - {"lab.power"})


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        pytest.param('<label class="grow">Search\n<input type="search" id="search" placeholder='
                     '"id, statement, source, reason"', '<label><input type="search" id="search"',
                     "critical: label", id="label"),
        pytest.param("--muted: #525c68", "--muted: #b9c0c8", "serious: color-contrast",
                     id="contrast"),
        pytest.param('<html lang="en">', "<html>", "serious: html-has-lang", id="language"),
    ],
)  # fmt: skip
def test_a_barrier_is_seen(
    started: Browser, report_file: Path, tmp_path: Path, old: str, new: str, rule: str
) -> None:
    started.show(planted(report_file, tmp_path, old, new))
    assert any(line.startswith(rule) for line in axe_violations(started))
