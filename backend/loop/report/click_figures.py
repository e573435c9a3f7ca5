"""Scores of the heads that answer clicks, on the held-out images with outlines.

A click takes a pass of the encoder, so the result of each head and image is kept in memory between cycles.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.loop.report.inputs import ReportInputs
from backend.loop.report.versions import ShownVersion
from backend.loop.scores.clicks import click_scores
from backend.prediction.control_models.examples import ImageOfTask
from backend.prediction.project_heads import PROMPTS
from backend.registry.records import BASE_NUMBER
from backend.reports.estimate import Estimate
from backend.reports.resampling import estimate
from sync.controls import MASKS
from sync.labelling.config import Control

__all__ = ["ClickMemory", "score_clicks"]

LONGEST_S = 20.0
"""Longest time for the clicks of a control in one cycle; heads that are not finished have no score in this report."""

ClickMemory = dict[tuple[str, int, ImageOfTask, str], float | None]
"""Mean IoU by control, number of the version whose head answered, image, and time of its label; None without a score."""


def score_clicks(
    inputs: ReportInputs,
    control: Control,
    versions: Sequence[ShownVersion],
    images: Sequence[ImageOfTask],
    memory: ClickMemory,
) -> dict[int, Estimate]:
    """Return the mean IoU after one click of each version, the mean over the images that have an outline.

    Parameters
    ----------
    images : sequence of ImageOfTask
        Held-out images.
    memory : dict
        Results of earlier cycles; those of this one are added, and those of other versions or images are removed.
    """
    if control.tag not in MASKS:
        return {}
    heads = {_number_of(shown_version): shown_version for shown_version in versions}
    for key in [key for key in memory if key[0] == control.name and not (key[1] in heads and key[2] in set(images))]:
        del memory[key]
    until = time.monotonic() + LONGEST_S
    scores = {number: _score_head(inputs, control, heads[number], images, memory, until) for number in sorted(heads)[::-1]}
    by_head = {number: _estimate(inputs, images, values) for number, values in scores.items() if values is not None}
    scores_by_number = {shown_version.version.number: by_head.get(_number_of(shown_version)) for shown_version in versions}
    return {number: value for number, value in scores_by_number.items() if value is not None}


def _number_of(shown_version: ShownVersion) -> int:
    """Return the number of the version whose folder has the head for clicks; that of the shipped head without one."""
    return shown_version.version.head_from(PROMPTS) if shown_version.heads.prompted_masks is not None else BASE_NUMBER


def _score_head(
    inputs: ReportInputs,
    control: Control,
    shown_version: ShownVersion,
    images: Sequence[ImageOfTask],
    memory: ClickMemory,
    until: float,
) -> list[float | None] | None:
    """Return the mean IoU on each image, None for one without an outline; None if there is no time."""
    head = shown_version.heads.prompted_masks or inputs.predictors.base_masks
    scores = []
    for image in images:
        key = (control.name, _number_of(shown_version), image, inputs.labelled_at.get(image.task, ""))
        if key not in memory:
            inputs.check()
            if time.monotonic() > until:
                return None
            _, overlaps = click_scores(inputs.predictors.extractor, [image], inputs.truth[control.name], [head])
            memory[key] = float(overlaps[0, 0]) if overlaps.size else None
        scores.append(memory[key])
    return scores


def _estimate(inputs: ReportInputs, images: Sequence[ImageOfTask], scores: Sequence[float | None]) -> Estimate | None:
    finite_scores = [(inputs.galaxy(image), score) for image, score in zip(images, scores, strict=True) if score is not None]
    values = np.array([score for _, score in finite_scores], np.float64)

    def mean(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(weights @ values / weights.sum(axis=1), np.float64)

    return estimate(mean, [galaxy for galaxy, _ in finite_scores]) if finite_scores else None
