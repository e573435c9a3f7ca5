"""The source detector: source extraction, with settings and classifiers fitted to the annotations of a project.

The fit sets the limits of brightness and size, the level of outlines, the scale of boxes, and the probability that annotators
keep a source of a given signal-to-noise ratio. With enough deleted sources, a classifier predicts which sources annotators
keep; with several labels, another one predicts the label of a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.box_scores import UNCALIBRATED, ScoreCalibration, best_least_score
from backend.heads.detection.detected import BY_EXTRACTION, MAXIMUM_OBJECTS, Detected
from backend.heads.detection.grid_search import MATCH_AT, RECOGNISED_POINT, Grid, GridPoint, choose, gather, grow, score_grid
from backend.heads.detection.metrics import clearly_better, f1
from backend.heads.detection.source_classifiers import (
    DECISIONS,
    calibrate_scores,
    fit_keep_classifier,
    fit_label_classifier,
    log_probabilities,
    raw_scores,
    stack_features,
)
from backend.heads.errors import NotEnoughLabels
from backend.heads.extraction.reuse import sources_of
from backend.heads.extraction.source import ExtractionSettings, Source
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

__all__ = ["SourceDetector"]

Images = Sequence[NDArray[np.float32]]
Boxes = Sequence[Sequence[tuple[Box, str]]]


@dataclass(frozen=True, slots=True, eq=False)
class SourceDetector:
    """A detector based on source extraction.

    Attributes
    ----------
    classes : tuple of str
    choice : GridPoint
        Settings of source extraction, scale of boxes, and smallest signal-to-noise ratio.
    keep : Morphology or None
        Classifier of the sources that annotators keep, from catalogue features, with the calibrated score as the offset; None
        if few sources were deleted.
    kind : Morphology or None
        Classifier of the label of a source; without it, all sources have `default_label`.
    default_label : str
    least_score : float
        Sources with a lower score are not predicted.
    calibration : ScoreCalibration
        Calibration of the scores from the signal-to-noise ratio.
    """

    classes: tuple[str, ...]
    choice: GridPoint
    keep: Morphology | None
    kind: Morphology | None
    default_label: str
    least_score: float
    calibration: ScoreCalibration = UNCALIBRATED

    @classmethod
    def base(cls, classes: Sequence[str]) -> Self:
        """Return the untrained detector, which predicts every clear source with the first class as its label.

        Raises
        ------
        ValueError
            If there is no class.
        """
        if not classes:
            raise ValueError("a detector needs at least one class")
        return cls(tuple(classes), GridPoint(), None, None, classes[0], 0.0)

    @classmethod
    def fit(
        cls,
        images: Images,
        boxes: Boxes,
        *,
        classes: Sequence[str],
        grids: Sequence[Grid] | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit a detector to images in which annotators drew a box around every object.

        Recognition of galaxies is used if it is clearly better in a two-fold cross-validation.

        Parameters
        ----------
        images : sequence of ndarray, shape (height, width, 3)
        boxes : for each image, a sequence of (box, label)
            Boxes in pixels of the image; at least one in total.
        classes : sequence of str
            All possible labels.
        grids : sequence of Grid, optional
            Results of `score_grid` for the images, if known.
        seed : int
            Random seed of the classifiers' folds.

        Raises
        ------
        NotEnoughLabels
            If no image has a box.
        """
        if not any(boxes):
            raise NotEnoughLabels(f"none of the {len(images)} images has a box: at least one is needed to train")
        if grids is None:
            grids = [
                score_grid(image, [box for box, _ in drawn_boxes]) for image, drawn_boxes in zip(images, boxes, strict=True)
            ]
        choice, faint_choice = choose(grids), choose(grids, default=RECOGNISED_POINT)
        if sum(grid[faint_choice] for grid in grids) > sum(grid[choice] for grid in grids):
            scores, faint_scores = (
                cls._cross_validate(images, boxes, each, classes=classes, seed=seed) for each in (choice, faint_choice)
            )
            if clearly_better(faint_scores, scores):
                choice = faint_choice
        return cls._fit_choice(images, boxes, choice, classes=classes, seed=seed)

    @classmethod
    def _fit_choice(cls, images: Images, boxes: Boxes, choice: GridPoint, *, classes: Sequence[str], seed: int) -> Self:
        """Return a detector with these settings, and with classifiers and calibration fitted to the annotations."""
        examples = [gather(image, drawn_boxes, choice) for image, drawn_boxes in zip(images, boxes, strict=True)]
        labels = [label for drawn_boxes in boxes for _, label in drawn_boxes]
        default = max(classes, key=labels.count)
        sources = [source for example in examples for source in example.sources]
        calibration = calibrate_scores(sources, examples)
        kind = fit_label_classifier(examples, classes, seed)
        head = cls(
            tuple(classes), choice, fit_keep_classifier(sources, examples, calibration, seed), kind, default, 0.0, calibration
        )
        drawn_boxes = sum(len(example.labels) for example in examples)
        return replace(head, least_score=best_least_score(head._scores(sources), drawn_boxes) if sources else 0.0)

    @classmethod
    def _cross_validate(
        cls, images: Images, boxes: Boxes, choice: GridPoint, *, classes: Sequence[str], seed: int
    ) -> NDArray[np.float64]:
        """Return the F1 of each image, by a detector with these settings that was fitted to every other image."""
        scores = np.zeros(len(images))
        for first in (0, 1):
            head = cls._fit_choice(images[1 - first :: 2], boxes[1 - first :: 2], choice, classes=classes, seed=seed)
            for index in range(first, len(images), 2):
                size = (images[index].shape[1], images[index].shape[0])
                detections = head.select(sources_of(images[index], choice.settings), size=size)
                target, edges = box_edges([box for box, _ in boxes[index]]), box_edges([each.source.box for each in detections])
                scores[index] = f1(box_overlaps(target, edges) >= MATCH_AT)
        return scores

    @property
    def settings(self) -> ExtractionSettings:
        """Settings of the source extraction whose sources are the input of `select`."""
        return self.choice.settings

    def select(self, candidates: Sequence[Source], *, size: tuple[int, int]) -> tuple[Detected, ...]:
        """Return at most `MAXIMUM_OBJECTS` of the sources of an image of `size` (width, height), by descending score."""
        sources = tuple(source for source in candidates if self.choice.admits(source))
        if not sources:
            return ()
        scores, labels = self._scores(sources), self._labels(sources)
        order = [i for i in np.argsort(-scores, kind="stable") if scores[i] >= self.least_score][:MAXIMUM_OBJECTS]
        scale = self.choice.box_scale
        return tuple(
            Detected(_scale_shapes(sources[i], scale, size), labels[i], float(scores[i]), BY_EXTRACTION) for i in order
        )

    def _scores(self, sources: Sequence[Source]) -> NDArray[np.float32]:
        scores = self.calibration.apply(raw_scores(sources))
        if self.keep is None:
            return scores
        return self.keep.predict(stack_features(sources), offset=log_probabilities(scores))[:, DECISIONS.index("keep")]

    def _labels(self, sources: Sequence[Source]) -> list[str]:
        if self.kind is None:
            return [self.default_label] * len(sources)
        return [self.kind.classes[i] for i in self.kind.predict(stack_features(sources)).argmax(axis=1)]

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the two classifiers into subfolders of `folder`; return the other fields, for JSON."""
        parts = {name: part for name, part in (("keep", self.keep), ("kind", self.kind)) if part is not None}
        for name, part in parts.items():
            part.save(folder / name)
        return {
            "classes": list(self.classes),
            "choice": asdict(self.choice),
            "default_label": self.default_label,
            "least_score": self.least_score,
            "calibration": asdict(self.calibration),
            "parts": list(parts),
        }

    @classmethod
    def load(cls, record: storage.StoredHead) -> Self:
        """Read a detector from the files that `save` wrote.

        Raises
        ------
        HeadError
            If a field or a file is missing or damaged.
        """
        parts = record.names("parts")
        keep, kind = (Morphology.load(record.folder / name) if name in parts else None for name in ("keep", "kind"))
        return cls(
            record.names("classes"),
            record.build("choice", _choice),
            keep,
            kind,
            record.field("default_label", str),
            record.field("least_score", float),
            ScoreCalibration.from_record(record),
        )


def _choice(fields: dict[str, Any]) -> GridPoint:
    return GridPoint(**{**fields, "settings": ExtractionSettings(**fields["settings"])})


def _scale_shapes(source: Source, scale: float, size: tuple[int, int]) -> Source:
    """Scale the box of a source, clipped to the image, and its ellipse."""
    if scale == 1:
        return source
    left, top, right, bottom = grow(box_edges([source.box]), scale, size)[0].tolist()
    ellipse = source.ellipse
    ellipse_outline = replace(ellipse, radius_x=ellipse.radius_x * scale, radius_y=ellipse.radius_y * scale)
    return replace(source, box=Box(left, top, right - left, bottom - top), ellipse=ellipse_outline)
