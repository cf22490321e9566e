"""The HTML report in a real browser, without a network: figures, links, widths, print, dark mode, copying."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from browser import browser, complaints, needs_browser
from figures.known import known
from support import wait_for

from kdsearch.page import page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), needs_browser]
FOLDER = Path(__file__).resolve().parents[2] / "dashboards"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page(known(), FOLDER), encoding="utf-8")
    return file.as_uri()


def opened(driver: Any, address: str) -> None:
    driver.get(address)
    wait_for(lambda: driver.execute_script("return document.documentElement.dataset.drawn") == "12")


@pytest.mark.parametrize("width", [1400, 420])
def test_all_figures_are_drawn_and_the_page_is_no_wider_than_the_window(address: str, width: int) -> None:
    with browser(width) as driver:
        opened(driver, address)
        drawn = driver.execute_script(
            "return [...document.querySelectorAll('.plot')].map(p => "
            "[p.querySelectorAll('svg.main-svg').length, p.querySelector('.main-svg').getBoundingClientRect().height])"
        )
        assert len(drawn) == 12
        assert all(count >= 2 and height > 100 for count, height in drawn)
        assert driver.execute_script("return document.scrollingElement.scrollWidth") <= width
        assert complaints(driver) == []


def test_its_links_lead_to_its_parts(address: str) -> None:
    with browser() as driver:
        opened(driver, address)
        names = driver.execute_script("return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
        assert len(names) >= 7
        for name in names:
            driver.execute_script("document.querySelector(`nav a[href='${arguments[0]}']`).click()", name)
            assert driver.execute_script("return location.hash") == name
            assert driver.execute_script("return document.querySelector(':target') !== null")
        assert complaints(driver) == []


def test_dark_mode_is_dark_and_its_figures_too(address: str) -> None:
    def light(colour: str) -> float:
        return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 765

    with browser(dark=True) as driver:
        opened(driver, address)
        style = "return getComputedStyle(document.querySelector(arguments[0])).getPropertyValue(arguments[1])"
        assert light(driver.execute_script(style, "body", "background-color")) < 0.2
        assert light(driver.execute_script(style, "body", "color")) > 0.7
        assert light(driver.execute_script(style, ".plot .xtick text", "fill")) > 0.7
        assert (
            "rgba(0, 0, 0, 0)" in driver.execute_script(style, ".plot .main-svg", "background-color")
            or light(driver.execute_script(style, ".plot .main-svg", "background-color")) < 0.2
        )


def test_it_prints_with_all_tables_and_figures(address: str, tmp_path: Path) -> None:
    with browser() as driver:
        opened(driver, address)
        done = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
        assert base64.b64decode(done["data"]).startswith(b"%PDF")
        assert driver.execute_script("return [...document.querySelectorAll('details')].every(part => part.open)")
        assert complaints(driver) == []


def test_a_button_copies_the_latex_table(address: str) -> None:
    with browser() as driver:
        opened(driver, address)
        driver.execute_cdp_cmd(
            "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        )
        button = driver.find_elements("css selector", "#how-to-report-this-in-a-paper .code button")[-1]
        driver.execute_script("arguments[0].click()", button)
        wait_for(lambda: button.text in ("Copied", "Copy"))
        copied = driver.execute_script("return getSelection().toString()") or driver.execute_async_script(
            "navigator.clipboard.readText().then(arguments[0], () => arguments[0](''))"
        )
        assert r"\begin{table}" in copied
