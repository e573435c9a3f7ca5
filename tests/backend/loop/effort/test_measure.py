"""The effort measure: each annotation is measured once in its current state; without changes no request is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from backend.loop.effort import measure
from backend.loop.effort.measure import measure_effort
from backend.loop.effort.store import EffortStore
from backend.registry.records import Effort
from backend.services import Services
from sync.controls import choices
from sync.label_studio.annotations import Annotation
from sync.label_studio.client import LabelStudioError
from sync.labelling.config import parse

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="mood" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
(CONTROL,) = parse(CONFIG).controls
NUMBERS = count(40_000)
"""Numbers of predictions, which are unique because all tests share the file server."""


class Project:
    """A project with the test's annotations, and the predictions in Label Studio."""

    def __init__(self, services: Services, files: Any) -> None:
        self.services, self._files = services, files
        self._requests_before = len(files.request_paths)
        services.registry.register_project(7, label_config=CONFIG, extra_params=None)
        with services.registry.create_version(7, label_config=CONFIG, fingerprint="f", learned_from=1) as (folder, _):
            (folder / "heads.json").write_text("{}")

    def predict(self, mood: str = "Calm", *, version: int = 1, suffix: str = "", name: str = "") -> int:
        name = name or self.services.registry.version(7, version).name + suffix
        number = next(NUMBERS)
        body = {"id": number, "task": number, "model_version": name, "result": [choices.encode([mood], control=CONTROL)]}
        self._files.put(f"/api/predictions/{number}/", json.dumps(body).encode())
        self._files.put(f"/api/predictions/?task={number}", json.dumps([body]).encode())
        return number

    def lose(self, prediction: int) -> None:
        del self._files.files[f"/api/predictions/{prediction}/"]

    def annotation(self, parent: int | None, mood: str = "Calm", *, at: str = "10:00", **more: Any) -> Annotation:
        """Return an annotation of the task of its parent prediction."""
        region = choices.encode([mood], control=CONTROL)
        number = parent or next(NUMBERS)
        annotation = Annotation(number, number, {}, [region], f"2026-01-01T{at}:00Z", 1, False, parent, None)
        return replace(annotation, **more)

    def measure(self, *annotations: Annotation) -> int:
        return measure_effort(self.services, self.services.registry.project(7), annotations)

    def requests(self) -> list[str]:
        """Return the requests since the last call."""
        requests: list[str] = self._files.request_paths[self._requests_before :]
        self._requests_before += len(requests)
        return requests

    @property
    def mood(self) -> dict[int, Effort]:
        """Return the effort of each version for the control `mood`."""
        versions = self.services.registry.versions(7)
        return {version.number: version.effort["mood"] for version in versions if version.effort}

    @property
    def unknown(self) -> int:
        return EffortStore(self.services.engine).unknown(7)


@pytest.fixture
def project(services: Services, files: Any) -> Project:
    return Project(services, files)


def test_effort_is_stored_with_the_version_that_predicted(project: Project) -> None:
    first, second = project.predict(version=1), project.predict(version=2, suffix=" (annotated)")
    assert project.measure(project.annotation(first), project.annotation(second, "Wild")) == 2
    assert project.mood == {1: Effort(accepted=1), 2: Effort(edited=1)}


def test_the_time_of_the_annotator_is_stored(project: Project) -> None:
    project.measure(project.annotation(project.predict(), lead_time=12.5))
    assert EffortStore(project.services.engine).median_seconds(7) == {1: 12.5}


def test_unchanged_annotations_need_no_request(project: Project) -> None:
    annotations = [project.annotation(project.predict()) for _ in range(3)]
    project.measure(*annotations)
    assert len(project.requests()) == 3
    assert project.measure(*annotations) == 0
    assert project.requests() == []
    assert project.mood == {1: Effort(accepted=3)}


def test_only_new_and_edited_annotations_are_read(project: Project) -> None:
    first, second, new = (project.predict() for _ in range(3))
    project.measure(project.annotation(first), project.annotation(second))
    project.requests()
    project.measure(project.annotation(first), project.annotation(second, "Wild", at="11:00"), project.annotation(new))
    assert sorted(project.requests()) == [f"/api/predictions/{number}/" for number in (second, new)]
    assert project.mood == {1: Effort(accepted=2, edited=1)}


def test_an_annotation_that_started_empty_is_not_measured(project: Project) -> None:
    assert project.measure(project.annotation(None)) == 0
    assert project.requests() == []
    assert (project.mood, project.unknown) == ({}, 0)


def test_a_skipped_task_is_not_measured(project: Project) -> None:
    assert project.measure(project.annotation(project.predict(), was_cancelled=True)) == 0
    assert project.requests() == []


def test_an_annotation_without_regions_rejected_all(project: Project) -> None:
    project.measure(project.annotation(project.predict(), result=[]))
    assert project.mood == {1: Effort(rejected=1)}


@pytest.mark.parametrize("after", [[], ["skipped"]])
def test_an_annotation_deleted_or_skipped_later_is_removed(project: Project, after: list[str]) -> None:
    annotation = project.annotation(project.predict())
    project.measure(annotation)
    project.measure(*(replace(annotation, was_cancelled=True, updated_at="later") for _ in after))
    assert project.mood == {}


def test_a_deleted_prediction_counts_as_unknown_and_is_requested_once(project: Project) -> None:
    annotation = project.annotation(project.predict())
    project.lose(annotation.parent_prediction or 0)
    project.measure(annotation)
    project.requests()
    project.measure(annotation)
    assert (project.mood, project.unknown, project.requests()) == ({}, 1, [])


@pytest.mark.parametrize("name", ["another model", "v0001", "v0002-3f9a7c"])
def test_a_prediction_of_another_model_counts_as_unknown(project: Project, name: str) -> None:
    project.measure(project.annotation(project.predict(name=name)))
    assert (project.mood, project.unknown) == ({}, 1)


def test_effort_is_kept_when_its_prediction_is_deleted(project: Project) -> None:
    annotation = project.annotation(project.predict())
    project.measure(annotation)
    project.lose(annotation.parent_prediction or 0)
    project.measure(replace(annotation, parent_prediction=None))  # as Label Studio stores it after a deletion
    assert (project.mood, project.unknown) == ({1: Effort(accepted=1)}, 0)


def test_an_annotation_without_its_parent_is_measured_by_its_regions(project: Project) -> None:
    annotation = project.annotation(project.predict())
    (prediction,) = project.services.label_studio.get("/api/predictions/", task=annotation.task_id)
    wild = prediction["result"][0] | {"value": {"choices": ["Wild"]}, "origin": "prediction-changed"}
    project.measure(replace(annotation, parent_prediction=None, result=[wild]))
    assert project.mood == {1: Effort(edited=1)}


def test_a_backlog_is_measured_over_several_cycles_newest_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "ANNOTATIONS_PER_CYCLE", 2)
    old, newer, newest = (project.annotation(project.predict(), at=at) for at in ("08:00", "09:00", "10:00"))
    assert project.measure(old, newer, newest) == 2
    assert f"/api/predictions/{old.parent_prediction}/" not in project.requests()
    assert [project.measure(old, newer, newest), project.measure(old, newer, newest)] == [1, 0]
    assert project.mood == {1: Effort(accepted=3)}


def test_a_failed_request_writes_nothing(project: Project, files: Any) -> None:
    good, bad = project.predict(), project.predict()
    files.put(f"/api/predictions/{bad}/", b"not JSON")
    with pytest.raises(LabelStudioError):
        project.measure(project.annotation(good), project.annotation(bad))
    assert project.mood == {}
