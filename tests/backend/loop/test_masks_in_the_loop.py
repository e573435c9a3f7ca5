"""Masks in the loop: what annotators outlined teaches the segmenter, the gate clicks on masks that it never saw, and pictures
are seen before they are opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.jobs.lease import LeaseLostError
from backend.loop.examples.drawn_objects import DrawnObject, Outline
from backend.loop.examples.examples import Examples, ImageOfTask
from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.gate.gate import judge
from backend.loop.publication.prefetch import AHEAD_TASKS, prefetch
from backend.loop.scores.clicks import MOST_OF_IMAGE, can_be_judged, click_scores
from backend.loop.training.train import train
from backend.prediction.predictor import Task
from backend.prediction.project_heads import PROMPTS, ProjectHeads
from backend.registry.records import Project
from backend.services import Services
from sync.controls import brushlabels
from sync.geometry.shapes import Box
from sync.label_studio.annotations import Annotation
from sync.label_studio.projects import ProjectState
from sync.label_studio.tasks import Task as StudioTask
from sync.labelling.config import parse

CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="masks" toName="image"><Label value="Galaxy"/></BrushLabels>
<KeyPointLabels name="click" toName="image" smart="true"><Label value="Galaxy"/></KeyPointLabels></View>"""
CONTROL = parse(CONFIG).controls[0]
PLACE, RADIUS = (100, 50), 30
PROJECT = 800


def outline() -> Any:
    """Far wider than the shipped head draws."""
    rows, columns = np.indices((100, 200)) + 0.5
    inside = np.hypot(columns - PLACE[0], rows - PLACE[1]) < RADIUS
    return brushlabels.encode(inside, control=CONTROL, label="Galaxy", score=1.0, size=(200, 100))


def picture(files: Any, png: Callable[..., bytes], project: int, task: int) -> str:
    content = png(spots=((*PLACE, 8 + task % 3),), seed=task)
    return str(files.put(f"/data/upload/{project}/{task}.png", content))


@pytest.fixture(scope="module")
def annotations(files: Any, png: Callable[..., bytes]) -> list[Annotation]:
    """Of one galaxy each; six of them judge."""
    tasks = range(1, 15)
    return [
        Annotation(
            task, task, {"image": picture(files, png, PROJECT, task)}, [outline()], "2026-01-01T00:00:00Z", 1, False, None, None
        )
        for task in tasks
    ]


def test_outlines_teach_the_segmenter_and_the_gate_clicks_on_those_it_never_saw(
    predicting: Services, annotations: list[Annotation]
) -> None:
    registry = predicting.registry
    project = registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    snapshot = take_snapshot(annotations, Sides(frozenset(range(1, 7))))
    number = train(predicting, project, snapshot, allow_none=False)
    head = ProjectHeads.load(registry.path(PROJECT, number), parse(CONFIG)).prompted
    assert head is not None
    assert head.encoder == predicting.predictors.base_masks.encoder
    verdict = judge(predicting, project, registry.version(PROJECT, number), snapshot, project_tasks=())
    measured = verdict.evidence["controls"][PROMPTS]
    assert (measured["judged_on"], measured["by"]) == (6, "held-out tasks")
    assert measured["candidate"] > measured["live"]
    assert verdict.heads[PROMPTS] == number


def test_a_head_for_clicks_that_the_gate_could_not_judge_is_not_trained(
    predicting: Services, annotations: list[Annotation]
) -> None:
    registry = predicting.registry
    project = registry.register_project(PROJECT + 2, label_config=CONFIG, extra_params=None)
    snapshot = take_snapshot(annotations, Sides(frozenset(range(1, 5))))
    number = train(predicting, project, snapshot, allow_none=False)
    heads = ProjectHeads.load(registry.path(project.id, number), parse(CONFIG))
    assert heads.prompted is None
    assert "masks" in heads.filling


@pytest.mark.parametrize(
    ("held_out", "galaxies", "enough"),
    [
        pytest.param(range(1, 6), {}, True, id="five galaxies"),
        pytest.param(range(1, 5), {}, False, id="four galaxies"),
        pytest.param(range(1, 7), dict.fromkeys(range(1, 7), "M 31"), False, id="six images of one galaxy"),
        pytest.param((), {}, False, id="none held out"),
    ],
)
def test_held_out_galaxies_with_a_mask_judge_clicks(
    annotations: list[Annotation], held_out: Sequence[int], galaxies: dict[int, str], enough: bool
) -> None:
    snapshot = take_snapshot(annotations, Sides(frozenset(held_out), galaxies=galaxies))
    assert can_be_judged(snapshot, CONTROL) is enough


def test_some_masks_of_an_image_are_clicked_and_once_for_a_head_that_stands_on_both_sides(
    predicting: Services, files: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(PromptedMasks, "predict", lambda _self, _windowed_image, *, points: asked.append(points))
    image = ImageOfTask(1, "image")
    one = DrawnObject("Galaxy", Box(70, 20, 60, 60), Outline(outline(), CONTROL, (200, 100)))
    drawn = {image: [one] * (MOST_OF_IMAGE + 2)}
    truth = Examples({image: picture(files, png, PROJECT + 3, 1)}, objects=drawn)
    head = predicting.predictors.base_masks
    judged, scores = click_scores(predicting.predictors.extractor, [image], truth, [head, head, head])
    assert (judged, scores.tolist()) == ([image], [[0.0], [0.0], [0.0]])
    assert len(asked) == MOST_OF_IMAGE


# -- looking ahead --


class Queue:
    """A project whose tasks wait in Label Studio, as the worker's cycle knows them."""

    def __init__(
        self, services: Services, files: Any, png: Callable[..., bytes], *, config: str = CONFIG, tasks: int = 3
    ) -> None:
        self.services = services
        self.project: Project = services.registry.register_project(PROJECT + 1, label_config=config, extra_params=None)
        self.tasks = [
            StudioTask(number, {"image": picture(files, png, PROJECT + 1, number)}, False, 0, "")
            for number in range(1, tasks + 1)
        ]

    def prefetch(self, *, sampling: str = "Sequential sampling", lost: threading.Event | None = None) -> int:
        state = ProjectState(self.project.id, "t", CONFIG, None, sampling, len(self.tasks))
        return prefetch(self.services, self.project, self.tasks, state, lost or threading.Event())


@pytest.fixture
def queue(open_services: Callable[..., Services], files: Any, png: Callable[..., bytes]) -> Queue:
    return Queue(open_services(), files, png)


def test_what_was_seen_ahead_is_answered_without_the_encoder(
    queue: Queue, open_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queue.prefetch() == 3
    server = open_services()  # another process over the same folder
    predictor = server.predictors.of(queue.project, label_config=CONFIG)

    def blind(*_: object) -> None:
        raise AssertionError("the encoder was asked")

    monkeypatch.setattr(server.predictors.extractor._window_encoder.encoder, "see", blind)
    value = {"x": 50, "y": 50, "width": 0.2, "keypointlabels": ["Galaxy"]}
    click = {"type": "keypointlabels", "to_name": "image", "from_name": "click", "original_width": 200, "original_height": 100}
    (answered,) = predictor.answer([Task(1, queue.tasks[0].data)], {"result": [click | {"value": value}]})
    assert answered.result


def test_a_picture_is_seen_ahead_once(queue: Queue) -> None:
    assert [queue.prefetch(), queue.prefetch()] == [3, 0]


def test_only_the_nearest_in_the_queue_are_seen_the_least_sure_first(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.loop.publication.prefetch.AHEAD_TASKS", 2)
    queue.services.predicted[queue.project.id, queue.project.live_version] = {1: 0.9, 2: 0.8, 3: 0.1}
    assert queue.prefetch(sampling="Uncertainty sampling") == 2
    assert {task for _, task, _ in queue.services.prefetched} == {2, 3}
    assert AHEAD_TASKS > 10


def test_it_stops_when_a_bell_rings(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = queue.services.predictors.of(queue.project, label_config=CONFIG)
    monkeypatch.setattr(predictor, "look_ahead", lambda _: queue.services.pending_events.mark([queue.project.id]))
    assert queue.prefetch() == 1


def test_it_stops_when_another_worker_has_taken_over(queue: Queue) -> None:
    lost = threading.Event()
    lost.set()
    with pytest.raises(LeaseLostError):
        queue.prefetch(lost=lost)


def test_a_project_without_a_tool_for_prompts_needs_no_look_ahead(
    services: Services, files: Any, png: Callable[..., bytes]
) -> None:
    plain = (
        '<View><Image name="image" value="$image"/><BrushLabels name="m" toName="image"><Label value="G"/></BrushLabels></View>'
    )
    assert Queue(services, files, png, config=plain).prefetch() == 0


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(queue: Queue, tmp_path: Path) -> None:
    queue.tasks[0] = StudioTask(1, {"image": "/data/upload/1/nowhere.png"}, False, 0, "")
    assert queue.prefetch() == 3
