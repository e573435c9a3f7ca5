"""What an annotator sees of a task, as far as an interactive request tells, and the object there that clicks hit.

With a click Label Studio sends points only, never the mask under it; but the request has the task's predictions, submitted
annotations and drafts, and what is on the screen is the newest of these. An answer with the id of a region on the screen takes
that region's place when it is accepted (measured with Label Studio 1.23.2, for brushes and polygons).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sync.controls import MASKS
from sync.errors.controls import ControlError
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask, Point, Polygon, Size
from sync.labelling.config import Control
from sync.labelling.reading import read_region

__all__ = ["ShownObject", "object_hit", "regions_on_screen", "stored_ids"]

PARTS = ("drafts", "annotations", "predictions")
"""Keys of a task as a request has it; what comes first hides what comes after."""
MOST_PIXELS = 4_000_000_000
"""Of the pictures of the regions that are looked through, the newest: about four seconds where all are masks."""


@dataclass(frozen=True, slots=True, eq=False)
class ShownObject:
    """A region on the screen: its id, and its mask in pixels of the picture, shape (height, width)."""

    id: str
    mask: Mask


def regions_on_screen(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the regions of the newest draft of a task, else of its newest annotation, else of its newest prediction."""
    for part in PARTS:
        items = [item for item in _items(task, part) if not item.get("was_cancelled")]
        if items:
            newest = max(items, key=lambda item: (str(item.get("updated_at") or ""), _number(item.get("id"))))
            return list(_regions(newest))
    return []


def stored_ids(task: Mapping[str, Any]) -> set[str]:
    """Return the ids of all regions of a task's predictions and submitted annotations: none of them was drawn just now."""
    items = [item for part in ("annotations", "predictions") for item in _items(task, part)]
    return {str(region["id"]) for item in items for region in _regions(item) if region.get("id")}


def object_hit(
    regions: Sequence[Mapping[str, Any]],
    clicks: Sequence[tuple[Point, bool]],
    *,
    control: Control,
    label: str,
    size: Size,
) -> ShownObject | None:
    """Return the smallest object of a control and label under the click that the others follow: the first positive one, if any.

    Parameters
    ----------
    regions : sequence of mapping
        On the screen, on the image that was clicked.
    clicks : sequence of (Point, positive)
        In pixels of the picture.
    control : Control
        BrushLabels or PolygonLabels: what has no outline of its own is not mended.
    label : str
        As the labelling config stores it.
    size : (width, height)
        Of the picture.
    """
    if control.tag not in MASKS or not clicks:
        return None
    first = next((point for point, positive in clicks if positive), clicks[0][0])
    row, column = min(int(first.y), size[1] - 1), min(int(first.x), size[0] - 1)
    hit: tuple[str, Footprint] | None = None
    of_control = [region for region in regions if region.get("from_name") == control.name]
    for region in of_control[-max(1, MOST_PIXELS // (size[0] * size[1])) :]:
        try:
            drawn = read_region(region, control, size=size)
            if label not in drawn.labels or not _may_hold(drawn.shape, first):
                continue
            polygon = isinstance(drawn.shape, Polygon)
            mask = Footprint.of_polygon(drawn.shape, size) if polygon else Footprint.of_mask(drawn.shape)
        except ControlError:
            continue
        if mask.holds(column, row) and (hit is None or mask.area < hit[1].area):
            hit = str(region.get("id") or ""), mask
    return None if hit is None else ShownObject(hit[0], hit[1].full(size))


def _may_hold(shape: object, click: Point) -> bool:
    """Whether a click can lie on a shape: not outside the box around a polygon, which is then not filled."""
    if not isinstance(shape, Polygon):
        return True
    (left, top), (right, low) = shape.points.min(axis=0), shape.points.max(axis=0)
    return bool(left - 1 <= click.x <= right + 1 and top - 1 <= click.y <= low + 1)


def _items(task: Mapping[str, Any], part: str) -> Iterator[Mapping[str, Any]]:
    held = task.get(part)
    yield from (item for item in held if isinstance(item, Mapping)) if isinstance(held, list) else ()


def _regions(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    result = item.get("result")
    yield from (region for region in result if isinstance(region, Mapping)) if isinstance(result, list) else ()


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
