"""Changes that Label Studio's page makes to predicted regions, as the effort measure assumes them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from backend.loop.effort.compare import compare_regions
from backend.prediction.project_heads import controls_to_predict
from backend.registry.records import Effort
from sync.controls import brushlabels, choices, ellipselabels, number, polygonlabels, rectanglelabels, taxonomy
from sync.geometry.shapes import Box, Ellipse, Polygon
from sync.label_studio.annotations import Annotation, annotations_of
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.parents import find_parent
from sync.label_studio.predictions import push
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image" choice="single"><Choice value="Elliptical"/><Choice value="Spiral"/></Choices>
<Taxonomy name="tree" toName="image"><Choice value="Disk"><Choice value="Arms"/></Choice><Choice value="Smooth"/></Taxonomy>
<Number name="redshift" toName="image"/>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star"/></RectangleLabels>
<EllipseLabels name="ellipses" toName="image"><Label value="Galaxy"/></EllipseLabels>
<BrushLabels name="masks" toName="image"><Label value="Galaxy"/></BrushLabels>
<PolygonLabels name="outlines" toName="image"><Label value="Galaxy"/></PolygonLabels></View>"""
PARSED = parse(CONFIG)
SIZE = WIDTH, HEIGHT = 307, 211
"""Odd sizes, so that percentages are not round numbers."""
PATIENCE_MS = 60_000
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")
SELECTED = "Htx.annotationStore.selected"
UNTOUCHED = {
    "class": Effort(accepted=1),
    "tree": Effort(accepted=1),
    "redshift": Effort(accepted=1),
    "boxes": Effort(accepted=3),
    "ellipses": Effort(accepted=1),
    "masks": Effort(accepted=1),
    "outlines": Effort(accepted=1),
}


def read_predictions() -> list[dict[str, Any]]:
    """Return one region of each object control, and three boxes with their centres at (40, 30), (100, 30) and (160, 30)."""
    controls = {control.name: control for control in PARSED.controls}
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask = (columns - 220) ** 2 / 15**2 + (rows - 120) ** 2 / 11**2 <= 1
    outline = Polygon(np.array([[20.3, 150], [60, 152.2], [63, 180.1], [32.7, 190]]))
    boxes = [Box(x - 15.1, 17.3, 30.2, 25.4) for x in (40, 100, 160)]
    return [
        choices.encode(["Spiral"], control=controls["class"]),
        taxonomy.encode([("Disk", "Arms")], control=controls["tree"]),
        number.encode(0.31415926, control=controls["redshift"]),
        *(rectanglelabels.encode(box, control=controls["boxes"], label="Galaxy", size=SIZE) for box in boxes),
        ellipselabels.encode(Ellipse(60, 100, 14.3, 9.1, 33.3), control=controls["ellipses"], label="Galaxy", size=SIZE),
        brushlabels.encode(mask, control=controls["masks"], label="Galaxy", size=SIZE),
        polygonlabels.encode(outline, control=controls["outlines"], label="Galaxy", size=SIZE),
    ]


class Editor:
    """The page of one task, opened with its prediction; coordinates are pixels of the image."""

    def __init__(self, page: Page, client: LabelStudioClient, project_id: int, task_id: int) -> None:
        self.page, self.client, self._project_id, self._task_id = page, client, project_id, task_id

    def open(self) -> None:
        self.page.goto(
            f"{self.client.url}/projects/{self._project_id}/data?task={self._task_id}", wait_until="domcontentloaded"
        )
        self.page.locator(".lsf-outliner-item").first.wait_for()
        self.page.wait_for_function(f"window.Htx && {SELECTED} && {SELECTED}.objects[0].imageIsLoaded")
        self.page.wait_for_function(f"{SELECTED}.serializeAnnotation().length > 0")

    def place(self, x: float, y: float) -> tuple[float, float]:
        canvas = self.page.locator(".konvajs-content").first.bounding_box()
        assert canvas is not None
        return canvas["x"] + canvas["width"] * x / WIDTH, canvas["y"] + canvas["height"] * y / HEIGHT

    def select(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.place(x, y))
        self.page.wait_for_function(f"{SELECTED}.regionStore.selection.size == 1")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from point to point, and wait until the page has applied it; no region is selected afterwards."""
        before = self.read_text()
        self.page.mouse.move(*self.place(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(*end), steps=8)
        self.page.mouse.up()
        self.wait_for_change(before)
        self.unselect()

    def unselect(self) -> None:
        self.page.keyboard.press("Escape")
        self.page.wait_for_function(f"{SELECTED}.regionStore.selection.size == 0")

    def read_text(self) -> str:
        return str(self.page.evaluate(f"JSON.stringify({SELECTED}.serializeAnnotation())"))

    def wait_for_change(self, before: str) -> None:
        self.page.wait_for_function(f"said => JSON.stringify({SELECTED}.serializeAnnotation()) != said", arg=before)

    def save_draft(self) -> None:
        """Wait until the page has stored a draft of the unsubmitted annotation."""
        with self.page.expect_response(lambda response: "/drafts" in response.url and response.request.method == "POST"):
            self.page.evaluate(f"{SELECTED}.saveDraftImmediately()")

    def submit(self) -> Annotation:
        with self.page.expect_response(
            lambda response: f"/api/tasks/{self._task_id}/annotations" in response.url and response.request.method == "POST"
        ) as answer:
            self.page.get_by_test_id("bottombar-submit-button").click()
        assert answer.value.ok
        (annotation,) = annotations_of(self.client.get(f"/api/tasks/{self._task_id}/"))
        return annotation

    def effort(self, annotation: Annotation) -> dict[str, Effort]:
        parent = find_parent(self.client, annotation)
        assert parent is not None
        return compare_regions(parent.result, annotation.result, controls_to_predict(PARSED))


@pytest.fixture(scope="module")
def page(label_studio: Any) -> Iterator[Page]:
    """Yield a browser page with the user's token."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with (
        LabelStudioClient(label_studio.url, label_studio.api_key) as client,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=CHROMIUM) as browser,
    ):
        browser_page = browser.new_page(
            viewport={"width": 1500, "height": 1500}, extra_http_headers={"Authorization": client.authorization()}
        )
        browser_page.set_default_timeout(PATIENCE_MS)
        yield browser_page


@pytest.fixture(scope="module")
def new_editor(page: Page, label_studio: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Editor]]:
    """Return a function that opens a task without annotations."""
    folder = tmp_path_factory.mktemp("pictures")
    files = [folder / f"{number}.png" for number in range(4)]
    for seed, file in enumerate(files):
        noise = np.random.default_rng(seed).integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file)
    with LabelStudioClient(label_studio.url, label_studio.api_key) as client:
        project_id = create_project(client, "effort on the page", CONFIG)
        upload_images(client, project_id, files)
        tasks = [task.id for task in read_tasks(client, project_id)]
        push(
            client,
            project_id,
            [{"task": task, "result": read_predictions(), "score": 0.5, "model_version": "v0001"} for task in tasks],
        )
        client.send("PATCH", f"/api/projects/{project_id}/", json={"model_version": "v0001"})

        def make() -> Editor:
            editor = Editor(page, client, project_id, tasks.pop())
            editor.open()
            return editor

        yield make


def test_an_unedited_region_is_submitted_unchanged_under_its_id(new_editor: Callable[[], Editor]) -> None:
    editor = new_editor()
    annotation = editor.submit()
    parent = find_parent(editor.client, annotation)
    assert parent is not None
    assert {region["id"]: region["value"] for region in annotation.result} == {
        region["id"]: region["value"] for region in parent.result
    }
    assert {region["origin"] for region in annotation.result} == {"prediction"}
    assert editor.effort(annotation) == UNTOUCHED


def test_moved_relabelled_deleted_and_added_regions_are_measured(new_editor: Callable[[], Editor]) -> None:
    editor = new_editor()
    editor.select(40, 30)
    editor.drag((40, 30), (50, 30))
    editor.select(100, 30)
    before = editor.read_text()
    editor.page.locator(".lsf-label").filter(has_text="Star").click()
    editor.wait_for_change(before)
    editor.unselect()
    editor.select(160, 30)
    before = editor.read_text()
    editor.page.keyboard.press("Backspace")
    editor.wait_for_change(before)
    editor.page.locator(".lsf-label").filter(has_text="Galaxy").first.click()
    editor.drag((230, 20), (260, 50))
    editor.select(40, 170)
    editor.drag((40, 170), (50, 170))
    annotation = editor.submit()
    effort = editor.effort(annotation)
    boxes = effort["boxes"]
    assert (boxes.accepted, boxes.edited, boxes.rejected, boxes.added, boxes.compared) == (0, 2, 1, 1, 2)
    moved_and_relabelled = (20.2 / 40.2 + 1) / 2
    assert boxes.mean_overlap == pytest.approx(moved_and_relabelled, abs=0.02)
    assert effort["outlines"].edited == 1
    assert [region["origin"] for region in annotation.result if region["from_name"] == "outlines"] == ["prediction"]
    assert {name: value for name, value in effort.items() if name not in ("boxes", "outlines")} == {
        name: value for name, value in UNTOUCHED.items() if name not in ("boxes", "outlines")
    }


def test_a_class_that_is_cleared_and_chosen_again_is_one_edit(new_editor: Callable[[], Editor]) -> None:
    editor = new_editor()
    for name, is_checked in (("Spiral", False), ("Elliptical", True)):
        before = editor.read_text()
        editor.page.locator(f'input[name="{name}"]').set_checked(is_checked, force=True)
        editor.wait_for_change(before)
    assert editor.effort(editor.submit()) == UNTOUCHED | {"class": Effort(edited=1)}


def test_an_annotation_from_a_draft_is_measured_without_its_parent(new_editor: Callable[[], Editor]) -> None:
    editor = new_editor()
    before = editor.read_text()
    editor.page.locator('input[name="Elliptical"]').check(force=True)
    editor.wait_for_change(before)
    editor.save_draft()
    editor.open()
    annotation = editor.submit()
    assert annotation.parent_prediction is None
    assert editor.effort(annotation) == UNTOUCHED | {"class": Effort(edited=1)}
