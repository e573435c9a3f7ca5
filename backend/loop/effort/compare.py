"""Effort: what an annotator did with each predicted region, per control.

Submitted regions are compared with predicted ones; `sync.controls.equality` describes when they are equal. Regions keep the ids
of the prediction, and unchanged regions are returned bit for bit. A class that was cleared and chosen again has a new id, so
labels of the whole image are matched by control.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from backend.registry.records import Effort
from sync.controls import OBJECTS, TAG_OF_TYPE, ControlError
from sync.controls.comparing import decoder
from sync.controls.equality import SAME, outline, same_answer, same_shape
from sync.controls.region import Region
from sync.geometry.overlap import box_overlap, mask_overlap
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Box, Labelled, Polygon
from sync.labelling.config import Control

__all__ = ["compare_regions", "shape_overlap"]

GRID = 512
"""Areas of outlines are counted on a grid with this number of cells per side that covers both."""


def compare_regions(
    prediction: Sequence[Region], submission: Sequence[Region], controls: Sequence[Control]
) -> dict[str, Effort]:
    """Compare an annotation's regions with those of the prediction that it was begun from.

    Parameters
    ----------
    prediction, submission : sequence of Region
        Results from Label Studio; not checked. A region that was changed and cannot be read counts as edited.
    controls : sequence of Control
        Predicted controls; regions of others are ignored.

    Returns
    -------
    dict
        Control's name to the effort for its regions.
    """
    efforts: dict[str, Effort] = defaultdict(Effort)
    before = [region for region in prediction if _is_ours(region, controls)]
    keys = {_key(region) for region in before}
    answers: dict[tuple[str, str, str], list[Region]] = defaultdict(list)
    for region in submission:
        if not _is_ours(region, controls):
            continue
        if _key(region) in keys:
            answers[_key(region)].append(region)
        else:
            efforts[region["from_name"]] += Effort(added=1)
    for region in before:
        efforts[region["from_name"]] += _effort(region, answers[_key(region)])
    return dict(efforts)


def shape_overlap(first: Labelled[Any], second: Labelled[Any]) -> float:
    """Compute the intersection over union of two boxes, ellipses, polygons or masks on one image.

    It is exact for masks and upright boxes, and accurate to about 1/500 for other outlines.
    """
    if isinstance(first.shape, np.ndarray):
        return mask_overlap(first.shape, second.shape)
    outlines = [outline(first), outline(second)]
    if all(isinstance(region.shape, Box) and region.shape.rotation == 0 for region in (first, second)):
        corners = [(*each.min(axis=0), *np.ptp(each, axis=0)) for each in outlines]
        return box_overlap(*(Box(*map(float, corner)) for corner in corners))
    all_corners = np.concatenate(outlines)
    low, span = all_corners.min(axis=0), np.maximum(np.ptp(all_corners, axis=0), SAME)
    return mask_overlap(*(rasterise(Polygon((each - low) / span * GRID), (GRID, GRID)) for each in outlines))


def _is_ours(region: Region, controls: Sequence[Control]) -> bool:
    name, kind = region.get("from_name"), region.get("type")
    return any(name == control.name and kind == control.tag.lower() for control in controls)


def _key(region: Region) -> tuple[str, str, str]:
    """Return the key that matches a submitted region with a predicted one.

    For a shape it is the id, because its label may now be of another control; for a label of the whole image, control and page.
    """
    if TAG_OF_TYPE.get(region["type"]) in OBJECTS:
        return region["type"], str(region.get("id")), ""
    return region["type"], region["from_name"], str(region.get("item_index") or 0)


def _effort(prediction: Region, answers: Sequence[Region]) -> Effort:
    """Return the effort for one region; `answers` has several submitted regions if it got labels of several controls."""
    if not answers:
        return Effort(rejected=1)
    if [(answer["from_name"], answer.get("value")) for answer in answers] == [
        (prediction["from_name"], prediction.get("value"))
    ]:
        return Effort(accepted=1)
    decode = decoder(prediction, answers[0])
    try:
        before, after = decode(prediction), [decode(answer) for answer in answers]
    except ControlError:
        return Effort(edited=1)
    if not isinstance(before, Labelled):
        return Effort(accepted=1) if same_answer(before, after[0]) else Effort(edited=1)
    labels = {
        (answer["from_name"], label)
        for answer, answer_labels in zip(answers, after, strict=True)
        for label in answer_labels.labels
    }
    has_other_labels = labels != {(prediction["from_name"], label) for label in before.labels}
    if not has_other_labels and same_shape(before, after[0]):
        return Effort(accepted=1)
    return Effort(edited=1, compared=1, overlap=shape_overlap(before, after[0]))
