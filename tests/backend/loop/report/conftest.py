"""A project of two kinds of images with versions, and its report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from backend.jobs.lease import Lease
from backend.loop.audit import divide_snapshot
from backend.loop.examples.snapshot import Snapshot, take_snapshot
from backend.loop.report.make import update_report
from backend.loop.report.memory import ReportMemory
from backend.loop.training.train import train
from backend.registry.records import Project
from backend.reports.report import Report
from backend.reports.store import ReportStore
from backend.services import Services
from sync.controls import choices, number
from sync.label_studio.annotations import Annotation
from sync.label_studio.tasks import Task
from sync.labelling.config import parse

# Labels that the shipped head does not have, so that only trained heads predict them.
CLASSES = """<View><Image name="image" value="$image"/>
<Choices name="mood" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
NUMBER = """<View><Image name="image" value="$image"/><Number name="size" toName="image" min="0" max="50"/></View>"""
TASKS = range(1, 81)
PROJECTS = count(60_000)


class ReportedProject:
    """A project whose odd tasks show a large galaxy and whose even tasks show small ones; half of the tasks are held out."""

    def __init__(self, services: Services, references: Mapping[int, str], label_config: str) -> None:
        self.services, self.id, self.memory = services, next(PROJECTS), ReportMemory()
        self.project = services.registry.register_project(self.id, label_config=label_config, extra_params={"audit": 0.5})
        self.tasks = [Task(task, {"image": references[task]}, False, 0, "") for task in TASKS]
        self.config = parse(label_config)
        self.lease = Lease("test", None)

    @property
    def current(self) -> Project:
        return self.services.registry.project(self.id)

    def annotate(self, tasks: Iterable[int], *, wrong_tasks: Iterable[int] = (), label: str = "") -> Snapshot:
        """Return the snapshot with an annotation of each task; those of the tasks in `wrong_tasks` have the other class."""
        (control,) = self.config.controls
        mistaken, annotations = set(wrong_tasks), []
        for task in tasks:
            if control.tag == "Number":
                region = number.encode(18.0 + task % 3 if task % 2 else 4.0, control=control)
            else:
                names = [each.value for each in control.labels]
                region = choices.encode([label or names[(task + (task in mistaken)) % 2]], control=control)
            at = f"2026-01-01T00:{task // 60:02d}:{task % 60:02d}Z"
            annotations.append(Annotation(task, task, self.tasks[task - 1].data, [region], at, 1, False, None, 30.0))
        annotated_tasks = {annotation.task_id for annotation in annotations}
        self.tasks = [
            Task(task.id, task.data, task.id in annotated_tasks, int(task.id in annotated_tasks), "") for task in self.tasks
        ]
        return take_snapshot(annotations)

    def mark_ground_truth(self, snapshot: Snapshot, tasks: Collection[int]) -> Snapshot:
        """Return the snapshot with the annotations of some tasks as ground truth."""
        return take_snapshot(
            [replace(annotation, ground_truth=annotation.task_id in tasks) for annotation in snapshot.annotations]
        )

    def train(self, snapshot: Snapshot) -> int:
        """Train a version on a snapshot and make it live; return its number."""
        division = divide_snapshot(self.services, self.current, snapshot, tasks=self.tasks)
        version = train(self.services, self.current, division, allow_none=True)
        self.services.registry.promote(self.id, version)
        return version

    def update(self, snapshot: Snapshot) -> bool:
        scores = {task.id: task.id / 100 for task in self.tasks}
        return update_report(
            self.services, self.current, snapshot, tasks=self.tasks, scores=scores, memory=self.memory, lease=self.lease
        )

    def report(self, snapshot: Snapshot) -> Report:
        """Make the report and read it from the registry."""
        self.update(snapshot)
        report = ReportStore(self.services.engine).read(self.id)
        assert report is not None
        return report


@pytest.fixture(scope="session")
def references(files: Any, png: Callable[..., bytes]) -> dict[int, str]:
    """Return the reference of each task's image."""
    addresses = {}
    for task in TASKS:
        large, small = ((100, 50, 18 + task % 3),), ((100, 50, 4), (40, 30, 3), (160, 70, 3), (60, 75, 3))
        addresses[task] = files.put(f"/data/upload/700/{task}.png", png(spots=large if task % 2 else small, seed=task))
    return addresses


@pytest.fixture
def make_project(predicting: Services, references: dict[int, str]) -> Callable[[str], ReportedProject]:
    return lambda label_config: ReportedProject(predicting, references, label_config)
