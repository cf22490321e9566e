"""A real browser for tests: Chromium by Selenium, without a network."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="needs Debian's chromium and chromium-driver",
)


@contextlib.contextmanager
def browser(width: int = 1400, height: int = 1000, *, dark: bool = False) -> Iterator[Any]:
    """A browser that reaches this machine alone; its console is logged."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="browser tests need selenium")
    options = webdriver.ChromeOptions()
    with tempfile.TemporaryDirectory(prefix="kdsearch-browser-") as profile:
        for argument in (*QUIET, NO_NETWORK, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        if dark:
            options.add_argument("--force-dark-mode")
        options.binary_location = CHROMIUM
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        try:
            # Headless windows have a least width; a page is told another one.
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
            )
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            yield driver
        finally:
            driver.quit()


def complaints(driver: Any) -> list[str]:
    """What the console was told since it was asked last, warnings and errors."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
