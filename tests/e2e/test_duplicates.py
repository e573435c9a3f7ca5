"""Duplicate predictions in the real Label Studio are found among those of other versions, and deleted except one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.duplicates import delete_duplicates
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks

XML = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>"""


@pytest.fixture
def project(client: LabelStudioClient) -> int:
    """Return a project of three tasks: one with two predictions of each version, one with one of each, one with none."""
    number = create_project(client, "Doubled", XML)
    client.send("POST", f"/api/projects/{number}/import", json=[{"image": f"/{name}.png"} for name in "abc"])
    first, second, _ = (task.id for task in read_tasks(client, number))
    for task, version in ((first, "v0001"), (first, "v0001"), (second, "v0001"), (first, "v0002"), (first, "v0002")):
        predict(client, number, task, version)
    predict(client, number, second, "v0002")
    return number


def predict(client: LabelStudioClient, project: int, task: int, version: str) -> None:
    prediction = {"task": task, "result": [], "model_version": version}
    client.send("POST", f"/api/projects/{project}/import/predictions", json=[prediction])


def annotate(client: LabelStudioClient, task: int, prediction: int) -> int:
    region = {"id": "c", "from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": ["Spiral"]}}
    body = {"result": [region], "parent_prediction": prediction}
    return int(client.send("POST", f"/api/tasks/{task}/annotations/", json=body)["id"])


def of_version(client: LabelStudioClient, project: int, version: str) -> list[dict[str, Any]]:
    predictions = client.get("/api/predictions/", project=project)
    return sorted(
        (prediction for prediction in predictions if prediction["model_version"] == version),
        key=lambda prediction: int(prediction["id"]),
    )


def test_the_oldest_prediction_and_other_versions_are_kept(client: LabelStudioClient, project: int) -> None:
    first, second, _ = (task.id for task in read_tasks(client, project))
    oldest = of_version(client, project, "v0002")[0]
    assert delete_duplicates(client, project, "v0002") == [first]
    remaining = of_version(client, project, "v0002")
    assert Counter(prediction["task"] for prediction in remaining) == {first: 1, second: 1}
    assert oldest["id"] in {prediction["id"] for prediction in remaining}
    assert Counter(prediction["task"] for prediction in of_version(client, project, "v0001")) == {first: 2, second: 1}
    assert delete_duplicates(client, project, "v0002") == []


def test_the_parent_of_an_annotation_is_kept(client: LabelStudioClient, project: int) -> None:
    first = read_tasks(client, project)[0].id
    _, newer = (prediction["id"] for prediction in of_version(client, project, "v0002") if prediction["task"] == first)
    note = annotate(client, first, newer)
    delete_duplicates(client, project, "v0002")
    assert [prediction["id"] for prediction in of_version(client, project, "v0002") if prediction["task"] == first] == [newer]
    assert client.get(f"/api/annotations/{note}/")["parent_prediction"] == newer


def test_one_of_two_parents_of_annotations_is_renamed(client: LabelStudioClient, project: int) -> None:
    first = read_tasks(client, project)[0].id
    ids = [prediction["id"] for prediction in of_version(client, project, "v0002") if prediction["task"] == first]
    notes = [annotate(client, first, number) for number in ids]
    delete_duplicates(client, project, "v0002")
    assert delete_duplicates(client, project, "v0002") == []
    assert [client.get(f"/api/annotations/{note}/")["parent_prediction"] for note in notes] == ids
    assert [prediction["id"] for prediction in of_version(client, project, "v0002 (annotated)")] == [ids[1]]
