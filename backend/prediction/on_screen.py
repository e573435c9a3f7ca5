"""The regions that an annotator sees on a task, from an interactive request, and the object among them that clicks hit.

With a click Label Studio sends points only, never the mask under it; but the request has the task's predictions, submitted
annotations and drafts. Label Studio shows the newest draft, else the newest annotation, else the newest prediction. An answer
with the id of a shown region replaces that region when the annotator accepts it (measured with Label Studio 1.23.2, for brushes
and polygons).
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
"""Keys of a task in a request; Label Studio shows the first of these that has items."""
MOST_PIXELS = 4_000_000_000
"""Largest number of regions that are searched times the pixels of the image; the last regions are searched. About four
seconds if all are masks."""


@dataclass(frozen=True, slots=True, eq=False)
class ShownObject:
    """A shown region: its id, and its mask in pixels of the image, shape (height, width)."""

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
    """Return the ids of all regions of a task's predictions and submitted annotations: none of them is a new prompt."""
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
    """Return the smallest object of a control and label at the first positive click, or at the first click if none is positive.

    Parameters
    ----------
    regions : sequence of mapping
        Shown regions on the image that was clicked.
    clicks : sequence of (Point, positive)
        In pixels of the image.
    control : Control
        Only objects of a control in `MASKS`, with a mask or an outline, can be refined.
    label : str
        Label as the labelling config stores it.
    size : (width, height)
        Size of the image, pixels.

    Returns
    -------
    ShownObject or None
        None if no such object is hit; regions that cannot be read are ignored.
    """
    if control.tag not in MASKS or not clicks:
        return None
    first = next((point for point, positive in clicks if positive), clicks[0][0])
    row, column = min(int(first.y), size[1] - 1), min(int(first.x), size[0] - 1)
    hit: tuple[str, Footprint] | None = None
    of_control = [region for region in regions if region.get("from_name") == control.name]
    for region in of_control[-max(1, MOST_PIXELS // (size[0] * size[1])) :]:
        try:
            shape = read_region(region, control, size=size)
            if label not in shape.labels or not _may_hold(shape.shape, first):
                continue
            polygon = isinstance(shape.shape, Polygon)
            mask = Footprint.of_polygon(shape.shape, size) if polygon else Footprint.of_mask(shape.shape)
        except ControlError:
            continue
        if mask.holds(column, row) and (hit is None or mask.area < hit[1].area):
            hit = str(region.get("id") or ""), mask
    return None if hit is None else ShownObject(hit[0], hit[1].to_mask(size))


def _may_hold(shape: object, click: Point) -> bool:
    """Return whether a click can be on a shape; a polygon is excluded by its bounding box, without rasterising it."""
    if not isinstance(shape, Polygon):
        return True
    (left, top), (right, low) = shape.points.min(axis=0), shape.points.max(axis=0)
    return bool(left - 1 <= click.x <= right + 1 and top - 1 <= click.y <= low + 1)


def _items(task: Mapping[str, Any], part: str) -> Iterator[Mapping[str, Any]]:
    items = task.get(part)
    yield from (item for item in items if isinstance(item, Mapping)) if isinstance(items, list) else ()


def _regions(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    result = item.get("result")
    yield from (region for region in result if isinstance(region, Mapping)) if isinstance(result, list) else ()


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
