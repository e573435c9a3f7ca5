"""Train a version: fit a head on a snapshot for each control that has enough labels."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads import Head, NotEnoughLabels
from backend.heads.classification.combined import CombinedClasses
from backend.heads.regression import Regression
from backend.heads.restoration.share import CorrectionShare
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.loop.examples.judged_pictures import find_verdict_control, read_project_verdicts
from backend.loop.examples.project_examples import gather_project_examples
from backend.loop.examples.snapshot import Snapshot
from backend.loop.examples.training_labels import save_training_labels
from backend.loop.scores.clicks import has_enough_masks
from backend.prediction.control_models import Examples, model_class
from backend.prediction.control_models.object_images import ObjectImages, open_images
from backend.prediction.factory import read_config
from backend.prediction.image_features import ImageFeatures
from backend.prediction.live import LivePredictors
from backend.prediction.project_heads import ProjectHeads, controls_to_predict
from backend.registry.records import Project
from backend.registry.worker_figures import WorkerFiguresStore
from backend.services import Services
from sync.errors.failures import reason_of_item
from sync.geometry.footprint import Footprint
from sync.labelling.config import Control, LabelConfig

__all__ = ["train"]

log = logging.getLogger("galaxyloop.train")

MASK_PIXELS = 200_000_000
"""Largest number of mask pixels in memory, each mask cropped to its bounding box: 0.2 GB; masks of the newest images come
first."""


def train(
    services: Services,
    project: Project,
    snapshot: Snapshot,
    *,
    allow_none: bool,
    encoder: str = "",
    holder: str | None = None,
) -> int:
    """Train a version on the training tasks of a snapshot and write it to the registry.

    Parameters
    ----------
    services : Services
    project : Project
    snapshot : Snapshot
    allow_none : bool
        Whether to write a version even without a trained head: after a change of the labelling config the predictions of the
        old version no longer fit.
    encoder : str
        Fingerprint of the encoder that the heads for classes and numbers stand on; by default the shipped one.
    holder : str, optional
        Name of the lease that must still hold the project at the end.

    Returns
    -------
    int
        Number of the new version, which has not been through the gate.

    Raises
    ------
    NotEnoughLabels
        If no control has enough labels; the message lists what is missing for each.
    LeaseLostError
        If another worker has acquired the project's lease.
    """
    start_s = time.monotonic()
    log.info("event=training project=%d annotations=%d", project.id, len(snapshot.training))
    config = read_config(project.label_config)
    encoder = encoder or services.predictors.shipped_encoder
    examples_by_control = gather_project_examples(
        snapshot.training, config, controls_to_predict(config), predictors=services.predictors
    )
    heads, reasons = _fit_all(services.predictors.on(encoder), config, examples_by_control, snapshot, encoder)
    if not heads.by_control and heads.prompted_masks is None and heads.correction_share is None and not allow_none:
        raise NotEnoughLabels("; ".join(reasons) or "the labelling config has no control that can be learned")
    with services.registry.create_version(
        project.id,
        label_config=project.label_config,
        fingerprint=snapshot.fingerprint,
        learned_from=len(snapshot.training),
        encoder=encoder,
        holder=holder,
    ) as (folder, number):
        heads.save(folder, config)
        snapshot.save(folder)
        save_training_labels(folder, examples_by_control)
    seconds = time.monotonic() - start_s
    WorkerFiguresStore(services.engine).add_training(project.id, seconds=seconds)
    log.info(
        "event=trained project=%d version=%d annotations=%d heads=%s seconds=%.1f",
        project.id, number, len(snapshot.training), ",".join(heads.by_control), seconds,
    )  # fmt: skip
    return number


def _fit_all(
    predictors: LivePredictors,
    config: LabelConfig,
    examples_by_control: Mapping[str, Examples],
    snapshot: Snapshot,
    encoder: str,
) -> tuple[ProjectHeads, list[str]]:
    data = ImagesOfProject(predictors, encoder)
    heads: dict[str, Head] = {}
    masks: PromptedMasks | None = None
    reasons = []
    for control in controls_to_predict(config):
        examples = examples_by_control[control.name]
        try:
            heads[control.name] = head = model_class(control).fit(examples, control, data)
            for sentence in head.table.left_out if isinstance(head, Regression | CombinedClasses) else ():
                log.warning("event=column_left_out control=%s reason=%r", control.name, sentence)
            object_images = data.images_by_control.pop(control.name, None)
            if object_images is not None and masks is None and has_enough_masks(snapshot, control):
                masks = _fit_masks(predictors, object_images)
        except NotEnoughLabels as error:
            reasons.append(f"{control.name}: {error}")
        except Exception as error:
            reason = reason_of_item(error)  # the other controls are still trained
            log.error("event=control_not_trained control=%s reason=%r", control.name, str(reason), exc_info=error)
            reasons.append(f"{control.name}: {reason}")
    correction_share = None
    if find_verdict_control(config) is not None:
        try:
            correction_share = CorrectionShare.fit(read_project_verdicts(snapshot.training, config))
        except NotEnoughLabels as error:
            reasons.append(str(error))
    return ProjectHeads(heads, masks, correction_share), reasons


class ImagesOfProject:
    """Training data from the images of a project's tasks.

    Attributes
    ----------
    base : BaseClassifier
        The shipped classifier.
    encoder : str
        Fingerprint of the encoder that heads for classes and numbers are trained on.
    detector : LearnedDetector or None
        The shipped detector, if there is one for the encoder in use.
    images_by_control : dict
        Control's name to the images that its head was trained on; the head for prompts is trained on the same images.
    """

    def __init__(self, predictors: LivePredictors, encoder: str) -> None:
        self.base, self.encoder = predictors.base, encoder
        self.detector = predictors.base_detector
        self.images_by_control: dict[str, ObjectImages] = {}
        self._extractor = predictors.extractor

    def embeddings(self, references: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the embeddings of images; None for those that cannot be read."""
        features_of_images = self._extractor.extract_features(references, embed=True)
        return [features.embedding if isinstance(features, ImageFeatures) else None for features in features_of_images]

    def open_images(self, examples: Examples, control: Control) -> ObjectImages:
        """Open the newest annotated images that can be read, up to the limit of pixels in memory."""
        self.images_by_control[control.name] = open_images(self._extractor, examples)
        return self.images_by_control[control.name]


def _fit_masks(predictors: LivePredictors, object_images: ObjectImages) -> PromptedMasks | None:
    """Fine-tune the head that answers prompts; return None if there are too few masks or the training fails."""
    masks: list[list[Footprint]] = []
    room = MASK_PIXELS
    for windowed_image, objects in zip(object_images.window_encoder, object_images.objects, strict=True):
        masks.append([])
        for obj in objects:
            if obj.outline is not None and obj.outline.size == windowed_image.size and room > 0:
                masks[-1].append(obj.outline.footprint())
                room -= masks[-1][-1].pixels.size
    if not any(masks):
        return None
    try:
        return predictors.base_masks.fit(object_images.window_encoder, masks)
    except NotEnoughLabels:
        return None
    except Exception as error:  # the trained detector is kept
        log.error("event=masks_not_trained reason=%r", str(reason_of_item(error)), exc_info=error)
        return None
