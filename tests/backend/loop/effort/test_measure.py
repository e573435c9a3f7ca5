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
        self._seen = len(files.asked)
        services.registry.register_project(7, label_config=CONFIG, extra_params=None)
        with services.registry.create_version(7, label_config=CONFIG, fingerprint="f", learned_from=1):
            pass

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
        said = choices.encode([mood], control=CONTROL)
        number = parent or next(NUMBERS)
        made = Annotation(number, number, {}, [said], f"2026-01-01T{at}:00Z", 1, False, parent, None)
        return replace(made, **more)

    def meter(self, *annotations: Annotation) -> int:
        return measure_effort(self.services, self.services.registry.project(7), annotations)

    def requests(self) -> list[str]:
        """Return the requests since the last call."""
        asked: list[str] = self._files.asked[self._seen :]
        self._seen += len(asked)
        return asked

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


def test_the_figures_stand_with_the_version_whose_predictions_they_were(project: Project) -> None:
    first, second = project.predict(version=1), project.predict(version=2, suffix=" (annotated)")
    assert project.meter(project.annotation(first), project.annotation(second, "Wild")) == 2
    assert project.mood == {1: Effort(accepted=1), 2: Effort(edited=1)}


def test_where_nothing_has_changed_nothing_is_asked_for(project: Project) -> None:
    annotations = [project.annotation(project.predict()) for _ in range(3)]
    project.meter(*annotations)
    assert len(project.requests()) == 3
    assert project.meter(*annotations) == 0
    assert project.requests() == []
    assert project.mood == {1: Effort(accepted=3)}


def test_only_what_is_new_or_edited_is_read(project: Project) -> None:
    kept, changed, new = (project.predict() for _ in range(3))
    project.meter(project.annotation(kept), project.annotation(changed))
    project.requests()
    project.meter(project.annotation(kept), project.annotation(changed, "Wild", at="11:00"), project.annotation(new))
    assert sorted(project.requests()) == [f"/api/predictions/{number}/" for number in (changed, new)]
    assert project.mood == {1: Effort(accepted=2, edited=1)}


def test_an_annotation_that_was_begun_empty_is_not_measured(project: Project) -> None:
    assert project.meter(project.annotation(None)) == 0
    assert project.requests() == []
    assert (project.mood, project.unknown) == ({}, 0)


def test_a_skip_is_not_measured(project: Project) -> None:
    assert project.meter(project.annotation(project.predict(), was_cancelled=True)) == 0
    assert project.requests() == []


def test_an_annotation_of_which_nothing_is_left_has_rejected_all(project: Project) -> None:
    project.meter(project.annotation(project.predict(), result=[]))
    assert project.mood == {1: Effort(rejected=1)}


@pytest.mark.parametrize("after", [[], ["skipped"]])
def test_what_is_deleted_or_skipped_after_all_is_forgotten(project: Project, after: list[str]) -> None:
    made = project.annotation(project.predict())
    project.meter(made)
    project.meter(*(replace(made, was_cancelled=True, updated_at="later") for _ in after))
    assert project.mood == {}


def test_a_prediction_that_is_gone_is_counted_as_unknown_and_not_looked_for_again(project: Project) -> None:
    made = project.annotation(project.predict())
    project.lose(made.parent_prediction or 0)
    project.meter(made)
    project.requests()
    project.meter(made)
    assert (project.mood, project.unknown, project.requests()) == ({}, 1, [])


@pytest.mark.parametrize("name", ["somebody else's", "v0001", "v0002-3f9a7c"])
def test_another_models_prediction_is_counted_as_unknown(project: Project, name: str) -> None:
    project.meter(project.annotation(project.predict(name=name)))
    assert (project.mood, project.unknown) == ({}, 1)


def test_figures_outlive_the_prediction_that_they_were_measured_by(project: Project) -> None:
    made = project.annotation(project.predict())
    project.meter(made)
    project.lose(made.parent_prediction or 0)
    project.meter(replace(made, parent_prediction=None))  # as Label Studio stores it after a deletion
    assert (project.mood, project.unknown) == ({1: Effort(accepted=1)}, 0)


def test_an_annotation_that_has_forgotten_its_parent_is_measured_by_its_regions(project: Project) -> None:
    made = project.annotation(project.predict())
    (predicted,) = project.services.label_studio.get("/api/predictions/", task=made.task_id)
    wild = predicted["result"][0] | {"value": {"choices": ["Wild"]}, "origin": "prediction-changed"}
    project.meter(replace(made, parent_prediction=None, result=[wild]))
    assert project.mood == {1: Effort(edited=1)}


def test_a_backlog_is_worked_off_over_cycles_the_newest_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "ANNOTATIONS_PER_CYCLE", 2)
    old, newer, newest = (project.annotation(project.predict(), at=at) for at in ("08:00", "09:00", "10:00"))
    assert project.meter(old, newer, newest) == 2
    assert f"/api/predictions/{old.parent_prediction}/" not in project.requests()
    assert [project.meter(old, newer, newest), project.meter(old, newer, newest)] == [1, 0]
    assert project.mood == {1: Effort(accepted=3)}


def test_a_failure_on_the_way_writes_nothing(project: Project, files: Any) -> None:
    good, bad = project.predict(), project.predict()
    files.put(f"/api/predictions/{bad}/", b"no JSON")
    with pytest.raises(LabelStudioError):
        project.meter(project.annotation(good), project.annotation(bad))
    assert project.mood == {}
