"""The animation of the README: frames of a page with captions and a pointer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageSequence
from playwright.sync_api import sync_playwright

from tests.e2e.animation import CAPTION_PX, MOVES, WIDTH_PX, Animation

pytestmark = pytest.mark.browser


def test_frames_have_captions_a_moving_pointer_and_their_durations(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    animation = Animation()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page(viewport={"width": 600, "height": 400})
        page.set_content('<div id="editor" style="background:#080; width:480px; height:240px"></div>')
        editor = page.locator("#editor")
        animation.add(editor, "first", 2.0)
        animation.add(editor, "second", 3.0, pointer=(100, 100))
    animation.save(tmp_path / "a.webp")
    assert animation.captions == ["first", "second"]
    assert animation.seconds == pytest.approx(5)
    with Image.open(tmp_path / "a.webp") as image:
        assert image.size == (WIDTH_PX, WIDTH_PX // 2 + CAPTION_PX)
        assert sum(1 for _ in ImageSequence.Iterator(image)) == 2 + MOVES
