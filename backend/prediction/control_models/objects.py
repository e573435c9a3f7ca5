"""Boxes, ellipses, masks and polygons, by source extraction or by the learned detector."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backend.heads.detection.detection import Detected, Detection
from backend.heads.extraction.source import ExtractionSettings
from backend.heads.segmentation.overlaps import largest_part_of, outline_detections
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.control_models.control_model import Filled
from backend.prediction.control_models.shared import SharedObjects
from backend.prediction.features import ImageFeatures
from backend.prediction.regions import regions_of_mask
from sync.controls import MASKS, ControlError, ellipselabels, rectanglelabels
from sync.errors.images import ImageError
from sync.geometry.shapes import Size
from sync.labelling.config import Control

__all__ = ["ObjectFiller"]

log = logging.getLogger("galaxyloop.fillers")


class ObjectFiller:
    """Boxes, ellipses, masks and polygons, by source extraction or by the learned detector; each region says by which.

    Masks and polygons are outlined anew: each object's box prompts the segmenter. Boxes of objects that have a mask in another
    control are the boxes of those masks.
    """

    needs_embedding = False

    def __init__(self, control: Control, head: Detection, masks: PromptedMasks, *, shared: SharedObjects | None = None) -> None:
        self.control = control
        self.masks = masks
        self._head = head
        labels = [label.value for label in control.labels]
        self._labels = shared.labels if shared else dict(zip(labels, labels, strict=True))
        masked = frozenset(labels) if control.tag in MASKS else frozenset()
        self._masked = shared.masked if shared else masked
        self.needs_look = head.learned is not None
        # A learned box of its own needs no outline; everything else is outlined on the sources.
        plain = self.needs_look and control.tag == "RectangleLabels" and shared is None
        self.needs_sources: ExtractionSettings | None = None if plain else head.settings

    def objects(self, features: ImageFeatures) -> tuple[Detected, ...]:
        """The objects of one picture, with masks by the segmenter where this control or the paired one holds masks."""
        found = self.detect(features)
        outlines = iter(self._outlined([one for one in found if one.label in self._masked], features))
        objects = [next(outlines) if one.label in self._masked else one for one in found]
        return tuple(replace(one, label=self._labels[one.label]) for one in objects if one.label in self._labels)

    def _outlined(self, found: Sequence[Detected], features: ImageFeatures) -> Sequence[Detected]:
        """Objects with the segmenter's masks, each in one part and in a box that fits it."""
        if not found or features.windowed_image is None:
            return found
        try:
            return [
                replace(one, source=largest_part_of(one.source))
                for one in outline_detections(found, self.masks, features.windowed_image)
            ]
        except (ImageError, ValueError) as error:
            log.warning("event=not_outlined control=%s reason=%r", self.control.name, str(error))
            return found

    def detect(self, features: ImageFeatures) -> tuple[Detected, ...]:
        """What the head finds on one picture; nothing on one that cannot be read again after its feature maps were dropped."""
        assert features.size is not None
        sources = features.sources[self.needs_sources] if self.needs_sources else ()
        try:
            return self._head.find(sources, size=features.size, look=features.look)
        except ImageError as error:
            log.warning("event=picture_not_read control=%s reason=%r", self.control.name, str(error))
            return ()

    @property
    def found_by(self) -> str:
        """Which detector finds the objects."""
        return self._head.found_by

    def fill(self, features_of_images: Sequence[ImageFeatures]) -> list[Filled]:
        filled = []
        for one in features_of_images:
            assert one.size is not None
            found = self.objects(one)
            regions = [
                region | {"meta": {"text": [detected.found_by]}}
                for detected in found
                for region in self._regions(detected, one.size)
            ]
            filled.append(Filled(regions, float(np.mean([detected.score for detected in found])) if found else None))
        return filled

    def _regions(self, found: Detected, size: Size) -> list[dict[str, Any]]:
        control, label, score = self.control, found.label, found.score
        try:
            if control.tag == "RectangleLabels":
                return [rectanglelabels.encode(found.source.box, control=control, label=label, score=score, size=size)]
            if control.tag == "EllipseLabels":
                ellipse = ellipselabels.shorten_axes(found.source.ellipse, size)
                return [ellipselabels.encode(ellipse, control=control, label=label, score=score, size=size)]
            return regions_of_mask(found.source.full_mask(size), control=control, label=label, score=score)
        except ControlError as error:
            log.warning("event=region_left_out control=%s reason=%r", control.name, str(error))
            return []
