"""Prefetch: the choice of tasks whose window features are computed before annotators open them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.jobs.lease import LeaseLostError
from backend.loop.publication.prefetch import prefetch
from backend.prediction.predictor import PredictionTask
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.tasks import Task

MASKS = '<BrushLabels name="masks" toName="image"><Label value="Galaxy"/></BrushLabels>'
CLICK = '<KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels>'
CONFIG = f'<View><Image name="image" value="$image"/>{MASKS}{CLICK}</View>'
WITHOUT_PROMPTS = f'<View><Image name="image" value="$image"/>{MASKS}</View>'
PROJECT = 801


class Queue:
    """A project with three open tasks."""

    def __init__(self, services: Services, files: Any, png: Callable[..., bytes], *, config: str = CONFIG) -> None:
        self.services = services
        self.scores: dict[int, float | None] = {}
        self.done: set[tuple[int, str]] = set()
        self.project: Project = services.registry.register_project(PROJECT, label_config=config, extra_params=None)
        self.tasks = [open_task(number, files, png) for number in (1, 2, 3)]

    def prefetch(self, *, sampling: str = "Sequential sampling", lease: threading.Event | None = None) -> int:
        return prefetch(
            self.services,
            self.project,
            self.tasks,
            sampling=sampling,
            scores=self.scores,
            done_pairs=self.done,
            lease=lease or threading.Event(),
        )


def open_task(number: int, files: Any, png: Callable[..., bytes]) -> Task:
    reference = files.put(f"/data/upload/{PROJECT}/{number}.png", png(spots=((100, 50, 8 + number),), seed=number))
    return Task(number, {"image": reference}, False, 0, "")


@pytest.fixture
def queue(open_services: Callable[..., Services], files: Any, png: Callable[..., bytes]) -> Queue:
    return Queue(open_services(), files, png)


def test_a_click_on_a_prefetched_task_needs_no_encoder(
    queue: Queue, open_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queue.prefetch() == 3
    server = open_services()  # another process with the same folder
    predictor = server.predictors.of(queue.project, label_config=CONFIG)

    def fail(*_: object) -> None:
        raise AssertionError("the encoder was called")

    monkeypatch.setattr(LvmWindows, "encode", fail)
    value = {"x": 50, "y": 50, "width": 0.2, "keypointlabels": ["Galaxy"]}
    click = {"type": "keypointlabels", "to_name": "image", "from_name": "click", "original_width": 200, "original_height": 100}
    (answer,) = predictor.answer([PredictionTask(1, queue.tasks[0].data)], {"result": [click | {"value": value}]})
    assert answer.result


@pytest.mark.slow
def test_a_task_is_prefetched_once(queue: Queue) -> None:
    assert [queue.prefetch(), queue.prefetch()] == [3, 0]


@pytest.mark.slow
def test_a_task_with_another_image_is_prefetched_again(queue: Queue, files: Any, png: Callable[..., bytes]) -> None:
    queue.prefetch()
    queue.tasks[1].data["image"] = files.put(f"/data/upload/{PROJECT}/other.png", png(seed=9))
    assert queue.prefetch() == 1


@pytest.mark.slow
def test_with_uncertainty_sampling_the_lowest_scores_come_first(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.loop.publication.prefetch.PREFETCH_TASKS", 2)
    queue.scores = {1: 0.9, 2: 0.8, 3: 0.1}
    assert queue.prefetch(sampling="Uncertainty sampling") == 2
    assert {task for task, _ in queue.done} == {2, 3}


def test_tasks_of_unknown_scores_come_last(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.loop.publication.prefetch.PREFETCH_TASKS", 1)
    queue.scores = {1: None, 2: 0.0001}
    assert queue.prefetch(sampling="Uncertainty sampling") == 1
    assert {task for task, _ in queue.done} == {2}


def test_prefetching_stops_when_an_event_arrives(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = queue.services.predictors.of(queue.project, label_config=CONFIG)
    monkeypatch.setattr(predictor, "prefetch", lambda _: queue.services.pending_events.mark([queue.project.id]))
    assert queue.prefetch() == 1


def test_prefetching_stops_when_the_lease_is_lost(queue: Queue) -> None:
    lease = threading.Event()
    lease.set()
    with pytest.raises(LeaseLostError, match="project 801 was taken over by another worker"):
        queue.prefetch(lease=lease)


@pytest.mark.slow
def test_a_project_without_prompts_is_not_prefetched(services: Services, files: Any, png: Callable[..., bytes]) -> None:
    assert Queue(services, files, png, config=WITHOUT_PROMPTS).prefetch() == 0


@pytest.mark.slow
def test_an_image_that_cannot_be_read_does_not_stop_the_others(queue: Queue) -> None:
    queue.tasks[0] = Task(1, {"image": "/data/upload/1/missing.png"}, False, 0, "")
    assert queue.prefetch() == 3
