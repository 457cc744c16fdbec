"""A report in a browser: no errors, and stepping through the lineage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automl_zero.report import write_report
from tests.report_runs import hostile_run, program_run

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_report(program_run(folder / "run"), folder / "page.html")


def visible_steps(browser: Any) -> list[Any]:
    return [item for item in browser.find_elements("css selector", ".step") if item.is_displayed()]


def test_clicks_and_arrow_keys_step_through_the_lineage(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())
    links = browser.find_elements("css selector", ".step-list a")
    count = len(links)
    assert count > 3
    assert len(visible_steps(browser)) == 1

    links[1].click()
    (step,) = visible_steps(browser)
    assert step.get_attribute("id") == "step-2"
    assert links[1].get_attribute("aria-current") == "step"
    where = browser.find_element("css selector", ".where")
    assert where.text == f"2 of {count}"
    assert "Improvement 2" in step.text

    browser.find_element("css selector", "body").send_keys(Keys.ARROW_RIGHT)
    assert visible_steps(browser)[0].get_attribute("id") == "step-3"
    browser.find_element("css selector", ".previous").click()
    browser.find_element("css selector", ".previous").click()
    assert where.text == f"1 of {count}"
    assert not browser.find_element("css selector", ".previous").is_enabled()
    links[-1].click()
    assert not browser.find_element("css selector", ".next").is_enabled()
    links[-1].send_keys(Keys.ARROW_UP)
    assert where.text == f"{count - 1} of {count}"
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_take_the_colours_of_the_scheme(browser: Any, page: Path, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.as_uri())
    text = browser.find_element("css selector", "figure svg text")
    paper, ink = (
        browser.execute_script(
            "return getComputedStyle(arguments[0])[arguments[1]].match(/\\d+/g).map(Number)",
            element, name,
        )  # fmt: skip
        for element, name in ((browser.find_element("css selector", "body"), "backgroundColor"),
                              (text, "fill"))
    )  # fmt: skip
    assert (sum(paper[:3]) > 600) == (scheme == "light")
    assert abs(sum(paper[:3]) - sum(ink[:3])) > 400


def test_a_narrow_page_scrolls_in_its_parts_only(browser: Any, page: Path) -> None:
    metrics = {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get(page.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
        assert len(browser.get_screenshot_as_png()) > 10_000
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_script_all_improvements_are_there(browser: Any, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        steps = browser.find_elements("css selector", ".step")
        assert len(steps) > 3
        assert all(step.is_displayed() for step in steps)
        assert not browser.find_element("css selector", ".controls").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_hostile_texts_do_nothing(browser: Any, tmp_path: Path) -> None:
    page = write_report(hostile_run(tmp_path / "<img src=x>"), tmp_path / "page.html")
    browser.get(page.as_uri())  # an alert would make the next line fail
    assert browser.find_elements("css selector", "img") == []
    assert len(visible_steps(browser)) == 1
    assert browser.get_log("browser") == []
