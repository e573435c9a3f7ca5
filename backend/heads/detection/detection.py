"""Detection: the objects of an image, by the learned detector or by source extraction: whichever annotations speak for.

Source extraction needs no training and knows where an outline runs; the learned detector tells galaxies from stars and
artefacts. Before there are annotations, the shipped evidence decides; with them, images that neither has learned from. A head
that uses the learned detector still has the other: for outlines, and for the day when the encoder is another one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.detection.detected import BY_EXTRACTION, BY_LEARNING, MAXIMUM_OBJECTS, Detected
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.fcos.outlining import outline_boxes
from backend.heads.detection.grid_search import score_grid
from backend.heads.detection.metrics import clearly_better
from backend.heads.detection.model_selection import Drawn, cross_validate_detectors
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.errors import NotEnoughLabels
from backend.heads.extraction.source import ExtractionSettings, Source
from backend.lvm.feature_maps import PicturePyramid
from sync.geometry.shapes import Size

__all__ = ["BY_EXTRACTION", "BY_LEARNING", "MAXIMUM_OBJECTS", "MINIMUM_IMAGES", "Detected", "Detection"]

log = logging.getLogger("galaxyloop.detection")

NAME = "detection"
LEARNED = "learned"
MINIMUM_IMAGES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A detector of objects of some classes.

    Attributes
    ----------
    sources : SourceDetector
        Finds by source extraction.
    learned : LearnedDetector or None
        Finds in its place, where it was found to be better.
    evidence : mapping of str to float
        Mean F1 of both on the project's images, each judged by what had not learned from it.
    """

    sources: SourceDetector
    learned: LearnedDetector | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def base(cls, classes: Sequence[str], *, detector: LearnedDetector | None = None) -> Self:
        """The head before any training; what it finds is of the first class.

        Parameters
        ----------
        detector : LearnedDetector, optional
            The shipped one; used if it found more than source extraction when it was made.
        """
        preferred = detector.for_classes(classes) if detector is not None and detector.preferred else None
        return cls(SourceDetector.base(classes), preferred)

    @classmethod
    def fit(
        cls,
        images: Sequence[NDArray[np.float32]],
        boxes: Sequence[Drawn],
        *,
        classes: Sequence[str],
        looks: Sequence[PicturePyramid] = (),
        detector: LearnedDetector | None = None,
        seed: int = 0,
    ) -> Self:
        """Learn from images in which people boxed every object that counts.

        Parameters
        ----------
        images : sequence of ndarray, shape (height, width, 3)
        boxes : for each image, a sequence of (box, label)
            In pixels of that image.
        classes : sequence of str
            All labels there can be.
        looks : sequence of PicturePyramid
            Of the same images, if there is a detector to fine-tune.
        detector : LearnedDetector, optional
            The shipped one, which the learned one begins as; without it, source extraction it is.
        seed : int
            Of the order of examples and of the classifiers' folds.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_IMAGES` images, or with no box at all.
        ValueError
            If a label is none of the classes, or there is not one list of boxes (and one look) for each image.
        """
        if len(images) != len(boxes) or (detector is not None and len(looks) != len(images)):
            raise ValueError(f"there are {len(images)} images but boxes for {len(boxes)} and looks at {len(looks)}")
        strangers = {label for drawn in boxes for _, label in drawn} - set(classes)
        if strangers:
            raise ValueError(f"the labels {sorted(strangers)} are none of the classes {list(classes)}")
        if len(images) < MINIMUM_IMAGES or not any(boxes):
            count = sum(len(drawn) for drawn in boxes)
            raise NotEnoughLabels(
                f"{len(images)} annotated images with {count} boxes are too few: "
                f"at least {MINIMUM_IMAGES} images and one box are needed to train"
            )
        grids = [score_grid(image, [box for box, _ in drawn]) for image, drawn in zip(images, boxes, strict=True)]
        head = cls(SourceDetector.fit(images, boxes, classes=classes, grids=grids, seed=seed))
        if detector is None:
            return head
        blank = detector.for_classes(classes)
        contest = cross_validate_detectors(images, boxes, looks, grids=grids, detector=blank, seed=seed)
        if contest is None:
            return replace(head, learned=blank) if detector.preferred else head
        evidence = {
            "judged_on": float(len(contest.learned)),
            BY_LEARNING: float(contest.learned.mean()),
            BY_EXTRACTION: float(contest.extraction.mean()),
        }
        head = replace(head, evidence=evidence)
        if detector.preferred:
            wins = not clearly_better(contest.extraction, contest.learned)
        else:
            wins = clearly_better(contest.learned, contest.extraction)
        if not wins:
            return head
        tuned = blank.fit(looks, boxes, seed=seed)
        return replace(head, learned=replace(tuned, least_score=contest.least_score, calibration=contest.calibration))

    @property
    def settings(self) -> ExtractionSettings:
        """With which the sources that are handed to `find` must have been found."""
        return self.sources.settings

    @property
    def found_by(self) -> str:
        """Which detector finds."""
        return BY_EXTRACTION if self.learned is None else BY_LEARNING

    def on_encoder(self, fingerprint: str) -> Self:
        """The head as it can be used with an encoder: without a learned detector that knows another one."""
        if self.learned is None or self.learned.encoder == fingerprint:
            return self
        log.warning("event=learned_detector_left_aside trained_on=%s encoder=%s", self.learned.encoder, fingerprint)
        return replace(self, learned=None)

    def find(self, found: Sequence[Source], *, size: Size, look: PicturePyramid | None = None) -> tuple[Detected, ...]:
        """At most `MAXIMUM_OBJECTS` objects of an image of `size` (width, height), the surest first.

        Parameters
        ----------
        found : sequence of Source
            What source extraction with this head's `settings` found; the learned detector takes outlines from them, and draws
            plain ellipses where there are none.
        look : PicturePyramid, optional
            The image as the encoder sees it: needed by the learned detector.

        Raises
        ------
        HeadError
            If the image was looked at with another encoder than the learned detector knows.
        ImageError
            If the image is needed and cannot be read.
        """
        if self.learned is None:
            return self.sources.select(found, size=size)
        if look is None:
            raise ValueError("the learned detector needs a look at the image, not only its sources")
        seen = self.learned.predict(look)
        count = min(int((seen.scores >= self.learned.least_score).sum()), MAXIMUM_OBJECTS)
        scores = self.learned.calibration.apply(seen.scores[:count].numpy()).tolist()
        outlined = outline_boxes(seen.boxes[:count].double().numpy(), found, size=size)
        return tuple(
            Detected(source, self.learned.classes[label], score, BY_LEARNING)
            for source, label, score in zip(outlined, seen.labels[:count].tolist(), scores, strict=True)
        )

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`; classifiers and network go into folders of their own in it."""
        fields = {**self.sources.save(folder), LEARNED: self.learned is not None, "evidence": dict(self.evidence)}
        storage.write(folder, head=NAME, fields=fields)
        if self.learned is not None:
            self.learned.save(folder / LEARNED)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; anything else is a `HeadError`."""
        stored = storage.read(folder, head=NAME)
        # A head of before there were learned ones says nothing of them.
        learned = LearnedDetector.load(folder / LEARNED) if stored.fields.get(LEARNED) else None
        return cls(SourceDetector.load(stored), learned, stored.fields.get("evidence") or {})
