"""A click on the second page of a task gives a mask on that page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from sync.controls import brushlabels
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import read_tasks
from tests.e2e.browser import open_page

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PATIENCE_MS = 90_000
REGIONS = "Htx.annotationStore.selected.serializeAnnotation()"
SIZE, GALAXIES = (400, 200), ((100, 100), (300, 100))
"""As in tests/e2e/conftest.py."""
CONFIG = """<View><Image name="image" valueList="$images"/>
<BrushLabels name="brush" toName="image"><Label value="Galaxy"/></BrushLabels>
<KeyPointLabels name="kp" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels></View>"""


@pytest.fixture
def project(loop: Loop, tmp_path: Path) -> Project:
    """Return a project of one task with two pages: a galaxy on the left of the first and on the right of the second."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    files = []
    for page, (x, y) in enumerate(GALAXIES):
        light = 12 + 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 12.0**2))
        files.append(tmp_path / f"page{page}.png")
        Image.fromarray(light.astype(np.uint8)).save(files[-1])
    holder = create_project(loop.client, "pictures of pages", '<View><Image name="image" value="$image"/></View>')
    upload_images(loop.client, holder, files)
    addresses = sorted((str(task.data["image"]) for task in read_tasks(loop.client, holder)), key=lambda name: name[-5])
    return loop.import_project("a click on page 2", CONFIG, [{"images": addresses}])


def test_a_click_on_the_second_page_draws_a_mask_there(loop: Loop, project: Project, label_studio: Any) -> None:
    with open_page(label_studio.url, size=(1500, 780), patience_ms=PATIENCE_MS) as page:
        url = f"{label_studio.url}/projects/{project.id}/data?task={project.tasks[0]}"
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_function(f"window.Htx && Htx.annotationStore.selected && {REGIONS}.length > 0")
        regions = page.evaluate(REGIONS)
        assert {region["item_index"] for region in regions if region["type"] == "brushlabels"} == {0, 1}
        _click_on_page_2(page)


def _click_on_page_2(page: Page) -> None:
    page.get_by_label("Create an annotation").click()  # empty, because a click on a predicted mask would select it
    page.wait_for_function(f"{REGIONS}.length == 0")
    page.evaluate("Htx.annotationStore.selected.objects[0].setCurrentImage(1)")
    page.wait_for_function("Htx.annotationStore.selected.objects[0].currentImageEntity.imageLoaded")
    page.get_by_test_id("bottombar-auto-annotation-toggle").click(force=True)
    smart = page.locator('.lsf-tool_smart[aria-label="key-point-tool"]')
    smart.wait_for(state="attached")
    smart.evaluate("tool => tool.click()")
    page.locator(".lsf-label").nth(1).click()
    canvas = page.locator(".konvajs-content").first.bounding_box()
    assert canvas is not None
    (x, y), (width, height) = GALAXIES[1], SIZE
    with page.expect_response(lambda response: "interactive-annotating" in response.url) as answer:
        page.mouse.click(canvas["x"] + canvas["width"] * x / width, canvas["y"] + canvas["height"] * y / height)
    body = answer.value.request.post_data_json
    assert body is not None
    (prompt,) = body["context"]["result"]
    (region,) = answer.value.json()["data"]["result"]
    assert prompt["item_index"] == region["item_index"] == 1
    mask = brushlabels.decode(region).shape
    assert mask[y, x]
    assert not mask[GALAXIES[0][1], GALAXIES[0][0]]
    page.get_by_test_id("bottombar-accept-suggestions-button").click(force=True)
    page.wait_for_function(f"{REGIONS}.some(region => region.type == 'brushlabels')")
    assert [region["item_index"] for region in page.evaluate(REGIONS) if region["type"] == "brushlabels"] == [1]
