"""Scores of heads that answer clicks: the overlap of the mask from one click with the mask that an annotator drew."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.simulated_clicks import first_click
from backend.heads.segmentation.window_features import WindowedImage
from backend.loop.examples.snapshot import Snapshot
from backend.loop.scores.comparison import LEAST_GROUPS
from backend.prediction.control_models.drawn_objects import Outline
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.prediction.features import FeatureExtractor
from sync.controls import MASKS
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.geometry.overlap import mask_overlap
from sync.geometry.shapes import Mask, Point
from sync.labelling.config import Control

__all__ = ["MOST_OF_IMAGE", "click_scores", "has_enough_masks"]

log = logging.getLogger("galaxyloop.click_agreement")

MOST_MASKS = 100
"""Largest number of masks that heads are scored on: each takes 0.07 CPU seconds a head, and more would change little."""
MOST_OF_IMAGE = 4
"""Largest number of masks of one image, sampled at random: the score of an image is a mean, so more images are worth more
than more masks of one."""


def has_enough_masks(snapshot: Snapshot, control: Control) -> bool:
    """Return whether enough held-out galaxies have a mask of a control for the gate to compare two heads that answer clicks.

    With fewer than `LEAST_GROUPS` groups no difference is significant, and the gate keeps the live head whatever the candidate
    is. To fine-tune a head would then change nothing, and took 20 of the 26 s of a training on ten annotations
    (`docs/benchmarks.md`).
    """
    if control.tag not in MASKS:
        return False
    galaxies = snapshot.sides.galaxies
    outlined_images = [
        annotation.task_id
        for annotation in snapshot.validation
        if any(region.get("from_name") == control.name for region in annotation.result)
    ]
    return len({galaxies.get(task, str(task)) for task in outlined_images}) >= LEAST_GROUPS


def click_scores(
    extractor: FeatureExtractor, images: Sequence[ImageOfTask], truth: Examples, heads: Sequence[PromptedMasks]
) -> tuple[list[ImageOfTask], NDArray[np.float64]]:
    """Score heads by the mask that one click on each annotated mask gives.

    Parameters
    ----------
    extractor : FeatureExtractor
    images : sequence of ImageOfTask
        Images that are in no head's training set.
    truth : Examples
        Annotated objects of these images.
    heads : sequence of PromptedMasks, length h

    Returns
    -------
    list of ImageOfTask, length n
        The images that can be read and have a mask.
    ndarray, shape (h, n)
        Mean intersection over union on the masks of each image.
    """
    scored_images: list[ImageOfTask] = []
    scores: list[NDArray[np.float64]] = []
    room = MOST_MASKS
    for image in sorted(images, reverse=True):
        outlines = [obj.outline for obj in truth.labels[image] if obj.outline is not None]
        overlaps = attempt(partial(_overlaps, extractor, truth.references[image], outlines, heads, limit=room))
        if isinstance(overlaps, ImageError):
            log.warning("event=clicks_not_scored task=%d reason=%r", image.task, str(overlaps))
        elif overlaps.size:
            scored_images.append(image)
            scores.append(overlaps.mean(axis=1))
            room -= overlaps.shape[1]
    return scored_images, np.reshape(scores, (len(scored_images), len(heads))).T


def _overlaps(
    extractor: FeatureExtractor, reference: str, outlines: Sequence[Outline], heads: Sequence[PromptedMasks], *, limit: int
) -> NDArray[np.float64]:
    """Return the overlaps of each head, shape (h, m), on at most `limit` outlines that fit the size of the image."""
    windowed_image = extractor.windowed_image(reference)
    fitting = [outline for outline in outlines if outline.size == windowed_image.size]
    order = np.random.default_rng(0).permutation(len(fitting))[: min(limit, MOST_OF_IMAGE)].tolist()
    overlaps: dict[PromptedMasks, list[float]] = {head: [] for head in heads}
    for place in order:
        mask = fitting[place].footprint().to_mask(windowed_image.size)
        for head, head_overlaps in overlaps.items():
            head_overlaps.append(_overlap(head, windowed_image, mask))
    return np.array([overlaps[head] for head in heads], np.float64)


def _overlap(head: PromptedMasks, windowed_image: WindowedImage, mask: Mask) -> float:
    x, y, _ = first_click(mask, np.random.default_rng(0), jitter=0)
    masks = head.predict(windowed_image, Prompt.of(windowed_image.size, points=[(Point(x, y), True)]))
    return mask_overlap(masks[0], mask) if masks else 0.0
