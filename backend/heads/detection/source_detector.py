"""The source detector: source extraction, with settings and classifiers fitted to the annotations of a project.

The fit sets the limits of brightness and size, the level of outlines, the scale of boxes, and the probability that annotators
keep a source of a given signal-to-noise ratio. With enough deleted sources, a classifier predicts which sources annotators
keep; with several labels, another one predicts the label of a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.box_scores import UNCALIBRATED, ScoreCalibration, best_least_score, weigh_by_image
from backend.heads.detection.detected import BY_EXTRACTION, MAXIMUM_OBJECTS, Detected
from backend.heads.detection.grid_search import Choice, Examples, Grid, choose, gather, grow, score_grid
from backend.heads.errors import NotEnoughLabels
from backend.heads.extraction.source import ExtractionSettings, Source
from sync.geometry.corners import box_edges
from sync.geometry.shapes import Box

__all__ = ["SourceDetector"]

HALF_SCORE_SNR = 20.0
JUDGEMENTS = ("delete", "keep")
ENOUGH_DELETED = 5
"""Smallest number of deleted sources with which a classifier is fitted: on the demo's tiles, a classifier of four deleted stars
removed 11 of 50 galaxies."""
IN_IMAGES = 3
"""Smallest number of images with deleted sources, because the deletions in one image are one decision of an annotator."""

KEEP_CAUTION = 0.5
"""Caution of the classifier of kept sources: below 1, because the signal-to-noise ratio is a weaker offset than the shipped
head of classes. F1 on held-out scenes after 5, 10 and 20 images is 0.746, 0.778 and 0.799 (means of four draws); with a caution
of 1
it is 0.721, 0.766 and 0.783."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceDetector:
    """A detector based on source extraction.

    Attributes
    ----------
    classes : tuple of str
    choice : Choice
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
    choice: Choice
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
        return cls(tuple(classes), Choice(), None, None, classes[0], 0.0)

    @classmethod
    def fit(
        cls,
        images: Sequence[NDArray[np.float32]],
        boxes: Sequence[Sequence[tuple[Box, str]]],
        *,
        classes: Sequence[str],
        grids: Sequence[Grid] | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit a detector to images in which annotators drew a box around every object.

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
            raise NotEnoughLabels(f"there is no box in any of {len(images)} images: at least one is needed to train")
        if grids is None:
            grids = [score_grid(image, [box for box, _ in drawn]) for image, drawn in zip(images, boxes, strict=True)]
        choice = choose(grids)
        examples = [gather(image, drawn, choice) for image, drawn in zip(images, boxes, strict=True)]
        labels = [label for drawn in boxes for _, label in drawn]
        default = max(classes, key=labels.count)
        sources = [source for example in examples for source in example.sources]
        calibration = _calibrate(sources, examples)
        kind = _learn_kind(examples, classes, seed)
        head = cls(tuple(classes), choice, _learn_keep(sources, examples, calibration, seed), kind, default, 0.0, calibration)
        drawn = sum(len(example.labels) for example in examples)
        return replace(head, least_score=best_least_score(head._scores(sources), drawn) if sources else 0.0)

    @property
    def settings(self) -> ExtractionSettings:
        """Settings of the source extraction whose sources are the input of `select`."""
        return self.choice.settings

    def select(self, found: Sequence[Source], *, size: tuple[int, int]) -> tuple[Detected, ...]:
        """Return at most `MAXIMUM_OBJECTS` of the sources of an image of `size` (width, height), by descending score."""
        sources = tuple(source for source in found if source.snr >= self.choice.least_snr)
        if not sources:
            return ()
        scores, labels = self._scores(sources), self._labels(sources)
        order = [i for i in np.argsort(-scores, kind="stable") if scores[i] >= self.least_score][:MAXIMUM_OBJECTS]
        scale = self.choice.box_scale
        return tuple(Detected(_loosen(sources[i], scale, size), labels[i], float(scores[i]), BY_EXTRACTION) for i in order)

    def _scores(self, sources: Sequence[Source]) -> NDArray[np.float32]:
        scores = self.calibration.apply(_raw_scores(sources))
        if self.keep is None:
            return scores
        return self.keep.predict(_features(sources), offset=_offset(scores))[:, JUDGEMENTS.index("keep")]

    def _labels(self, sources: Sequence[Source]) -> list[str]:
        if self.kind is None:
            return [self.default_label] * len(sources)
        return [self.kind.classes[i] for i in self.kind.predict(_features(sources)).argmax(axis=1)]

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
    def load(cls, stored: storage.StoredHead) -> Self:
        """Read a detector from the files that `save` wrote.

        Raises
        ------
        HeadError
            If a field or a file is missing or damaged.
        """
        parts = stored.names("parts")
        keep, kind = (Morphology.load(stored.folder / name) if name in parts else None for name in ("keep", "kind"))
        return cls(
            stored.names("classes"),
            stored.build("choice", _choice),
            keep,
            kind,
            stored.field("default_label", str),
            stored.field("least_score", float),
            ScoreCalibration.stored_in(stored),
        )


def _choice(fields: dict[str, Any]) -> Choice:
    return Choice(**{**fields, "settings": ExtractionSettings(**fields["settings"])})


def _raw_scores(sources: Sequence[Source]) -> NDArray[np.float32]:
    """Return the score of each source in an untrained head, shape (n,), from its signal-to-noise ratio."""
    snr = np.asarray([source.snr for source in sources], dtype=np.float32)
    return snr / (snr + np.float32(HALF_SCORE_SNR))


def _offset(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log-probabilities of `JUDGEMENTS`, shape (n, 2)."""
    kept = scores.astype(np.float64).clip(1e-4, 1 - 1e-4)
    return cast(NDArray[np.float64], np.log(np.stack([1 - kept, kept], axis=1)))


def _features(sources: Sequence[Source]) -> NDArray[np.float32]:
    return np.stack([source.features for source in sources])


def _calibrate(sources: Sequence[Source], examples: Sequence[Examples]) -> ScoreCalibration:
    if not sources:
        return UNCALIBRATED
    weights = weigh_by_image([len(example.sources) for example in examples])
    return ScoreCalibration.fit(_raw_scores(sources), _kept(examples), weights)


def _learn_keep(
    sources: Sequence[Source], examples: Sequence[Examples], calibration: ScoreCalibration, seed: int
) -> Morphology | None:
    """Fit a classifier of kept sources, if enough sources were deleted."""
    deleted = [int((example.matches < 0).sum()) for example in examples]
    if sum(deleted) < ENOUGH_DELETED or np.count_nonzero(deleted) < IN_IMAGES:
        return None
    kept = _kept(examples)
    offset = _offset(calibration.apply(_raw_scores(sources)))
    return _classifier(sources, np.stack([~kept, kept], axis=1), JUDGEMENTS, seed, offset=offset)


def _kept(examples: Sequence[Examples]) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = np.concatenate([example.matches >= 0 for example in examples])
    return kept


def _learn_kind(examples: Sequence[Examples], classes: Sequence[str], seed: int) -> Morphology | None:
    """Fit a classifier of the labels of kept sources, if there are several labels."""
    pairs = [
        (source, example.labels[match])
        for example in examples
        for source, match in zip(example.sources, example.matches, strict=True)
        if match >= 0
    ]
    targets = np.asarray([[label == name for name in classes] for _, label in pairs])
    return _classifier([source for source, _ in pairs], targets, classes, seed)


def _classifier(
    sources: Sequence[Source],
    targets: NDArray[np.bool_],
    classes: Sequence[str],
    seed: int,
    *,
    offset: NDArray[np.float64] | None = None,
) -> Morphology | None:
    if not sources:
        return None
    features, shares = _features(sources), targets.astype(np.float32)
    caution = 1.0 if offset is None else KEEP_CAUTION
    try:
        return Morphology.fit(features, shares, classes=classes, exclusive=True, offset=offset, caution=caution, seed=seed)
    except NotEnoughLabels:
        return None


def _loosen(source: Source, scale: float, size: tuple[int, int]) -> Source:
    """Scale the box of a source, clipped to the image, and its ellipse."""
    if scale == 1:
        return source
    left, top, right, bottom = grow(box_edges([source.box]), scale, size)[0].tolist()
    ellipse = source.ellipse
    grown = replace(ellipse, radius_x=ellipse.radius_x * scale, radius_y=ellipse.radius_y * scale)
    return replace(source, box=Box(left, top, right - left, bottom - top), ellipse=grown)
