"""Models of boxes, ellipses, masks and outlines: source extraction, or the learned detector."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from backend.heads.detection.detected import Detected
from backend.heads.detection.detection import Detection
from backend.heads.segmentation.overlaps import largest_part_of, outline_detections
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.agreement import matched_boxes
from backend.prediction.control_models.control_model import ControlModel, Heads
from backend.prediction.control_models.drawn_objects import LabelledObject, draw_objects
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.object_images import fit_detection
from backend.prediction.control_models.object_rows import object_row, object_type
from backend.prediction.control_models.object_uncertainty import (
    acquisition_confidence,
    entropy_of_objects,
    mask_disagreement,
    missed_objects,
)
from backend.prediction.control_models.results import ControlRow, RegionPredictions, Scores
from backend.prediction.control_models.shared_objects import SharedObjects
from backend.prediction.control_models.training_data import TrainingData
from backend.prediction.image_features import ImageFeatures
from sync.controls import MASKS, OBJECTS, ControlError
from sync.controls.control import Control
from sync.controls.ellipse_axes import shorten_axes
from sync.controls.region import Region
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.geometry.shapes import Box, Ellipse, Size

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ObjectModel"]

log = logging.getLogger("galaxyloop.control_models")


class ObjectModel(ControlModel):
    """Predicts boxes, ellipses, masks and outlines, by source extraction or by the learned detector; each region states which.

    The segmenter draws masks and outlines, with each object's box as a prompt. Boxes of objects that have a mask in another
    control are the bounding boxes of those masks.
    """

    finds_objects: ClassVar[bool] = True

    def __init__(
        self, control: Control, head: Detection, masks: PromptedMasks, *, shared_objects: SharedObjects | None = None
    ) -> None:
        self.control = control
        self.masks = masks
        self._head = head
        labels = [label.value for label in control.labels]
        self._labels = shared_objects.labels if shared_objects else dict(zip(labels, labels, strict=True))
        mask_labels = frozenset(labels) if control.tag in MASKS else frozenset()
        self._mask_labels = shared_objects.mask_labels if shared_objects else mask_labels
        self._shape = OBJECTS[control.tag].SHAPE
        self.needs_pyramid = head.learned_detector is not None
        # Boxes of the learned detector that are not shared with a mask control need no sources.
        plain = self.needs_pyramid and self._shape is Box and shared_objects is None
        self.needs_sources = None if plain else head.settings

    @classmethod
    def create(cls, control: Control, heads: Heads) -> Self | None:
        if not control.labels:
            return None
        shared_objects = heads.shared_objects.get(control.name)
        owner = shared_objects.owner if shared_objects else control
        head = heads.by_control.get(owner.name)
        if not isinstance(head, Detection):
            head = Detection.base(tuple(label.value for label in owner.labels), detector=heads.detector)
        return cls(control, head, heads.masks, shared_objects=shared_objects)

    @classmethod
    def read_regions(cls, regions: Sequence[Region], control: Control, *, size: Size | None) -> list[Any] | None:
        if size is None:
            return None if regions else []
        return list(draw_objects(regions, control, size=size))

    @classmethod
    def make_label(cls, answers: Sequence[tuple[str, list[Any]]], control: Control) -> list[LabelledObject]:
        return max(answers, key=lambda answer: answer[0])[1]  # the newest: outlines cannot be averaged

    @classmethod
    def fit(cls, examples: Examples, control: Control, data: TrainingData) -> Detection:
        return fit_detection(data.open_images(examples, control), control, detector=data.detector)

    @classmethod
    def stratum(cls, label: list[LabelledObject], labels: Sequence[Any]) -> str:
        return min((obj.label for obj in label), default="")

    @classmethod
    def label_names(cls, control: Control) -> list[str]:
        return [label.value for label in control.labels]

    @classmethod
    def names_in(cls, label: list[LabelledObject], control: Control) -> set[str]:
        return {obj.label for obj in label}

    @classmethod
    def shipped_names(cls, control: Control, base: BaseClassifier) -> set[str]:
        return {label.value for label in control.labels[:1]}  # the shipped detectors give every object the first label

    @property
    def found_by(self) -> str:
        """Name of the method that detects the objects."""
        return self._head.found_by

    def detect(self, features: ImageFeatures) -> tuple[Detected, ...]:
        """Return the head's detections on one image; none if its feature maps are not cached and it can no longer be read."""
        assert features.size is not None
        sources = features.sources[self.needs_sources] if self.needs_sources else ()
        try:
            return self._head.find(sources, size=features.size, pyramid=features.pyramid)
        except ImageError as error:
            log.warning("event=image_not_read control=%s reason=%r", self.control.name, str(error))
            return ()

    def objects(self, features: ImageFeatures) -> tuple[Detected, ...]:
        """Return the objects of one image, with the segmenter's masks if this control or the paired one holds masks."""
        return self._find(features)[0]

    def _find(self, features: ImageFeatures) -> tuple[tuple[Detected, ...], float | None]:
        """Return the objects of one image, and the acquisition confidence, None without any object."""
        detections = self.detect(features)
        mask_detections = [detection for detection in detections if detection.label in self._mask_labels]
        outlines = iter(self._outline(mask_detections, features))
        all_detections = [next(outlines) if detection.label in self._mask_labels else detection for detection in detections]
        pairs = [pair for pair in zip(detections, all_detections, strict=True) if pair[0].label in self._labels]
        objects = tuple(replace(detection, label=self._labels[detection.label]) for _, detection in pairs)
        missed_sources = missed_objects(detections, self._sources(features))
        if not objects and not missed_sources:
            return objects, None
        disagreement = mask_disagreement([detection for detection, _ in pairs], [detection for _, detection in pairs])
        return objects, acquisition_confidence(entropy_of_objects(objects) + missed_sources + disagreement)

    def _sources(self, features: ImageFeatures) -> Sequence[Detected]:
        """Return the detections of source extraction, if the learned detector is used and the sources are there anyway."""
        if self._head.learned_detector is None or self.needs_sources is None or features.size is None:
            return ()
        return self._head.sources.select(features.sources[self.needs_sources], size=features.size)

    def prompt_boxes(self, features: ImageFeatures) -> list[Box]:
        return [detection.source.box for detection in self.detect(features)]

    def predict_regions(self, features_of_images: Sequence[ImageFeatures]) -> list[RegionPredictions]:
        return [self._predict_image(features) for features in features_of_images]

    def score(self, features_of_images: Sequence[ImageFeatures], labels: Sequence[Any], all_labels: Sequence[Any]) -> Scores:
        detections_of_images = [self._detect_or_nothing(features) for features in features_of_images]
        hits = np.array([matched_boxes(*pair) for pair in zip(detections_of_images, labels, strict=True)], np.int64)
        counts = np.array([len(detections) for detections in detections_of_images], np.int64)
        total = counts + [len(obj) for obj in labels]
        return Scores(np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0), counts, hits)

    def column_type(self) -> pa.DataType:
        return object_type(self._shape)

    def rows(self, features_of_images: Sequence[ImageFeatures]) -> list[ControlRow]:
        rows: list[ControlRow] = []
        for features in features_of_images:
            assert features.size is not None
            objects, confidence = self._find(features)
            rows.append(ControlRow([object_row(detection, self._shape, features.size) for detection in objects], confidence))
        return rows

    def _predict_image(self, features: ImageFeatures) -> RegionPredictions:
        assert features.size is not None
        objects, confidence = self._find(features)
        regions = [
            region | {"meta": {"text": [detection.found_by]}}
            for detection in objects
            for region in self._regions(detection, features.size)
        ]
        return RegionPredictions(regions, confidence)

    def _regions(self, detection: Detected, size: Size) -> list[Region]:
        codec, source = OBJECTS[self.control.tag], detection.source
        try:
            if self._shape in (Box, Ellipse):
                shape = source.box if self._shape is Box else shorten_axes(source.ellipse, size)
                return [codec.encode(shape, control=self.control, label=detection.label, score=detection.score, size=size)]
            mask = source.full_mask(size)
            if not mask.any():
                return []
            return codec.encode_mask(mask, control=self.control, label=detection.label, score=detection.score, size=size)
        except ControlError as error:
            log.warning("event=region_left_out control=%s reason=%r", self.control.name, str(error))
            return []

    def _outline(self, detections: Sequence[Detected], features: ImageFeatures) -> Sequence[Detected]:
        """Return objects with the segmenter's masks, each reduced to its largest part, with the bounding box of that part."""
        if not detections or features.windowed_image is None:
            return detections
        try:
            return [
                replace(detection, source=largest_part_of(detection.source))
                for detection in outline_detections(detections, self.masks, features.windowed_image)
            ]
        except (ImageError, ValueError) as error:
            log.warning("event=not_outlined control=%s reason=%r", self.control.name, str(error))
            return detections

    def _detect_or_nothing(self, features: ImageFeatures) -> Sequence[Detected]:
        """Return the detections on an image; none if the head fails on it, which counts against the head."""
        detections = attempt(lambda: self.detect(features))
        if isinstance(detections, ImageError):
            log.warning("event=image_not_scored control=%s reason=%r", self.control.name, str(detections))
            return ()
        return detections
