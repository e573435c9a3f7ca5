"""Training: a snapshot becomes the heads of a new version, one for each control that has enough labels."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads import Head, NotEnoughLabels
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.grid_search import score_grid
from backend.heads.regression import Parameters
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_features import WindowedImage
from backend.loop.examples.drawn_objects import DrawnObject
from backend.loop.examples.examples import Examples, ImageOfTask, gather_examples
from backend.loop.examples.snapshot import Snapshot
from backend.loop.examples.training_labels import save_training_labels
from backend.loop.scores.clicks import can_be_judged
from backend.lvm.feature_maps import PicturePyramid
from backend.prediction.control_models import base_offset
from backend.prediction.factory import read_config
from backend.prediction.features import FeatureExtractor, ImageFeatures
from backend.prediction.live import LivePredictors
from backend.prediction.project_heads import ProjectHeads, controls_to_fill
from backend.registry.records import Project
from backend.services import Services
from sync.controls import OBJECTS
from sync.errors.failures import attempt, reason_of_item
from sync.errors.images import ImageError
from sync.geometry.footprint import Footprint
from sync.labelling.config import Control, LabelConfig

__all__ = ["ObjectImages", "fit_classes", "fit_detection", "open_images", "train"]

log = logging.getLogger("galaxyloop.train")

OBJECT_IMAGES = 200
"""Newest annotated images that object heads learn from: their few parameters gain nothing from more, and time grows with it."""
OBJECT_PIXELS = 50_000_000
"""Pixels of these that are held at once, 0.6 GB: of full frames, the newest 18."""
MASK_PIXELS = 200_000_000
"""Pixels of the masks on these that are held at once, each in its own rectangle: 0.2 GB, those on the newest images."""


def train(services: Services, project: Project, snapshot: Snapshot, *, allow_none: bool, holder: str | None = None) -> int:
    """Train a version on a snapshot's training side and write it.

    Parameters
    ----------
    allow_none : bool
        Write a version without trained heads rather than none: after a change of the labelling config the old one's
        predictions no longer fit.
    holder : str, optional
        Name of the lease that the project must still be held by at the end.

    Returns
    -------
    int
        Number of the new version, not judged yet.

    Raises
    ------
    NotEnoughLabels
        If no control has enough labels; the message says what is missing for which.
    LeaseLostError
        If another worker has taken the project over.
    """
    started = time.monotonic()
    log.info("event=training project=%d annotations=%d", project.id, len(snapshot.training))
    config = read_config(project.label_config)
    extractor = services.predictors.extractor
    gathered = gather_examples(snapshot.training, config, controls_to_fill(config), sizes_of=extractor.sizes)
    heads, reasons = _fit_all(services, config, gathered, snapshot)
    if not heads.filling and heads.prompted is None and not allow_none:
        raise NotEnoughLabels("; ".join(reasons) or "the labelling config has no control that can be learned")
    with services.registry.writing_version(
        project.id,
        label_config=project.label_config,
        fingerprint=snapshot.fingerprint,
        learned_from=len(snapshot.training),
        holder=holder,
    ) as (folder, number):
        heads.save(folder, config)
        snapshot.save(folder)
        save_training_labels(folder, gathered)
    log.info(
        "event=trained project=%d version=%d annotations=%d heads=%s seconds=%.1f",
        project.id, number, len(snapshot.training), ",".join(heads.filling), time.monotonic() - started,
    )  # fmt: skip
    return number


def _fit_all(
    services: Services, config: LabelConfig, gathered: Mapping[str, Examples], snapshot: Snapshot
) -> tuple[ProjectHeads, list[str]]:
    predictors = services.predictors
    filling: dict[str, Head] = {}
    prompted: PromptedMasks | None = None
    reasons = []
    for control in controls_to_fill(config):
        examples = gathered[control.name]
        try:
            if control.tag in OBJECTS:
                opened = open_images(predictors.extractor, examples)
                filling[control.name] = fit_detection(opened, control, detector=predictors.base_detector)
                if prompted is None and can_be_judged(snapshot, control):
                    prompted = _fit_masks(predictors, opened)
            elif control.tag == "Number":
                filling[control.name] = _fit_number(predictors.extractor, examples)
            else:
                filling[control.name] = _fit_classes(predictors, control, examples)
        except NotEnoughLabels as error:
            reasons.append(f"{control.name}: {error}")
        except Exception as error:
            reason = reason_of_item(error)  # the other controls are trained all the same
            log.error("event=control_not_trained control=%s reason=%r", control.name, str(reason), exc_info=error)
            reasons.append(f"{control.name}: {reason}")
    return ProjectHeads(filling, prompted), reasons


def _fit_classes(predictors: LivePredictors, control: Control, examples: Examples) -> Morphology | DecisionTree:
    images, embeddings = _embeddings(predictors.extractor, examples.targets, examples)
    if not images:
        raise NotEnoughLabels("there are no labelled images yet")
    targets = np.stack([examples.targets[image] for image in images])
    return fit_classes(embeddings, targets, control=control, base=predictors.base_morphology)


def fit_classes(
    embeddings: NDArray[np.float32], targets: NDArray[np.float64], *, control: Control, base: Morphology
) -> Morphology | DecisionTree:
    """Fit the head of a control that holds classes, on top of what the shipped head thinks of the same images."""
    offset = base_offset(embeddings, control, base)
    exclusive = not control.multiple
    if control.tag == "Taxonomy":
        return DecisionTree.fit(embeddings, targets, paths=control.paths, exclusive=exclusive, offset=offset)
    classes = [label.value for label in control.labels]
    return Morphology.fit(embeddings, targets, classes=classes, exclusive=exclusive, offset=offset)


def _fit_number(extractor: FeatureExtractor, examples: Examples) -> Parameters:
    images, embeddings = _embeddings(extractor, examples.values, examples)
    return Parameters.fit(embeddings, np.array([examples.values[image] for image in images]))


@dataclass(frozen=True, slots=True)
class ObjectImages:
    """Images that object heads learn from, with what was drawn on each."""

    pixels: list[NDArray[np.float32]] = field(default_factory=list)
    looks: list[PicturePyramid] = field(default_factory=list)
    window_encoder: list[WindowedImage] = field(default_factory=list)
    objects: list[list[DrawnObject]] = field(default_factory=list)

    def only(self, kept: Sequence[int]) -> ObjectImages:
        """Those at some places."""
        parts = (self.pixels, self.looks, self.window_encoder, self.objects)
        return ObjectImages(*([part[index] for index in kept] for part in parts))  # type: ignore[arg-type]


def open_images(extractor: FeatureExtractor, examples: Examples) -> ObjectImages:
    """Open the newest annotated images that can be read, as many as are held at once."""
    opened, room = ObjectImages(), OBJECT_PIXELS
    newest = sorted(examples.objects)[-OBJECT_IMAGES:]
    observed = _extract_features(extractor, newest, examples, embed=False, look=True)
    for image, seen in reversed(list(zip(newest, observed, strict=True))):
        if isinstance(seen, ImageError) or seen.look is None or seen.windowed_image is None:
            continue
        room -= seen.look.size[0] * seen.look.size[1]
        if room < 0 and opened.pixels:
            break
        pixels = attempt(partial(getattr, seen.picture, "pixels"))
        if isinstance(pixels, ImageError):
            continue
        opened.pixels.append(pixels)
        opened.looks.append(seen.look)
        opened.window_encoder.append(seen.windowed_image)
        opened.objects.append(examples.objects[image])
    return opened


def fit_detection(opened: ObjectImages, control: Control, *, detector: LearnedDetector | None) -> Detection:
    """Fit the head that finds a control's objects; without a detector to fine-tune, by source extraction.

    Images on which a finder fails are left out.
    """
    try:
        return _fit_detection(opened, control, detector)
    except NotEnoughLabels:
        raise
    except Exception as error:
        reason = reason_of_item(error)
        kept = [index for index in range(len(opened.pixels)) if _can_be_searched(opened, index, detector)]
        left_out = len(opened.pixels) - len(kept)
        if not left_out:
            raise
        log.warning("event=images_left_out control=%s images=%d reason=%r", control.name, left_out, str(reason))
        return _fit_detection(opened.only(kept), control, detector)


def _fit_detection(opened: ObjectImages, control: Control, detector: LearnedDetector | None) -> Detection:
    return Detection.fit(
        opened.pixels,
        [[(one.box, one.label) for one in drawn] for drawn in opened.objects],
        classes=[label.value for label in control.labels],
        looks=opened.looks,
        detector=detector,
    )


def _can_be_searched(opened: ObjectImages, index: int, detector: LearnedDetector | None) -> bool:
    """Whether the finders of objects run on one image and on what was drawn on it."""
    searched = attempt(lambda: score_grid(opened.pixels[index], [one.box for one in opened.objects[index]]))
    looked = attempt(lambda: None if detector is None else detector.predict(opened.looks[index]))
    return not (isinstance(searched, ImageError) or isinstance(looked, ImageError))


def _fit_masks(predictors: LivePredictors, opened: ObjectImages) -> PromptedMasks | None:
    """Fine-tune the head that answers prompts; None where there are too few masks."""
    masks: list[list[Footprint]] = []
    room = MASK_PIXELS
    for windowed_image, drawn in zip(opened.window_encoder, opened.objects, strict=True):
        masks.append([])
        for one in drawn:
            if one.outline is not None and one.outline.size == windowed_image.size and room > 0:
                masks[-1].append(one.outline.footprint())
                room -= masks[-1][-1].pixels.size
    if not any(masks):
        return None
    try:
        return predictors.base_masks.fit(opened.window_encoder, masks)
    except NotEnoughLabels:
        return None
    except Exception as error:  # the detector that is trained already is kept
        log.error("event=masks_not_trained reason=%r", str(reason_of_item(error)), exc_info=error)
        return None


def _embeddings(
    extractor: FeatureExtractor, wanted: Mapping[ImageOfTask, Any], examples: Examples
) -> tuple[list[ImageOfTask], NDArray[np.float32]]:
    """Embeddings of the wanted images that can be read."""
    images = list(wanted)
    seen = _extract_features(extractor, images, examples, embed=True)
    readable = [
        (image, one.embedding)
        for image, one in zip(images, seen, strict=True)
        if isinstance(one, ImageFeatures) and one.embedding is not None
    ]
    if not readable:
        return [], np.empty((0, 1), np.float32)
    return [image for image, _ in readable], np.stack([embedding for _, embedding in readable])


def _extract_features(
    extractor: FeatureExtractor,
    images: Sequence[ImageOfTask],
    examples: Examples,
    *,
    embed: bool,
    look: bool = False,
) -> list[ImageFeatures | ImageError]:
    return extractor.extract_features([examples.references[image] for image in images], embed=embed, look=look)
