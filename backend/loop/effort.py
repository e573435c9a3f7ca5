"""Effort: what an annotator did with each region that was predicted, control by control.

What was submitted is compared with what was predicted, since Label Studio's own mark, a region's `origin`, proves neither.
Measured with 1.23.2: a polygon that was dragged and the copy of a region still say "prediction"; a class that was changed and
changed back says "prediction-changed". Regions keep the ids that they had in the prediction, and what nobody touched comes back
bit for bit; but a class that was cleared and chosen anew has a new id, so what is said of the whole image is found by control.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.loop.agreement import overlap
from backend.project_heads import SHAPES
from backend.records import Effort
from sync.controls import CONTROLS, ControlError
from sync.controls.polygonlabels import rasterise
from sync.controls.region import Region
from sync.controls.shapes import Box, Ellipse, Labelled, Polygon
from sync.labelconfig import Control

__all__ = ["measure_effort", "shape_overlap"]

SAME = 1e-6
"""Outlines no farther apart are the same, in widths and heights of the image: where a shape is edited, Label Studio writes all
of its numbers anew, the others off by 1e-15."""
GRID = 512
"""Areas of outlines are counted on a grid of so many cells a side, laid over both."""
ELLIPSE_CORNERS = 180


def measure_effort(predicted: Sequence[Region], submitted: Sequence[Region], controls: Sequence[Control]) -> dict[str, Effort]:
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
    answers: dict[tuple[str, str], list[Region]] = defaultdict(list)
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


def shape_overlap(one: Labelled[Any], other: Labelled[Any]) -> float | None:
    """Intersection over union of two boxes, ellipses, polygons or masks; None of masks of different size.

    Of masks and upright boxes it is exact, of other outlines to about 1/500.
    """
    if isinstance(one.shape, np.ndarray):
        if one.shape.shape != other.shape.shape:
            return None
        return _ratio(one.shape, other.shape)
    outlines = [_outline(one), _outline(other)]
    if all(isinstance(drawn.shape, Box) and drawn.shape.rotation == 0 for drawn in (one, other)):
        corners = [(*outline.min(axis=0), *np.ptp(outline, axis=0)) for outline in outlines]
        return overlap(*(Box(*map(float, corner)) for corner in corners))
    both = np.concatenate(outlines)
    low, span = both.min(axis=0), np.maximum(np.ptp(both, axis=0), SAME)
    return _ratio(*(rasterise(Polygon((outline - low) / span * GRID), (GRID, GRID)) for outline in outlines))


def _is_ours(region: Region, controls: Sequence[Control]) -> bool:
    name, kind = region.get("from_name"), region.get("type")
    return any(name == control.name and kind == control.tag.lower() for control in controls)


def _key(region: Region) -> tuple[str, str]:
    """What a region is found again by: a shape by its id, also when it was given a label of another control."""
    is_shape = any(region["type"] == tag.lower() for tag in SHAPES)
    return region["type"], str(region.get("id")) if is_shape else region["from_name"]


def _became(predicted: Region, answers: Sequence[Region]) -> Effort:
    """Say what became of a region; `answers` were submitted for it, several where it was given labels of several controls."""
    if not answers:
        return Effort(rejected=1)
    if [(one["from_name"], one.get("value")) for one in answers] == [(predicted["from_name"], predicted.get("value"))]:
        return Effort(accepted=1)
    decode = next(CONTROLS[tag].decode for tag in CONTROLS if tag.lower() == predicted["type"])
    try:
        before, after = decode(predicted), [decode(one) for one in answers]
    except ControlError:
        return Effort(edited=1)
    if not isinstance(before, Labelled):
        return Effort(accepted=1) if _same_value(before, after[0]) else Effort(edited=1)
    said = {(one["from_name"], label) for one, drawn in zip(answers, after, strict=True) for label in drawn.labels}
    relabelled = said != {(predicted["from_name"], label) for label in before.labels}
    if not relabelled and _same_shape(before, after[0]):
        return Effort(accepted=1)
    shared = shape_overlap(before, after[0])
    return Effort(edited=1) if shared is None else Effort(edited=1, compared=1, overlap=shared)


def _same_value(before: Any, after: Any) -> bool:
    """Tell whether a number is the same, or the same labels or paths are picked, in whatever order."""
    if isinstance(before, float):
        return bool(np.isclose(before, after, rtol=1e-9, atol=0))
    return set(before) == set(after)


def _same_shape(before: Labelled[Any], after: Labelled[Any]) -> bool:
    if isinstance(before.shape, np.ndarray):
        return np.array_equal(before.shape, after.shape)
    one, other = _outline(before), _outline(after)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=SAME))


def _outline(drawn: Labelled[Any]) -> NDArray[np.float64]:
    """Corners of a shape, shape (n, 2), in widths and heights of the image."""
    shape = drawn.shape
    if isinstance(shape, Box):
        sides = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (shape.width, shape.height)
        points = _turned(sides, shape.rotation) + np.array([shape.x, shape.y])
    elif isinstance(shape, Ellipse):
        angles = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
        rim = np.column_stack([np.cos(angles), np.sin(angles)]) * (shape.radius_x, shape.radius_y)
        points = _turned(rim, shape.rotation) + np.array([shape.x, shape.y])
    else:
        points = np.asarray(shape.points, np.float64)
    outline: NDArray[np.float64] = points / drawn.size
    return outline


def _turned(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Turn points about (0, 0), clockwise on the screen."""
    angle = np.radians(degrees)
    across, down = (np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))
    turned: NDArray[np.float64] = points @ np.array([across, down])
    return turned


def _ratio(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0
