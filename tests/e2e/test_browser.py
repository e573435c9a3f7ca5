"""What a person sees: galaxies annotated before they look, a mask for a click, and a new model's annotations after a batch.

`GALAXYLOOP_SCREENSHOTS=1` makes these tests write the pictures of the README, `docs/images/*.png`.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Response, sync_playwright

from backend.loop.snapshot import is_judge
from sync.controls import brushlabels
from sync.controls.shapes import Mask
from sync.labelconfig import parse
from sync.projects import project_state
from sync.tasks import read_tasks

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

IMAGES = Path(__file__).parents[2] / "docs/images"
PATIENCE_MS = 90_000
LOOP_S = 180.0
BATCH = 14
"""More than the ten that make a batch: the cycle may begin before the last is in."""
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SELECTED = "Htx.annotationStore.selected"
"""The editor's own state: the list of regions beside the picture shows a screenful only."""
REGIONS = f"{SELECTED}.serializeAnnotation()"
CLASSES = ("Elliptical", "Spiral", "Edge-on", "Merger")
GREEN, ORANGE = (47, 158, 68), (232, 89, 12)
"""Classes, and colours of boxes and masks, of labeling_configs/everything.xml."""


@pytest.fixture(scope="module")
def page(demo: Any) -> Iterator[Page]:
    """A browser in which the demo's user has logged in."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=CHROMIUM) as browser:
        opened = browser.new_page(viewport={"width": 1500, "height": 780})
        opened.set_default_timeout(PATIENCE_MS)
        opened.goto(demo.values["LABEL_STUDIO_URL"] + "/user/login/", wait_until="domcontentloaded")
        opened.fill("input[name=email]", demo.values["GALAXYLOOP_LABEL_STUDIO_USER"])
        opened.fill("input[name=password]", demo.values["GALAXYLOOP_LABEL_STUDIO_PASSWORD"])
        opened.click("button[type=submit]", no_wait_after=True)
        opened.wait_for_url(lambda url: "login" not in url, wait_until="commit")  # to the home page, not to the projects
        yield opened


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Page, str], None]:
    """Take a screenshot of the editor."""
    folder = IMAGES if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path
    folder.mkdir(exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.mouse.move(0, 0)
        page.locator(".lsf-editor").screenshot(path=folder / f"{name}.png", animations="disabled")

    return take


def project_of(demo: Any) -> int:
    return int(demo.values["GALAXYLOOP_PROJECT_ID"])


def largest_box(prediction: dict[str, Any]) -> dict[str, float]:
    """Return the largest box that is whole in the picture, in percent of it; {} if there is none."""
    boxes = [region["value"] for region in prediction["result"] if region["type"] == "rectanglelabels"]
    whole = [
        box for box in boxes if min(box["x"], box["y"]) > 1 and box["x"] + box["width"] < 99 and box["y"] + box["height"] < 99
    ]
    return max(whole, key=lambda box: box["width"] * box["height"], default={})


def waiting_tasks(demo: Any, version: str) -> dict[int, dict[str, Any]]:
    """Return the predictions of `version` for the tasks still to do, by task; those with the largest galaxies first."""
    with demo.client() as client:
        todo = {task.id for task in read_tasks(client, project_of(demo)) if not task.annotated}
        stored = client.get("/api/predictions/", project=project_of(demo))
    found = {one["task"]: one for one in stored if one["task"] in todo and one["model_version"] == version}

    def area(task: int) -> float:
        box = largest_box(found[task])
        return box["width"] * box["height"] if box else 0.0

    return {task: found[task] for task in sorted(found, key=area, reverse=True)}


def live_version(demo: Any) -> str:
    with demo.client() as client:
        return str(project_state(client, project_of(demo)).model_version)


def open_task(page: Page, demo: Any, task: int) -> None:
    """Open a task and wait until its pre-annotations and its picture are there."""
    url = f"{demo.values['LABEL_STUDIO_URL']}/projects/{project_of(demo)}/data?task={task}"
    page.goto(url, wait_until="domcontentloaded")
    page.locator(".lsf-outliner-item").first.wait_for()
    page.wait_for_function(f"window.Htx && {SELECTED} && {SELECTED}.objects[0].imageIsLoaded !== false")
    page.wait_for_function(f"{REGIONS}.length > 0")


def canvas(page: Page) -> Locator:
    """The picture with what is drawn on it."""
    return page.locator(".konvajs-content").first


def regions(page: Page, kind: str) -> list[dict[str, Any]]:
    """The regions of a type that the annotation on screen has."""
    return [region for region in page.evaluate(REGIONS) if region["type"] == kind]


def pixels_like(page: Page, colour: tuple[int, int, int]) -> int:
    """Count the pixels on screen that lean towards a colour, pure or as a veil over the picture."""
    shown = np.asarray(Image.open(io.BytesIO(canvas(page).screenshot())).convert("RGB"), np.float64)
    wanted = np.array(colour) - np.mean(colour)
    leaning = shown - shown.mean(axis=2, keepdims=True)
    strength = np.linalg.norm(leaning, axis=2)
    alike = leaning @ wanted / (np.maximum(strength, 1) * np.linalg.norm(wanted))
    return int(((alike > 0.97) & (strength > 40)).sum())


def test_a_task_opens_with_its_class_boxes_and_masks_drawn(
    page: Page, demo: Any, wait: Callable[..., Any], picture: Callable[[Page, str], None]
) -> None:
    version = live_version(demo)
    task, prediction = next(iter(waiting_tasks(demo, version).items()))
    open_task(page, demo, task)
    for kind in ("rectanglelabels", "brushlabels", "choices"):
        assert len(regions(page, kind)) == sum(region["type"] == kind for region in prediction["result"])
    assert [name for name in CLASSES if page.locator(f'input[name="{name}"]').is_checked()] == [chosen(prediction)]
    assert page.locator(".lsf-outliner-item").count() > 0
    assert page.locator(".lsf-annotation-button").filter(has_text=version).count() == 1
    wait(lambda: pixels_like(page, GREEN) > 200, "boxes are drawn")
    wait(lambda: pixels_like(page, ORANGE) > 200, "masks are drawn")
    picture(page, "task")


def test_a_click_on_a_galaxy_draws_its_mask_and_a_second_one_mends_it(
    page: Page, demo: Any, wait: Callable[..., Any], picture: Callable[[Page, str], None]
) -> None:
    task, prediction = list(waiting_tasks(demo, live_version(demo)).items())[1]
    box = largest_box(prediction)
    open_task(page, demo, task)
    page.get_by_label("Create an annotation").click()  # an empty one: only what the click finds will be on it
    page.wait_for_function(f"{REGIONS}.length == 0")
    page.get_by_test_id("bottombar-auto-annotation-toggle").click(force=True)
    smart = page.locator('.lsf-tool_smart[aria-label="key-point-tool"]')  # any other draws a mere point and asks nobody
    smart.wait_for(state="attached")
    smart.evaluate("tool => tool.click()")  # it sits in a fly-out
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    first, (x, y) = clicked_mask(page, demo, middle)
    assert first[int(y * first.shape[0] / 100), int(x * first.shape[1] / 100)]
    row = first.shape[0] // 2
    column = int(np.flatnonzero(first[row]).max()) - 2  # just within its right edge
    wait(lambda: pixels_like(page, ORANGE) > 200, "the mask is drawn")
    picture(page, "prompt")
    edge = ((column + 0.5) / first.shape[1] * 100, (row + 0.5) / first.shape[0] * 100)
    # The canvas is a little wider than the picture: the first click tells by how much.
    second, (x, y) = clicked_mask(page, demo, (edge[0] * middle[0] / x, edge[1] * middle[1] / y), away=True)
    place = int(y * first.shape[0] / 100), int(x * first.shape[1] / 100)
    assert (first[place], second[place]) == (True, False)
    assert second.any()
    page.get_by_test_id("bottombar-accept-suggestions-button").click(force=True)
    page.wait_for_function(f"{REGIONS}.some(region => region.type == 'brushlabels')")
    assert [region["from_name"] for region in page.evaluate(REGIONS)] == ["mask"]
    assert page.locator(".lsf-outliner-item").count() == 1
    wait(lambda: pixels_like(page, ORANGE) > 100, "the mended mask is drawn")
    picture(page, "prompt-mended")


def test_after_a_batch_the_next_tasks_carry_the_new_versions_annotations(
    page: Page, demo: Any, wait: Callable[..., Any], picture: Callable[[Page, str], None]
) -> None:
    old = live_version(demo)
    tasks = waiting_tasks(demo, old)
    truth = classes_by_colour(demo, tasks)
    # Most of them train: with many on the judges' side the gate could rightly keep the old version.
    usable = list(tasks)[2:]
    judges = [task for task in usable if is_judge(task)][:2]
    batch = judges + [task for task in usable if not is_judge(task)][: BATCH - len(judges)]
    first = next((task for task in batch if chosen(tasks[task]) != truth[task]), batch[0])
    submit_on_the_page(page, demo, first, truth[first])
    with demo.client() as client:
        for task in batch:
            if task != first:
                client.send("POST", f"/api/tasks/{task}/annotations/", json=corrected(tasks[task], truth[task]))

    new = wait(lambda: version if (version := live_version(demo)) != old else None, "a new version is live", timeout_s=LOOP_S)

    assert [name.partition("-")[0] for name in (old, new)] == ["v0001", "v0002"]
    after = waiting_tasks(demo, new)
    assert after.keys() == tasks.keys() - set(batch)
    with demo.client() as client:
        following = client.get(f"/api/projects/{project_of(demo)}/next")["id"]
    changed = next((task for task in after if chosen(tasks[task]) != chosen(after[task]) == truth[task]), following)
    for task in (following, changed):
        open_task(page, demo, task)
        assert page.locator(".lsf-annotation-button").filter(has_text=new).count() == 1
        assert {region["id"] for region in page.evaluate(REGIONS)} == {region["id"] for region in after[task]["result"]}
    wait(lambda: pixels_like(page, GREEN) > 200, "boxes are drawn")
    picture(page, "loop")


def clicked_mask(page: Page, demo: Any, place: tuple[float, float], *, away: bool = False) -> tuple[Mask, tuple[float, float]]:
    """Click at a place, in percent of the canvas, with Alt for `away`.

    Returns
    -------
    mask
        That is answered.
    place
        Of the click in the picture, as Label Studio sends it, percent.
    """
    page.locator(".lsf-label").nth(label_position(demo, "click")).click()
    shown = canvas(page).bounding_box()
    assert shown is not None
    x, y = (shown[start] + shown[span] * at / 100 for start, span, at in zip("xy", ("width", "height"), place, strict=True))
    if away:
        page.keyboard.down("Alt")
    with page.expect_response(lambda response: "interactive-annotating" in response.url) as answer:
        page.mouse.click(x, y)
    if away:
        page.keyboard.up("Alt")
    assert answer.value.ok
    sent = answer.value.request.post_data_json["context"]["result"]
    assert [prompt.get("is_positive", True) for prompt in sent] == ([True, False] if away else [True])
    (region,) = answer.value.json()["data"]["result"]
    return brushlabels.decode(region).shape, (sent[-1]["value"]["x"], sent[-1]["value"]["y"])


def label_position(demo: Any, control: str) -> int:
    """Tell which of the labels on the page is the first of a control."""
    with demo.client() as client:
        config = parse(project_state(client, project_of(demo)).label_config)
    before = config.controls[: [one.name for one in config.controls].index(control)]
    return sum(len(one.labels) for one in before if one.tag.endswith("Labels"))


def chosen(prediction: dict[str, Any]) -> str:
    """Return the class that a prediction says."""
    return str(next(region["value"]["choices"][0] for region in prediction["result"] if region["type"] == "choices"))


def classes_by_colour(demo: Any, tasks: Iterable[int]) -> dict[int, str]:
    """Say what an astronomer with little time would: the redder half of the galaxies is elliptical, the bluer spiral."""
    with demo.client() as client:
        names = {task.id: str(task.data["image"]).split("-", 1)[1] for task in read_tasks(client, project_of(demo))}
    redness = {}
    for task in tasks:
        tile = np.asarray(Image.open(demo.data / "images" / names[task]).convert("RGB"), np.float64)
        height, width = tile.shape[:2]
        middle = tile[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8].mean(axis=(0, 1))
        redness[task] = middle[0] / middle[2]
    half = np.median(list(redness.values()))
    return {task: "Elliptical" if value > half else "Spiral" for task, value in redness.items()}


def submit_on_the_page(page: Page, demo: Any, task: int, right: str) -> None:
    """Correct the class of a task as a person does, and submit."""
    open_task(page, demo, task)
    if regions(page, "choices")[0]["value"]["choices"] == [right]:
        right = "Merger"
    page.locator(f'input[name="{right}"]').check(force=True)
    page.wait_for_function(
        f"name => {REGIONS}.some(region => region.type == 'choices' && region.value.choices.includes(name))", arg=right
    )

    def submitted(response: Response) -> bool:
        return f"/api/tasks/{task}/annotations" in response.url and response.request.method == "POST"

    with page.expect_response(submitted) as answer:
        page.get_by_test_id("bottombar-submit-button").click()
    assert answer.value.ok
    stored = answer.value.json()
    assert [region["value"]["choices"] for region in stored["result"] if region["type"] == "choices"] == [[right]]
    assert stored["parent_prediction"]


def corrected(prediction: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an annotation made from a prediction: another class, and the faintest object with its mask deleted."""
    boxes = [region["id"] for region in prediction["result"] if region["type"] == "rectanglelabels"]
    masks = [region["id"] for region in prediction["result"] if region["type"] == "brushlabels"]
    deleted = {boxes[-1], masks[-1]} if len(boxes) > 1 and len(masks) > 1 else set()
    kept = [region for region in prediction["result"] if region["id"] not in deleted]
    for region in kept:
        if region["type"] == "choices":
            region["value"] = {"choices": [name]}
    return {"result": kept, "parent_prediction": prediction["id"], "lead_time": 8.0}
