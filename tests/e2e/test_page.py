"""The page of a project in a browser: a server process, and a registry with a report of a project after some batches.

`GALAXYLOOP_SCREENSHOTS=1` makes these tests write the page of the README, `docs/images/page.png`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from backend.demo.tiles import cut_deep_field
from backend.jobs.heartbeat import Heartbeat
from backend.reports.store import ReportStore
from backend.services import Services
from backend.settings import Settings
from tests.backend.server.pages.conftest import CONFIG, PASSWORD, PROJECT, add_version
from tests.example_report import make_report

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CHROMIUM = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
READY_WITHIN_S = 120.0
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "page.png"
VERSIONS = 7
STUDIO = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Yield the settings of a registry with a project of seven versions and their report, and a running worker."""
    folder = tmp_path_factory.mktemp("page")
    settings = Settings(data_dir=folder / "data", label_studio_url=STUDIO, basic_auth_password=PASSWORD)
    services = Services(settings)
    services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    for number in range(2, VERSIONS + 1):
        add_version(services)
        evidence = f"morphology is better than the live head (+0.0{21 - number}, +0.004 to +0.031, 240 tasks)"
        services.registry.promote(PROJECT, number, evidence={"reason": evidence})
    services.registry.set_status(PROJECT, "4 of 10 changed annotations gathered since v0007")
    tiles = [Image.open(tile) for tile in cut_deep_field(folder / "tiles")]
    names = [version.name for version in services.registry.versions(PROJECT)]
    problems = ["One annotator chose Merger for 31 of 40 tasks that others labelled Spiral."]
    ReportStore(services.engine).write(make_report(names, tiles, problems=problems))
    with Heartbeat(services.engine, "worker").run():
        yield settings
    services.engine.dispose()


@pytest.fixture(scope="module")
def address(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run `galaxyloop server`, and yield its address."""
    port = _free_port()
    environment = os.environ | {
        "GALAXYLOOP_DATA_DIR": str(settings.data_dir),
        "GALAXYLOOP_PORT": str(port),
        "GALAXYLOOP_BASIC_AUTH_PASSWORD": PASSWORD,
        "LABEL_STUDIO_URL": STUDIO,
    }
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "server"], env=environment, stdout=output, stderr=output
        )
    deadline = time.monotonic() + READY_WITHIN_S
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_up(url):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(READY_WITHIN_S)  # it ends after the networks, which it loads at its start, are loaded
    assert "leaked" not in log.read_text()  # native libraries list leaked objects when Python ends


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=CHROMIUM) as browser:
        yield browser


def open_page(browser: Browser, url: str, *, width: int = 1280, scheme: Any = "light") -> tuple[Page, list[str]]:
    """Open a page without JavaScript; return it, and the list of its errors."""
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        http_credentials={"username": "galaxyloop", "password": PASSWORD},
        java_script_enabled=False,
    )
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == 200
    return page, errors


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["/", f"/projects/{PROJECT}"])
def test_a_page_fits_the_screen_in_both_schemes(
    browser: Browser, address: str, tmp_path: Path, path: str, width: int, scheme: str
) -> None:
    page, errors = open_page(browser, address + path, width=width, scheme=scheme)
    page.screenshot(path=tmp_path / f"{'list' if path == '/' else 'project'}-{width}-{scheme}.png", full_page=True)
    if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" and (path, width, scheme) == (f"/projects/{PROJECT}", 1280, "light"):
        page.screenshot(path=PICTURE, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": 1180})
    assert not errors
    size = page.locator("html").evaluate("html => [html.scrollWidth, html.clientWidth]")
    assert size[0] <= size[1] == width
    colour = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    shade = sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
    assert shade > 200 if scheme == "light" else shade < 60
    page.close()


def test_the_list_leads_to_the_page_and_a_thumbnail_to_label_studio(browser: Browser, address: str) -> None:
    page, errors = open_page(browser, address)
    page.click(f"text=Project {PROJECT}")
    assert page.url == f"{address}/projects/{PROJECT}"
    assert page.locator("h1").inner_text() == f"Project {PROJECT}"
    link = page.locator(".gallery a").first
    assert link.get_attribute("href") == f"{STUDIO}/projects/{PROJECT}/data?task=1"
    assert page.locator(".gallery img").first.evaluate("image => image.naturalWidth") == 96
    assert not errors
    page.close()


def test_charts_have_labelled_axes_and_a_text(browser: Browser, address: str) -> None:
    page, _ = open_page(browser, f"{address}/projects/{PROJECT}")
    curve = page.locator("figure", has_text="Learning curve").first
    assert {"labels for training", "macro AUC"} <= set(curve.locator("text.title").all_text_contents())
    assert len(curve.locator("text.x").all()) > 3
    assert page.get_by_role("img", name="Learning curve macro AUC was 0.").is_visible()
    page.close()


def test_buttons_pin_a_version_and_make_another_live(browser: Browser, address: str, settings: Settings) -> None:
    page, errors = open_page(browser, f"{address}/projects/{PROJECT}")
    page.get_by_role("button", name="Pin v0007").click()
    assert page.url == f"{address}/projects/{PROJECT}"
    assert page.locator(".heading .badge", has_text="pinned").is_visible()
    page.get_by_role("button", name="Make live v0005").click()
    assert page.locator(".heading .badge.live").inner_text().startswith("v0005")
    page.get_by_role("button", name="Unpin v0005").click()
    project = Services(settings).registry.project(PROJECT)
    assert (project.live_version, project.pinned) == (5, False)
    assert not errors
    page.close()


def test_a_keyboard_reaches_every_link_and_button(browser: Browser, address: str) -> None:
    page, _ = open_page(browser, f"{address}/projects/{PROJECT}")
    expected = page.locator("a[href], button, summary, [tabindex='0']").count()
    elements = set()
    for _ in range(expected):
        page.keyboard.press("Tab")
        elements.add(page.locator(":focus").evaluate("node => node.outerHTML + node.getBoundingClientRect().top"))
    assert len(elements) == expected
    page.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
