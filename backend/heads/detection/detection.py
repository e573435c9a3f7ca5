"""Detection: finds the objects of an image with the learned detector or with source extraction, selected on the annotations.

Source extraction needs no training and gives outlines; the learned detector separates galaxies from stars and artefacts.
Without annotations, the shipped validation result selects the detector; with annotations, cross-validation does. A head with
the learned detector also stores the settings of source extraction, for outlines and for use with another encoder.
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
from backend.lvm.feature_maps import FeaturePyramid
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
        Detector by source extraction.
    learned_detector : LearnedDetector or None
        The learned detector, if it was selected.
    evidence : mapping of str to float
        Cross-validation on the project's images: mean F1 of both detectors, and the number of images.
    """

    sources: SourceDetector
    learned_detector: LearnedDetector | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def base(cls, classes: Sequence[str], *, detector: LearnedDetector | None = None) -> Self:
        """Return the head before training on annotations; all its objects have the first class.

        Parameters
        ----------
        classes : sequence of str
            All possible labels, at least one.
        detector : LearnedDetector, optional
            The shipped detector; used if it was better than source extraction on validation images.
        """
        base_detector = detector.for_classes(classes) if detector is not None and detector.preferred else None
        return cls(SourceDetector.base(classes), base_detector)

    @classmethod
    def fit(
        cls,
        images: Sequence[NDArray[np.float32]],
        boxes: Sequence[Drawn],
        *,
        classes: Sequence[str],
        feature_pyramids: Sequence[FeaturePyramid] = (),
        detector: LearnedDetector | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit a head to images in which annotators drew a box around every object.

        Parameters
        ----------
        images : sequence of ndarray, shape (height, width, 3)
        boxes : for each image, a sequence of (box, label)
            Boxes in pixels of the image.
        classes : sequence of str
            All possible labels.
        feature_pyramids : sequence of FeaturePyramid
            Feature maps of the same images; required with `detector`.
        detector : LearnedDetector, optional
            The shipped detector, from which fine-tuning starts; without it, the head uses source extraction.
        seed : int
            Random seed of the order of examples and of the classifiers' folds.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_IMAGES` images, or without any box.
        ValueError
            If a label is not one of the classes, or images, boxes and feature maps differ in number.
        """
        if len(images) != len(boxes) or (detector is not None and len(feature_pyramids) != len(images)):
            raise ValueError(
                f"there are {len(images)} images but boxes for {len(boxes)} and feature maps for {len(feature_pyramids)}"
            )
        unknown_labels = {label for drawn_boxes in boxes for _, label in drawn_boxes} - set(classes)
        if unknown_labels:
            raise ValueError(f"the labels {sorted(unknown_labels)} are not among the classes {list(classes)}")
        if len(images) < MINIMUM_IMAGES or not any(boxes):
            count = sum(len(drawn_boxes) for drawn_boxes in boxes)
            raise NotEnoughLabels(
                f"{len(images)} annotated images with {count} boxes are too few: "
                f"at least {MINIMUM_IMAGES} images and one box are needed to train"
            )
        grids = [score_grid(image, [box for box, _ in drawn_boxes]) for image, drawn_boxes in zip(images, boxes, strict=True)]
        head = cls(SourceDetector.fit(images, boxes, classes=classes, grids=grids, seed=seed))
        if detector is None:
            return head
        blank = detector.for_classes(classes)
        selection = cross_validate_detectors(images, boxes, feature_pyramids, grids=grids, detector=blank, seed=seed)
        if selection is None:
            return replace(head, learned_detector=blank) if detector.preferred else head
        evidence = {
            "judged_on": float(len(selection.learned_f1)),
            BY_LEARNING: float(selection.learned_f1.mean()),
            BY_EXTRACTION: float(selection.extraction_f1.mean()),
        }
        head = replace(head, evidence=evidence)
        if detector.preferred:
            wins = not clearly_better(selection.extraction_f1, selection.learned_f1)
        else:
            wins = clearly_better(selection.learned_f1, selection.extraction_f1)
        if not wins:
            return head
        tuned_detector = blank.fit(feature_pyramids, boxes, seed=seed)
        return replace(
            head, learned_detector=replace(tuned_detector, least_score=selection.least_score, calibration=selection.calibration)
        )

    @property
    def settings(self) -> ExtractionSettings:
        """Settings of the source extraction whose sources are the input of `find`."""
        return self.sources.settings

    @property
    def found_by(self) -> str:
        """Name of the detector."""
        return BY_EXTRACTION if self.learned_detector is None else BY_LEARNING

    def on_encoder(self, fingerprint: str) -> Self:
        """Return the head for an encoder, without the learned detector if that was trained on another encoder."""
        if self.learned_detector is None or self.learned_detector.encoder == fingerprint:
            return self
        log.warning("event=learned_detector_not_used trained_on=%s encoder=%s", self.learned_detector.encoder, fingerprint)
        return replace(self, learned_detector=None)

    def find(self, sources: Sequence[Source], *, size: Size, pyramid: FeaturePyramid | None = None) -> tuple[Detected, ...]:
        """Return at most `MAXIMUM_OBJECTS` objects of an image of `size` (width, height), by descending score.

        Parameters
        ----------
        sources : sequence of Source
            Sources of an extraction with the `settings` of this head. Their outlines are used for learned boxes, too; a box
            without a source gets an ellipse.
        size : (width, height)
            Size of the image, pixels.
        pyramid : FeaturePyramid, optional
            Feature maps of the image, for the learned detector.

        Raises
        ------
        HeadError
            If the feature maps are from another encoder than that of the learned detector.
        ImageError
            If the image is needed and cannot be read.
        ValueError
            If the head has a learned detector and `pyramid` is missing.
        """
        if self.learned_detector is None:
            return self.sources.select(sources, size=size)
        if pyramid is None:
            raise ValueError("the learned detector needs the feature maps of the image, not only its sources")
        detections = self.learned_detector.predict(pyramid)
        count = min(int((detections.scores >= self.learned_detector.least_score).sum()), MAXIMUM_OBJECTS)
        scores = self.learned_detector.calibration.apply(detections.scores[:count].numpy()).tolist()
        detected_objects = outline_boxes(detections.boxes[:count].double().numpy(), sources, size=size)
        return tuple(
            Detected(source, self.learned_detector.classes[label], score, BY_LEARNING)
            for source, label, score in zip(detected_objects, detections.labels[:count].tolist(), scores, strict=True)
        )

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`; classifiers and network are written into subfolders."""
        fields = {**self.sources.save(folder), LEARNED: self.learned_detector is not None, "evidence": dict(self.evidence)}
        storage.write(folder, head=NAME, fields=fields)
        if self.learned_detector is not None:
            self.learned_detector.save(folder / LEARNED)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        # Heads of old versions do not have this field.
        learned_detector = LearnedDetector.load(folder / LEARNED) if record.fields.get(LEARNED) else None
        return cls(SourceDetector.load(record), learned_detector, record.fields.get("evidence") or {})
