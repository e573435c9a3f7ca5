"""Images that object heads are trained on, with the objects that annotators drew on each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from backend.heads import NotEnoughLabels
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.grid_search import score_grid
from backend.heads.segmentation.window_features import WindowedImage
from backend.lvm.feature_maps import FeaturePyramid
from backend.prediction.control_models.drawn_objects import LabelledObject
from backend.prediction.control_models.examples import Examples
from backend.prediction.features import FeatureExtractor
from sync.controls.control import Control
from sync.errors.failures import attempt, reason_of_item
from sync.errors.images import ImageError

__all__ = ["ObjectImages", "fit_detection", "open_images"]

log = logging.getLogger("galaxyloop.train")

OBJECT_IMAGES = 200
"""Largest number of images that object heads are trained on, the newest annotated ones: their few parameters gain nothing
from more, and the time grows with the number."""
OBJECT_PIXELS = 50_000_000
"""Largest number of pixels of these images in memory, 0.6 GB: the newest 18 full frames."""


@dataclass(frozen=True, slots=True)
class ObjectImages:
    """Training images of object heads.

    Attributes
    ----------
    pixels : list of ndarray, shape (height, width)
    feature_pyramids : list of FeaturePyramid
        Feature maps of the encoder.
    window_encoder : list of WindowedImage
        Windows for the segmenter.
    objects : list of list of LabelledObject
        Objects that annotators drew on each image.
    """

    pixels: list[NDArray[np.float32]] = field(default_factory=list)
    feature_pyramids: list[FeaturePyramid] = field(default_factory=list)
    window_encoder: list[WindowedImage] = field(default_factory=list)
    objects: list[list[LabelledObject]] = field(default_factory=list)

    def only(self, places: Sequence[int]) -> ObjectImages:
        """Return the images at the given indices."""
        parts = (self.pixels, self.feature_pyramids, self.window_encoder, self.objects)
        return ObjectImages(*([part[index] for index in places] for part in parts))  # type: ignore[arg-type]


def open_images(extractor: FeatureExtractor, examples: Examples) -> ObjectImages:
    """Open the newest annotated images that can be read, newest first.

    At most `OBJECT_IMAGES` images and, after the first one, `OBJECT_PIXELS` pixels.
    """
    object_images, room = ObjectImages(), OBJECT_PIXELS
    newest = sorted(examples.labels)[-OBJECT_IMAGES:]
    features_of_images = extractor.extract_features([examples.references[image] for image in newest], embed=False, pyramid=True)
    for image, features in reversed(list(zip(newest, features_of_images, strict=True))):
        if isinstance(features, ImageError) or features.pyramid is None or features.windowed_image is None:
            continue
        room -= features.pyramid.size[0] * features.pyramid.size[1]
        if room < 0 and object_images.pixels:
            break
        pixels = attempt(partial(getattr, features.stored_image, "pixels"))
        if isinstance(pixels, ImageError):
            continue
        object_images.pixels.append(pixels)
        object_images.feature_pyramids.append(features.pyramid)
        object_images.window_encoder.append(features.windowed_image)
        object_images.objects.append(examples.labels[image])
    return object_images


def fit_detection(object_images: ObjectImages, control: Control, *, detector: LearnedDetector | None) -> Detection:
    """Fit the head that detects a control's objects.

    If fitting fails, it is repeated without the images on which a detection method fails.

    Parameters
    ----------
    object_images : ObjectImages
    control : Control
    detector : LearnedDetector or None
        The detector to fine-tune; without one objects are detected by source extraction.

    Raises
    ------
    NotEnoughLabels
    """
    try:
        return _fit_detection(object_images, control, detector)
    except NotEnoughLabels:
        raise
    except Exception as error:
        reason = reason_of_item(error)
        searchable = [index for index in range(len(object_images.pixels)) if _can_be_searched(object_images, index, detector)]
        left_out = len(object_images.pixels) - len(searchable)
        if not left_out:
            raise
        log.warning("event=images_left_out control=%s images=%d reason=%r", control.name, left_out, str(reason))
        return _fit_detection(object_images.only(searchable), control, detector)


def _fit_detection(object_images: ObjectImages, control: Control, detector: LearnedDetector | None) -> Detection:
    return Detection.fit(
        object_images.pixels,
        [[(obj.box, obj.label) for obj in objects] for objects in object_images.objects],
        classes=[label.value for label in control.labels],
        feature_pyramids=object_images.feature_pyramids,
        detector=detector,
    )


def _can_be_searched(object_images: ObjectImages, index: int, detector: LearnedDetector | None) -> bool:
    """Return whether source extraction and the detector run without an error on one image."""
    boxes = [obj.box for obj in object_images.objects[index]]
    trials: list[Callable[[], object]] = [lambda: score_grid(object_images.pixels[index], boxes)]
    if detector is not None:
        trials.append(lambda: detector.predict(object_images.feature_pyramids[index]))
    return not any(isinstance(attempt(trial), ImageError) for trial in trials)
