"""Problems of a project are sentences with what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from backend.loop.examples.snapshot import take_snapshot
from backend.loop.report.task_sample import MOST_TASKS
from backend.prediction.records import PredictionRecord
from backend.registry.unreadable import Unreadable, UnreadableList
from sync.controls import choices
from sync.label_studio.tasks import Task
from tests.backend.loop.report.conftest import CLASSES, ReportedProject

pytestmark = pytest.mark.slow

Make = Callable[[str], ReportedProject]


def test_contradictory_labels_are_named(make_project: Make) -> None:
    project = make_project(CLASSES)
    snapshot = project.annotate(range(1, 11))
    first = snapshot.annotations[0]
    (control,) = project.config.controls
    other = choices.encode(["Calm" if "Wild" in str(first.result) else "Wild"], control=control)
    second = replace(first, id=99, completed_by=2, result=[other])
    problems = project.report(take_snapshot([*snapshot.annotations, second])).problems
    assert "1 galaxy has contradictory labels of 'mood' (task 1): compare their annotations." in problems


def test_few_held_out_galaxies_are_named(make_project: Make) -> None:
    project = make_project(CLASSES)
    report = project.report(project.annotate(range(1, 21)))
    assert f"Only {report.held_out} held-out galaxies have been annotated: scores are uncertain until there are about 30." in (
        report.problems
    )


def test_a_changed_config_is_named(make_project: Make) -> None:
    project = make_project(CLASSES)
    snapshot = project.annotate(range(1, 11))
    live = project.current.live_name
    project.services.registry.register_project(project.id, label_config=CLASSES.replace("Wild", "Windy"), extra_params=None)
    problems = project.report(snapshot).problems
    assert problems[0].startswith(f"The labelling config has changed since {live} was trained: ")


def test_a_project_without_tasks_is_named(make_project: Make) -> None:
    project = make_project(CLASSES)
    project.tasks = []
    assert project.report(take_snapshot([])).problems == ["The project has no tasks: import images with galaxyloop import."]


def test_a_config_without_controls_is_named(make_project: Make) -> None:
    project = make_project('<View><Image name="image" value="$image"/></View>')
    problems = project.report(take_snapshot([])).problems
    assert problems[0] == "The labelling config has no control that can be predicted: add Choices, Number or RectangleLabels."


def test_annotations_that_cannot_be_read_are_counted(make_project: Make) -> None:
    project = make_project(CLASSES)
    items = UnreadableList(project.services.engine)
    items.replace(project.id, [Unreadable(3, 30, "mood", "it has no choice", True)])
    problems = project.report(project.annotate(range(1, 11))).problems
    assert problems[-1] == (
        f"Tasks left out, because their annotations cannot be read: 1 (galaxyloop project problems {project.id})."
    )


def test_an_unreadable_image_in_the_queue_ends_nothing(make_project: Make) -> None:
    project = make_project(CLASSES)
    project.tasks[79] = Task(80, {"image": "/data/upload/700/missing.png"}, False, 0, "")
    failed_record = PredictionRecord("hash", failed_at=time.time())
    project.services.prediction_records.write(project.id, project.current.live_version, {80: failed_record})
    report = project.report(project.annotate(range(1, 31)))
    assert report.problems[-1] == (
        "Tasks that are not predicted in full, because their image cannot be read or a head failed: 1 (task 80); "
        "the log of the worker has the reasons."
    )
    assert report.map is not None
    assert {point.task for point in report.map.points} == set(range(1, 80))


def test_a_project_of_100_000_tasks_gets_its_report(make_project: Make) -> None:
    project = make_project(CLASSES)
    references = [task.data for task in project.tasks]
    project.tasks += [Task(number, references[number % len(references)], False, 0, "") for number in range(81, 100_001)]
    snapshot = project.annotate(range(1, 31))
    project.train(snapshot)
    began = time.process_time()
    report = project.report(snapshot)
    assert time.process_time() - began < 20
    assert report.tasks == 100_000
    assert report.map is not None
    assert len(report.map.points) == MOST_TASKS
    assert len(report.model_dump_json()) < 500_000
