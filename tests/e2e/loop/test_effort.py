"""The effort measure on a real Label Studio: the edits of a prediction are recorded for the version that made it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from backend.registry.records import Effort

if TYPE_CHECKING:
    from tests.e2e.loop.conftest import Loop, Project


CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="morphology" toName="image"><Choice value="Elliptical"/><Choice value="Spiral"/><Choice value="Merger"/></Choices>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels>
<BrushLabels name="mask" toName="image"><Label value="Galaxy"/></BrushLabels></View>"""


def prediction_with_boxes(project: Project, count: int) -> dict[str, Any]:
    """Return a prediction with at least `n` boxes, as the page receives it."""
    predictions = project.loop.client.get("/api/predictions/", project=project.id)
    return next(prediction for prediction in predictions if len(boxes_of(prediction["result"])) >= count)


def boxes_of(result: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [region for region in result if region["from_name"] == "boxes"]


def figures(project: Project) -> dict[str, Effort]:
    (base,) = project.versions
    return dict(base.effort)


def wait_for(project: Project, effort: dict[str, Effort]) -> None:
    project.loop.wait_until(lambda: figures(project) == effort, f"the effort is {effort}", project)


def test_the_effort_is_recorded_for_the_version_that_predicted(loop: Loop) -> None:
    project = loop.project_of(CONFIG, loop.tiles)
    prediction = prediction_with_boxes(project, 3)
    result = [region | {"origin": "prediction"} for region in copy.deepcopy(prediction["result"])]
    moved_box, deleted_box = boxes_of(result)[:2]
    step = moved_box["value"]["width"] / 2
    moved_box["value"]["x"] += step if moved_box["value"]["x"] + 3 * step < 100 else -step
    moved_box["origin"] = "prediction-changed"
    added_box = copy.deepcopy(moved_box) | {"id": uuid4().hex[:10], "origin": "manual"}
    submission = [region for region in result if region is not deleted_box] + [added_box]
    body = {"result": submission, "parent_prediction": prediction["id"]}
    annotation = loop.client.send("POST", f"/api/tasks/{prediction['task']}/annotations/", json=body)

    accepted_count = len(boxes_of(result)) - 2
    masks = Effort(accepted=sum(region["from_name"] == "mask" for region in result))
    shape = Effort(accepted=1)
    boxes = Effort(accepted=accepted_count, edited=1, rejected=1, added=1, compared=1, overlap=pytest.approx(1 / 3))  # type: ignore[arg-type]
    wait_for(project, {"boxes": boxes, "mask": masks, "morphology": shape})
    versions = loop.command("versions", str(project.id))
    (row,) = (line.split() for line in versions.splitlines() if " boxes " in line)
    assert row[:3] == [project.name_of(1), "boxes", str(accepted_count + 2)]
    assert row[-4:] == [f"{1 / (accepted_count + 2):.0%}", "0.333", f"{1 / (accepted_count + 2):.0%}", "1"]

    for region in submission:
        if region["from_name"] == "morphology":
            region["value"] = {"choices": ["Merger" if region["value"]["choices"] != ["Merger"] else "Spiral"]}
    loop.client.send("PATCH", f"/api/annotations/{annotation['id']}/", json={"result": submission})
    wait_for(project, {"boxes": boxes, "mask": masks, "morphology": Effort(edited=1)})

    loop.client.send("DELETE", f"/api/annotations/{annotation['id']}/")
    wait_for(project, {})
