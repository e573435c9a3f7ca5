"""A browser page that is logged in to Label Studio, for tests of what annotators see and do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

__all__ = ["CHROMIUM", "PASSWORD", "USER", "open_page"]

USER, PASSWORD = "admin@example.com", "galaxies-for-tests"
"""The user of the Label Studio of tests/e2e/conftest.py."""
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def open_page(
    address: str, *, size: tuple[int, int], patience_ms: int, user: str = USER, password: str = PASSWORD
) -> Iterator[Page]:
    """Open a browser page and log in; skip the test if there is no Chromium.

    Parameters
    ----------
    address : str
        URL of Label Studio.
    size : (width, height)
        Of the page, pixels.
    patience_ms : int
        Longest time that an action on the page may take.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    width, height = size
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=CHROMIUM) as browser:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(patience_ms)
        page.goto(f"{address}/user/login/", wait_until="domcontentloaded")
        page.fill("input[name=email]", user)
        page.fill("input[name=password]", password)
        page.click("button[type=submit]", no_wait_after=True)
        page.wait_for_url(lambda url: "login" not in url, wait_until="commit")  # Label Studio opens the home page
        yield page
