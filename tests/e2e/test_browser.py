"""Annotators' work on pre-annotated tasks in a browser: keys, clicks and boxes; and a new model's predictions after a batch.

Every action uses keyboard and mouse, as in docs/annotating.md; the page's own state is only read.

`GALAXYLOOP_SCREENSHOTS=1` makes these tests write the images of the README, `docs/images/*.png`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Response
from typer.testing import CliRunner

from backend.cli.app import app
from backend.loop.examples.held_out import DEFAULT_SHARE, choose_held_out
from sync.controls import polygonlabels
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Mask
from sync.label_studio.projects import project_state
from sync.label_studio.tasks import read_tasks
from tests.e2e.animation import Animation
from tests.e2e.browser import open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

IMAGES = Path(__file__).parents[2] / "docs/images"
PATIENCE_MS = 90_000
LOOP_S = 180.0
BATCH = 14
"""More than the batch size of ten, because the cycle may begin before the last annotation is stored."""
SELECTED = "Htx.annotationStore.selected"
"""The editor's own state: the list of regions next to the image shows only as many as fit on the screen."""
REGIONS = f"{SELECTED}.serializeAnnotation()"
CLASSES = ("Elliptical", "Spiral", "Edge-on", "Merger", "Star or artifact", "Can't tell")
GREEN = (47, 158, 68)
"""Colour of outlines in labeling_configs/everything.xml; above, its classes in the order of their keys."""
CLICK, BOX = ("8", "k"), ("9", "r")
"""Keys of the labels for prompts, and of their smart tools."""
LARGEST_BYTES = 300_000
CAPTIONS = [
    "A task opens with a class and outlines",
    "Select Click (keys 8 and K), and click a galaxy",
    "The model returns its outline",
    "Accept it, and submit",
    "Ten tasks later the worker trains a new version, in seconds",
    "It is better on held-out tasks and goes live: open tasks show its predictions",
]
"""Captions of the animation, in the order of the tests."""


@pytest.fixture(scope="module")
def page(demo: Any) -> Iterator[Page]:
    """Yield a browser page, logged in as the demo's user."""
    address, user, password = (
        demo.values[name] for name in ("LABEL_STUDIO_URL", "GALAXYLOOP_LABEL_STUDIO_USER", "GALAXYLOOP_LABEL_STUDIO_PASSWORD")
    )
    with open_page(address, size=(1500, 780), patience_ms=PATIENCE_MS, user=user, password=password) as logged_in:
        yield logged_in


@pytest.fixture(scope="module")
def animation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Animation]:
    """Collect screenshots of the tests; write the animation of the README if all of them have run."""
    frames = Animation()
    yield frames
    if frames.captions != CAPTIONS:
        return
    folder = IMAGES if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path_factory.mktemp("animation")
    frames.save(folder / "click-and-retrain.webp")
    assert 15 < frames.seconds < 25
    assert (folder / "click-and-retrain.webp").stat().st_size < 3_000_000


@pytest.fixture
def save_screenshot(tmp_path: Path) -> Callable[[Page, str], None]:
    """Write a screenshot of the editor."""
    folder = IMAGES if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path
    folder.mkdir(exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.mouse.move(0, 0)
        image = Image.open(io.BytesIO(page.locator(".lsf-editor").screenshot(animations="disabled"))).convert("RGB")
        file = folder / f"{name}.png"
        # Dithering avoids visible steps in smooth areas.
        image.quantize(palette=image.quantize(250), dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)
        assert file.stat().st_size < LARGEST_BYTES

    return take


def project_of(demo: Any) -> int:
    return int(demo.values["GALAXYLOOP_PROJECT_ID"])


Edges = tuple[float, float, float, float]
"""Left, top, right and bottom of a region, percent of the image."""


def edges(region: dict[str, Any]) -> Edges:
    x, y = np.array(region["value"]["points"]).T
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def area(region: dict[str, Any]) -> float:
    left, top, right, bottom = edges(region)
    return (right - left) * (bottom - top)


def whole_outlines(prediction: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the outlines of a prediction that do not touch the border, the largest first."""
    outlines = [region for region in prediction["result"] if region["type"] == "polygonlabels"]
    return sorted(
        (outline for outline in outlines if min(edges(outline)) > 1 and max(edges(outline)) < 99), key=area, reverse=True
    )


def mask_of(region: dict[str, Any]) -> Mask:
    """Return the mask of an outline, in the image size that the region states."""
    shape = polygonlabels.decode(region)
    return rasterise(shape.shape, shape.size)


def middle_of(region: dict[str, Any]) -> tuple[float, float]:
    """Return a point in the middle of an outline, percent of the image."""
    rows, columns = np.nonzero(mask_of(region))
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return (
        (columns[nearest] + 0.5) / region["original_width"] * 100,
        (rows[nearest] + 0.5) / region["original_height"] * 100,
    )


def contains(region: dict[str, Any], place: tuple[float, float]) -> bool:
    """Return whether a point, in percent of the image, is inside an outline."""
    mask = mask_of(region)
    return bool(mask[int(place[1] * mask.shape[0] / 100), int(place[0] * mask.shape[1] / 100)])


def waiting_tasks(demo: Any, version: str) -> dict[int, dict[str, Any]]:
    """Return the predictions of `version` for the open tasks, by task; tasks with the largest galaxies first."""
    with demo.client() as client:
        todo = {task.id for task in read_tasks(client, project_of(demo)) if not task.annotated}
        predictions = client.get("/api/predictions/", project=project_of(demo))
    image = {
        prediction["task"]: prediction
        for prediction in predictions
        if prediction["task"] in todo and prediction["model_version"] == version
    }

    def largest(task: int) -> float:
        return max(map(area, whole_outlines(image[task])), default=0.0)

    return {task: image[task] for task in sorted(image, key=largest, reverse=True)}


def live_version(demo: Any) -> str:
    with demo.client() as client:
        return str(project_state(client, project_of(demo)).model_version)


def open_task(page: Page, demo: Any, task: int) -> None:
    """Open a task and wait until its predictions and its image are loaded."""
    url = f"{demo.values['LABEL_STUDIO_URL']}/projects/{project_of(demo)}/data?task={task}"
    page.goto(url, wait_until="domcontentloaded")
    page.locator(".lsf-outliner-item").first.wait_for()
    page.wait_for_function(f"window.Htx && {SELECTED} && {SELECTED}.objects[0].imageIsLoaded !== false")
    page.wait_for_function(f"{REGIONS}.length > 0")


def canvas(page: Page) -> Locator:
    """Return a screenshot of the image with the regions."""
    return page.locator(".konvajs-content").first


def regions(page: Page, kind: str) -> list[dict[str, Any]]:
    """Return the regions of a type in the annotation on screen."""
    return [region for region in page.evaluate(REGIONS) if region["type"] == kind]


def count_pixels_of_colour(page: Page, colour: tuple[int, int, int]) -> int:
    """Count the pixels on screen with a tint of this colour."""
    image = np.asarray(Image.open(io.BytesIO(canvas(page).screenshot())).convert("RGB"), np.float64)
    direction = np.array(colour) - np.mean(colour)
    leaning = image - image.mean(axis=2, keepdims=True)
    strength = np.linalg.norm(leaning, axis=2)
    alike = leaning @ direction / (np.maximum(strength, 1) * np.linalg.norm(direction))
    return int(((alike > 0.97) & (strength > 40)).sum())


def image_of(demo: Any, task: int) -> Image.Image:
    """Return the uploaded image of a task."""
    with demo.client() as client:
        (name,) = (
            str(entry.data["image"]).split("-", 1)[1] for entry in read_tasks(client, project_of(demo)) if entry.id == task
        )
    return Image.open(demo.data / "images" / name).convert("L")


def stage(page: Page) -> tuple[float, float, float, float]:
    """Return the position of the image on the page: left, top, width, height; the canvas is a little larger."""
    image = canvas(page).bounding_box()
    assert image is not None
    width, height = page.evaluate(f"[{SELECTED}.objects[0].stageWidth, {SELECTED}.objects[0].stageHeight]")
    return image["x"], image["y"], width, height


def on_page(page: Page, place: tuple[float, float]) -> tuple[float, float]:
    """Return the position on the page of a point of the image, given in percent."""
    left, top, width, height = stage(page)
    return left + width * place[0] / 100, top + height * place[1] / 100


def centre_of(element: Locator) -> tuple[float, float]:
    """Return the position on the page of the centre of an element."""
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def switch_on_auto_annotation(page: Page) -> None:
    """Switch auto-annotation on; Label Studio stores the switch, and ignores keys while it has the focus."""
    if not page.evaluate("Htx.autoAnnotation"):
        page.get_by_test_id("bottombar-auto-annotation-toggle").click(force=True)
        page.get_by_text("What is the galaxy in the middle?").click()
    page.wait_for_function("Htx.autoAnnotation")


def draw_prompt(
    page: Page, keys: Sequence[str], *places: tuple[float, float], holding: Sequence[str] = ("Control",)
) -> tuple[list[dict[str, Any]], ...]:
    """Press the keys of a label and its tool, then click a point of the image or drag over several.

    Returns
    -------
    sent, answered
        The prompts that Label Studio sent, and the regions that the backend returned.
    """
    for key in keys:
        page.keyboard.press(key)
    for key in holding:
        page.keyboard.down(key)
    try:
        with page.expect_response(lambda response: "interactive-annotating" in response.url) as answer:
            page.mouse.move(*on_page(page, places[0]))
            page.mouse.down()
            for place in places[1:]:
                page.mouse.move(*on_page(page, place), steps=4)
            page.mouse.up()
    finally:
        for key in holding:
            page.keyboard.up(key)
    assert answer.value.ok
    body = answer.value.request.post_data_json
    assert body is not None
    return body["context"]["result"], answer.value.json()["data"]["result"]


def accept(page: Page) -> None:
    page.get_by_test_id("bottombar-accept-suggestions-button").click(force=True)
    page.get_by_test_id("bottombar-accept-suggestions-button").wait_for(state="hidden")


def submit(page: Page, task: int) -> dict[str, Any]:
    """Submit with the button, and return the stored annotation."""

    def is_submission(response: Response) -> bool:
        return f"/api/tasks/{task}/annotations" in response.url and response.request.method == "POST"

    with page.expect_response(is_submission) as answer:
        page.get_by_test_id("bottombar-submit-button").click()
    assert answer.value.ok
    predictions: dict[str, Any] = answer.value.json()
    assert predictions["parent_prediction"]
    return predictions


def test_a_task_opens_with_its_class_and_outlines(
    page: Page, demo: Any, wait: Callable[..., Any], save_screenshot: Callable[[Page, str], None]
) -> None:
    version = live_version(demo)
    task, prediction = next(iter(waiting_tasks(demo, version).items()))
    open_task(page, demo, task)
    for kind in ("polygonlabels", "choices"):
        assert len(regions(page, kind)) == sum(region["type"] == kind for region in prediction["result"])
    assert {region["type"] for region in prediction["result"]} == {"polygonlabels", "choices"}
    assert [name for name in CLASSES if page.locator(f'input[name="{name}"]').is_checked()] == [read_choice(prediction)]
    assert page.locator(".lsf-outliner-item").count() > 0
    assert page.locator(".lsf-annotation-button").filter(has_text=version).count() == 1
    wait(lambda: count_pixels_of_colour(page, GREEN) > 200, "outlines are drawn")
    left, top, width, height = stage(page)
    shot = page.screenshot(clip={"x": left, "y": top, "width": width, "height": height})
    mask = mask_of(whole_outlines(prediction)[0])
    size = (mask.shape[1], mask.shape[0])
    image = np.asarray(Image.open(io.BytesIO(shot)).convert("L").resize(size), np.float64)[mask]
    pixels = np.asarray(image_of(demo, task).resize(size), np.float64)[mask]
    assert np.median(image) == pytest.approx(np.median(pixels), rel=0.1)
    assert np.corrcoef(image, pixels)[0, 1] > 0.9
    save_screenshot(page, "task")


def test_clicks_with_ctrl_and_alt_refine_an_outlined_galaxy(
    page: Page, demo: Any, save_screenshot: Callable[[Page, str], None], animation: Animation
) -> None:
    task, prediction = list(waiting_tasks(demo, live_version(demo)).items())[1]
    outline = whole_outlines(prediction)[0]
    open_task(page, demo, task)
    before = len(regions(page, "polygonlabels"))
    switch_on_auto_annotation(page)
    middle = middle_of(outline)
    editor = page.locator(".lsf-editor")
    animation.add(editor, CAPTIONS[0], 3.0)
    animation.add(editor, CAPTIONS[1], 3.0, pointer=on_page(page, middle))
    body, (first,) = draw_prompt(page, CLICK, middle)
    assert [(prompt["from_name"], prompt["type"]) for prompt in body] == [("click", "keypointlabels")]
    assert (first["from_name"], first["value"]["polygonlabels"]) == ("outline", ["Galaxy"])
    assert contains(first, middle)
    new, old = mask_of(first), mask_of(outline)
    assert (new & old).sum() > 0.5 * (new | old).sum()
    save_screenshot(page, "prompt")
    animation.add(editor, CAPTIONS[2], 3.5)
    row = int(middle[1] * new.shape[0] / 100)
    edge = ((np.flatnonzero(new[row]).max() - 1.5) / new.shape[1] * 100, middle[1])  # just within its right edge
    body, (second,) = draw_prompt(page, CLICK[:1], edge, holding=("Control", "Alt"))
    assert [prompt.get("is_positive", True) for prompt in body] == [True, False]
    assert (contains(first, edge), contains(second, edge)) == (True, False)
    assert contains(second, middle)
    accept(page)
    animation.add(editor, CAPTIONS[3], 3.0, pointer=centre_of(page.get_by_test_id("bottombar-submit-button")))
    remaining = regions(page, "polygonlabels")
    assert before <= len(remaining) <= before + 1
    assert {region["from_name"] for region in page.evaluate(REGIONS)} == {"outline", "morphology"}
    assert any(region["value"]["points"] == second["value"]["points"] for region in remaining)


def test_a_box_around_a_faint_galaxy_outlines_that_galaxy(
    page: Page, demo: Any, save_screenshot: Callable[[Page, str], None]
) -> None:
    task, prediction = list(waiting_tasks(demo, live_version(demo)).items())[2]
    open_task(page, demo, task)
    switch_on_auto_annotation(page)
    faint = whole_outlines(prediction)[-1]
    left, top, right, bottom = (edge + side for edge, side in zip(edges(faint), (-1, -1, 1, 1), strict=True))
    middle = ((left + right) / 2, (top + bottom) / 2)
    body, (answer,) = draw_prompt(page, BOX, (left, top), middle, (right, bottom))
    assert [(prompt["from_name"], prompt["type"]) for prompt in body] == [("drag", "rectanglelabels")]
    assert (answer["from_name"], answer["value"]["polygonlabels"]) == ("outline", ["Galaxy"])
    new = edges(answer)
    assert new[0] > left - 1.5
    assert new[1] > top - 1.5
    assert new[2] < right + 1.5
    assert new[3] < bottom + 1.5
    save_screenshot(page, "prompt-box")
    accept(page)
    assert {region["from_name"] for region in page.evaluate(REGIONS)} == {"outline", "morphology"}


def test_a_pending_suggestion_is_not_submitted(page: Page, demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Label Studio stores the prompt instead of the suggestion, as docs/annotating.md warns."""
    task, prediction = list(waiting_tasks(demo, live_version(demo)).items())[3]
    open_task(page, demo, task)
    class_ = next(name for name in CLASSES if name != read_choice(prediction))
    page.keyboard.press(str(CLASSES.index(class_) + 1))
    switch_on_auto_annotation(page)
    draw_prompt(page, CLICK, middle_of(whole_outlines(prediction)[0]))
    predictions = submit(page, task)["result"]
    assert [region["value"]["choices"] for region in predictions if region["type"] == "choices"] == [[class_]]
    assert [region["from_name"] for region in predictions if region["type"] == "keypointlabels"] == ["click"]
    outlines = [region for region in predictions if region["from_name"] == "outline"]
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.setenv(name, demo.values[name])
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    words = ["export", str(project_of(demo)), "--format", "coco", "--output", str(tmp_path / "coco")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, result.output  # problems.csv names the prompt that is left out
    files = [json.loads(file.read_text()) for file in (tmp_path / "coco").rglob("*.json")]
    counts = [len(file["annotations"]) for file in files if isinstance(file, dict) and file.get("annotations")]
    assert sum(counts) == len(outlines)


def test_the_instructions_are_shown_before_labelling(page: Page, demo: Any) -> None:
    page.goto(f"{demo.values['LABEL_STUDIO_URL']}/projects/{project_of(demo)}/data?labeling=1", wait_until="domcontentloaded")
    image = page.locator(".lsf-modal-ls__content")
    image.wait_for()
    for words in ("Labeling Instructions", "What is the galaxy in the middle?", "Star or artifact", "Accept the suggestion"):
        assert words in image.inner_text()


def test_after_a_batch_open_tasks_show_the_new_version(
    page: Page, demo: Any, wait: Callable[..., Any], animation: Animation
) -> None:
    old = live_version(demo)
    tasks = waiting_tasks(demo, old)
    truth = classes_by_colour(demo, tasks)
    # Most of them are training tasks: with many held-out tasks the gate could rightly keep the old version.
    usable = list(tasks)[3:]
    with demo.client() as client:
        images = {task.id: task.data for task in read_tasks(client, project_of(demo))}
    held_out = choose_held_out(images, image_keys=["image"], share=DEFAULT_SHARE)
    judges = [task for task in usable if task in held_out][:2]
    batch = judges + [task for task in usable if task not in held_out][: BATCH - len(judges)]
    first = next((task for task in batch if read_choice(tasks[task]) != truth[task]), batch[0])
    submit_on_the_page(page, demo, first, truth[first], animation)
    with demo.client() as client:
        for task in batch:
            if task != first:
                client.send("POST", f"/api/tasks/{task}/annotations/", json=correct(tasks[task], truth[task]))

    new = wait(lambda: version if (version := live_version(demo)) != old else None, "a new version is live", timeout_s=LOOP_S)

    assert [name.partition("-")[0] for name in (old, new)] == ["v0001", "v0002"]
    after = waiting_tasks(demo, new)
    assert after.keys() == tasks.keys() - set(batch)
    with demo.client() as client:
        following = client.get(f"/api/projects/{project_of(demo)}/next")["id"]
    changed_task = next(
        (task for task in after if read_choice(tasks[task]) != read_choice(after[task]) == truth[task]), following
    )
    for task in (following, changed_task):
        open_task(page, demo, task)
        assert page.locator(".lsf-annotation-button").filter(has_text=new).count() == 1
        assert {region["id"] for region in page.evaluate(REGIONS)} == {region["id"] for region in after[task]["result"]}
    wait(lambda: count_pixels_of_colour(page, GREEN) > 200, "outlines are drawn")
    animation.add(page.locator(".lsf-editor"), CAPTIONS[5], 4.0)


def read_choice(prediction: dict[str, Any]) -> str:
    """Return the class of a prediction."""
    return str(next(region["value"]["choices"][0] for region in prediction["result"] if region["type"] == "choices"))


def classes_by_colour(demo: Any, tasks: Iterable[int]) -> dict[int, str]:
    """Return two classes that the shipped head does not have, by colour, so that a batch of ten measurably improves them."""
    with demo.client() as client:
        names = {task.id: str(task.data["image"]).split("-", 1)[1] for task in read_tasks(client, project_of(demo))}
    redness = {}
    for task in tasks:
        tile = np.asarray(Image.open(demo.data / "images" / names[task]).convert("RGB"), np.float64)
        height, width = tile.shape[:2]
        middle = tile[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8].mean(axis=(0, 1))
        redness[task] = middle[0] / middle[2]
    half = np.median(list(redness.values()))
    return {task: "Star or artifact" if value > half else "Can't tell" for task, value in redness.items()}


def submit_on_the_page(page: Page, demo: Any, task: int, right: str, animation: Animation) -> None:
    """Correct the class of a task with its key, and submit."""
    open_task(page, demo, task)
    if regions(page, "choices")[0]["value"]["choices"] == [right]:
        right = "Edge-on"
    page.keyboard.press(str(CLASSES.index(right) + 1))
    animation.add(page.locator(".lsf-editor"), CAPTIONS[4], 3.5)
    predictions = submit(page, task)
    assert [region["value"]["choices"] for region in predictions["result"] if region["type"] == "choices"] == [[right]]


def correct(prediction: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an annotation made from a prediction, with another class and without the faintest object."""
    outlines = [region for region in prediction["result"] if region["type"] == "polygonlabels"]
    remaining = [region for region in prediction["result"] if region is not outlines[-1] or len(outlines) < 2]
    for region in remaining:
        if region["type"] == "choices":
            region["value"] = {"choices": [name]}
    return {"result": remaining, "parent_prediction": prediction["id"], "lead_time": 8.0}
