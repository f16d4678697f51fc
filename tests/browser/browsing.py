"""A headless browser, and what is asked of a page in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmbench.needs import NEEDS

if TYPE_CHECKING:
    # Imported where a browser starts, so that tests can be collected without selenium.
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

TAB, ENTER, SPACE = "\ue004", "\ue007", " "
"""Keys as WebDriver names them."""

WIDE, NARROW = 1280, 400
_SWITCHES = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_LOCAL = ("file:", "data:", "blob:", "about:", "chrome:", "devtools:", "chrome-extension:")
_TIMEOUT_S = 20


class Browser:
    """A page in the browser. ``downloads`` is the folder that files go to."""

    def __init__(self, driver: Chrome, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def command(self, name: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, parameters)

    def show(
        self, file: Path, fragment: str = "", *, width: int = WIDE, dark: bool = False
    ) -> None:
        """Open the page anew, and forget what was logged before."""
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(file.as_uri() + fragment)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element("css selector", selector)

    def named(self, name: str) -> WebElement:
        """The element with this id, which may hold dots."""
        return self.driver.find_element("id", name)

    def wait(self, condition: Callable[[], Any]) -> Any:
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, _TIMEOUT_S, 0.05).until(lambda _: condition())

    def press(self, *keys: str) -> None:
        """Type where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def shown(self) -> list[str]:
        """The ids of the rows that are seen."""
        return [row.get_attribute("id") or "" for row in self.all("tr.claim") if row.is_displayed()]

    def focus_by_tab(self, wanted: Callable[[WebElement], bool], most: int = 60) -> WebElement:
        """Press Tab until ``wanted`` has the focus."""
        for _ in range(most):
            self.press(TAB)
            element = self.driver.switch_to.active_element
            if wanted(element):
                return element
        raise AssertionError(f"{most} presses of Tab do not reach it")

    def screenshot(self, file: Path) -> None:
        """All of the page, however long, as PNG."""
        taken = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that has ``folder``, empty, for its profile and downloads."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    program, driver = NEEDS["chromium"].look().where, NEEDS["chromedriver"].look().where
    assert program is not None
    assert driver is not None
    options.binary_location = program
    for switch in (*_SWITCHES, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    (folder / "downloads").mkdir(parents=True)
    # With the driver named, selenium looks for none and loads none.
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(started, folder / "downloads")
    finally:
        started.quit()


# ------------------------------------------------------------------------------------------------
# What holds for any page: each of these is shown to fail on a planted fault


def console_errors(page: Browser) -> list[str]:
    """What the console says of the page that is worse than a remark."""
    return [
        entry["message"]
        for entry in page.driver.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]


def requests_outside(page: Browser) -> list[str]:
    """The addresses that the page asked for and that are not in it or in its own file."""
    messages = [json.loads(e["message"])["message"] for e in page.driver.get_log("performance")]
    asked = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked, "the log has not even the page itself"
    own = page.driver.current_url.partition("#")[0]
    addresses = [params["request"]["url"] for params in asked]
    return [
        url
        for url in addresses
        if not url.startswith(_LOCAL) or (url.startswith("file:") and url != own)
    ]


def axe_violations(page: Browser) -> list[str]:
    """What axe-core finds serious or critical, a line each."""
    import axe_core_python

    page.run((Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, { resultTypes: ['violations'] })"
        ".then(done, (e) => done({ error: `${e}` }))"
    )
    assert "error" not in found, found
    assert found["passes"], "axe checked nothing"
    return [
        f"{one['impact']}: {one['id']}: {node['target']}: {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def wrong_rows(page: Browser, expected: list[str]) -> list[str]:
    """The ids of rows that are seen and should not be, or the other way round."""
    return sorted(set(page.shown()) ^ set(expected))
