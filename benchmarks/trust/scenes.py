"""The loop on simulated scenes with known boxes: source extraction, fitted on a growing number of scenes, and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection.detected import Detected
from backend.heads.detection.detection import Detection
from backend.heads.detection.grid_search import Grid, score_grid
from backend.heads.detection.metrics import f1
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.errors import NotEnoughLabels
from backend.heads.extraction.extract import extract
from backend.loop.gate.decision import HeadOrigin, ObjectCounts, decide
from backend.loop.scores.comparison import Comparison, compare
from backend.loop.training.cross_validation import assign_folds, plan_of_objects
from backend.scenes.folders import generator_of
from benchmarks.trust.classes import BATCH, HELD_OUT_ONE_IN, Run
from benchmarks.trust.steps import measure_step
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

__all__ = ["Scenes", "draw_scenes", "run_scenes"]

SCENES, SIDE_PX = 120, 160
CLASS = "Galaxy"
MOST_IMAGES = 20
"""Largest number of images for the refits of heads, as in the product's gate."""
OLD_MINIMUM_JUDGED = 5


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """Images, their true boxes, and the scores of each cell of the settings' grid on them."""

    images: Sequence[NDArray[np.float32]]
    boxes: Sequence[list[Box]]
    grids: Sequence[Grid]


def draw_scenes(data: Path) -> Scenes:
    """Draw scenes with galaxies that no shipped head was trained on."""
    generator = generator_of(data, part="test")
    scenes = [generator.draw(seed, SIDE_PX) for seed in range(SCENES)]
    boxes = [
        [Box(left, top, right - left, bottom - top) for left, top, right, bottom in scene.boxes.tolist()] for scene in scenes
    ]
    images = [scene.image for scene in scenes]
    return Scenes(
        images, boxes, [score_grid(image, boxes_of_image) for image, boxes_of_image in zip(images, boxes, strict=True)]
    )


@dataclass(eq=False)
class _Heads:
    """Cache of heads by their training scenes, and of the F1 of each head on each scene."""

    scenes: Scenes
    by_scenes: dict[tuple[int, ...], Detection] = field(default_factory=dict)
    by_scene: dict[tuple[tuple[int, ...], int], tuple[float, float, int]] = field(default_factory=dict)

    def fit(self, training_rows: tuple[int, ...]) -> Detection:
        if training_rows not in self.by_scenes:
            scenes = self.scenes
            try:
                head = SourceDetector.fit(
                    [scenes.images[i] for i in training_rows],
                    [[(box, CLASS) for box in scenes.boxes[i]] for i in training_rows],
                    classes=(CLASS,),
                    grids=[scenes.grids[i] for i in training_rows],
                )
                self.by_scenes[training_rows] = Detection(head)
            except NotEnoughLabels:
                self.by_scenes[training_rows] = Detection.base((CLASS,))
        return self.by_scenes[training_rows]

    def judge(self, training_rows: tuple[int, ...], scene: int) -> tuple[float, float, int]:
        """Return F1, mean score of the detections, and their number; of the shipped head if `training_rows` is empty."""
        if (training_rows, scene) not in self.by_scene:
            detections = self._find(self.fit(training_rows) if training_rows else Detection.base((CLASS,)), scene)
            overlaps = box_overlaps(
                box_edges(self.scenes.boxes[scene]), box_edges([detection.source.box for detection in detections])
            )
            sure = float(np.mean([detection.score for detection in detections])) if detections else 1.0
            self.by_scene[training_rows, scene] = (f1(overlaps >= 0.5), sure, len(detections))
        return self.by_scene[training_rows, scene]

    def scores(self, training_rows: tuple[int, ...], rows: Sequence[int]) -> NDArray[np.float64]:
        return np.array([self.judge(training_rows, row)[0] for row in rows])

    def _find(self, head: Detection, scene: int) -> tuple[Detected, ...]:
        image = self.scenes.images[scene]
        return head.find(extract(image, settings=head.settings).sources, size=(image.shape[1], image.shape[0]))


def run_scenes(scenes: Scenes, *, rule: str, seed: int, batches: int) -> Run:
    """Annotate batches of ten scenes, the least certain first, one in five held out; by the gate ("gate"), without
    the exception for more labels ("three answers"), or by "point estimate"."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(scenes.images)).tolist()
    audit = set(rng.permutation(order)[: len(order) // HELD_OUT_ONE_IN].tolist())
    heads, rows = _Heads(scenes), list[int]()
    live: tuple[int, ...] = ()
    steps, means = [], [float(heads.scores((), order).mean())]
    for _ in range(batches):
        rest = [row for row in order if row not in rows]
        held_out = [row for row in rest if row in audit][: BATCH // HELD_OUT_ONE_IN]
        queue = sorted((row for row in rest if row not in audit), key=lambda row: heads.judge(live, row)[1])
        rows += held_out + queue[: BATCH - len(held_out)]
        training, judging = sorted(set(rows) - audit)[-MOST_IMAGES:], sorted(set(rows) & audit)
        candidate = tuple(training)
        if rule == "point estimate":
            answer = _by_point_estimate(heads, candidate, live, judging)
        else:
            has_more_labels = rule == "gate" and len(candidate) > len(live) > 0
            answer = _by_gate(heads, candidate, live, judging, has_more_labels=has_more_labels)
        if answer is not HeadOrigin.LIVE:
            after = candidate if answer is HeadOrigin.CANDIDATE else ()
            rest = [row for row in order if row not in rows]
            steps.append(measure_step(heads.scores(live, rest), heads.scores(after, rest), labels=len(rows)))
            live = after
        means.append(float(heads.scores(live, [row for row in order if row not in rows]).mean()))
    rest = [row for row in order if row not in rows]
    return Run(steps, batches, float(heads.scores((), rest).mean()), float(heads.scores(live, rest).mean()), means)


def _by_gate(
    heads: _Heads, candidate: tuple[int, ...], live: tuple[int, ...], judging: list[int], *, has_more_labels: bool
) -> HeadOrigin:
    plan = plan_of_objects(len(candidate))
    assert plan is not None
    fold = assign_folds(candidate, [CLASS] * len(candidate), folds=plan.folds, seed=0)
    scores = []
    for training_rows in (candidate, live, ()):
        resampled_scores = [
            heads.scores(tuple(task for task in training_rows if fold_of != _fold(candidate, fold, task)), [row])[0]
            if row in training_rows
            else heads.scores(training_rows, [row])[0]
            for row, fold_of in zip(candidate, fold.tolist(), strict=True)
        ]
        scores.append(np.concatenate([heads.scores(training_rows, judging), resampled_scores]))
    marks = [False] * len(judging) + [True] * len(candidate)

    def against(first: int, other: int) -> Comparison:
        return compare(scores[first], scores[other], cross_validated=marks, folds=plan.folds)

    rows = [*judging, *candidate]
    with_some = [row for row in rows if heads.scenes.boxes[row]]
    objects = ObjectCounts(
        drawn_count=sum(len(heads.scenes.boxes[row]) for row in rows),
        predicted_count=sum(heads.judge(candidate, row)[2] for row in with_some),
        candidate_hits=int((scores[0] > 0).sum()),
        live_hits=int((scores[1] > 0).sum()),
    )
    return decide(against(0, 1), against(0, 2), against(1, 2), objects=objects, has_more_labels=has_more_labels).origin


def _fold(candidate: tuple[int, ...], fold: NDArray[np.intp], task: int) -> int:
    return int(fold[candidate.index(task)]) if task in candidate else -1


def _by_point_estimate(heads: _Heads, candidate: tuple[int, ...], live: tuple[int, ...], judging: list[int]) -> HeadOrigin:
    if len(judging) < OLD_MINIMUM_JUDGED:
        return HeadOrigin.CANDIDATE if len(candidate) >= len(live) else HeadOrigin.LIVE
    better = heads.scores(candidate, judging).mean() >= heads.scores(live, judging).mean()
    return HeadOrigin.CANDIDATE if better else HeadOrigin.LIVE
