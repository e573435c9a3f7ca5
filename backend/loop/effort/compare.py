"""Effort: what an annotator did with each region that was predicted, control by control.

What was submitted is compared with what was predicted; `sync.controls.equality` says why. Regions keep the ids that they had
in the prediction, and what nobody touched comes back bit for bit; but a class that was cleared and chosen anew has a new id, so
what is said of the whole image is found by control.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from backend.registry.records import Effort
from sync.controls import OBJECTS, ControlError
from sync.controls.comparing import decoder
from sync.controls.equality import SAME, outline, same_answer, same_shape
from sync.controls.region import Region
from sync.geometry.overlap import box_overlap, mask_overlap
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Box, Labelled, Polygon
from sync.labelling.config import Control

__all__ = ["compare_regions", "shape_overlap"]

GRID = 512
"""Areas of outlines are counted on a grid of so many cells a side, laid over both."""


def compare_regions(predicted: Sequence[Region], submitted: Sequence[Region], controls: Sequence[Control]) -> dict[str, Effort]:
    """Compare an annotation's regions with those of the prediction that it was begun from.

    Parameters
    ----------
    predicted, submitted : sequence of Region
        The results as Label Studio has them; not checked. A region that cannot be read, but was changed, counts as edited.
    controls : sequence of Control
        Those that are filled; regions of others are passed over.

    Returns
    -------
    dict
        Control's name to what became of its regions.
    """
    efforts: dict[str, Effort] = defaultdict(Effort)
    before = [region for region in predicted if _is_ours(region, controls)]
    answered = {_key(region) for region in before}
    answers: dict[tuple[str, str, str], list[Region]] = defaultdict(list)
    for region in submitted:
        if not _is_ours(region, controls):
            continue
        if _key(region) in answered:
            answers[_key(region)].append(region)
        else:
            efforts[region["from_name"]] += Effort(added=1)
    for region in before:
        efforts[region["from_name"]] += _became(region, answers[_key(region)])
    return dict(efforts)


def shape_overlap(one: Labelled[Any], other: Labelled[Any]) -> float:
    """Intersection over union of two boxes, ellipses, polygons or masks on one picture.

    Of masks and upright boxes it is exact, of other outlines to about 1/500.
    """
    if isinstance(one.shape, np.ndarray):
        return mask_overlap(one.shape, other.shape)
    outlines = [outline(one), outline(other)]
    if all(isinstance(drawn.shape, Box) and drawn.shape.rotation == 0 for drawn in (one, other)):
        corners = [(*each.min(axis=0), *np.ptp(each, axis=0)) for each in outlines]
        return box_overlap(*(Box(*map(float, corner)) for corner in corners))
    both = np.concatenate(outlines)
    low, span = both.min(axis=0), np.maximum(np.ptp(both, axis=0), SAME)
    return mask_overlap(*(rasterise(Polygon((each - low) / span * GRID), (GRID, GRID)) for each in outlines))


def _is_ours(region: Region, controls: Sequence[Control]) -> bool:
    name, kind = region.get("from_name"), region.get("type")
    return any(name == control.name and kind == control.tag.lower() for control in controls)


def _key(region: Region) -> tuple[str, str, str]:
    """What a region is found again by: a shape by its id, also when it was given a label of another control.

    What is said of a whole image is found by control and page.
    """
    if any(region["type"] == tag.lower() for tag in OBJECTS):
        return region["type"], str(region.get("id")), ""
    return region["type"], region["from_name"], str(region.get("item_index") or 0)


def _became(predicted: Region, answers: Sequence[Region]) -> Effort:
    """Say what became of a region; `answers` were submitted for it, several where it was given labels of several controls."""
    if not answers:
        return Effort(rejected=1)
    if [(one["from_name"], one.get("value")) for one in answers] == [(predicted["from_name"], predicted.get("value"))]:
        return Effort(accepted=1)
    decode = decoder(predicted, answers[0])
    try:
        before, after = decode(predicted), [decode(one) for one in answers]
    except ControlError:
        return Effort(edited=1)
    if not isinstance(before, Labelled):
        return Effort(accepted=1) if same_answer(before, after[0]) else Effort(edited=1)
    said = {(one["from_name"], label) for one, drawn in zip(answers, after, strict=True) for label in drawn.labels}
    relabelled = said != {(predicted["from_name"], label) for label in before.labels}
    if not relabelled and same_shape(before, after[0]):
        return Effort(accepted=1)
    return Effort(edited=1, compared=1, overlap=shape_overlap(before, after[0]))
