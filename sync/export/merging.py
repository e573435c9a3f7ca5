"""Merges the box and the outline of one object: annotators draw a box first and then the mask, or a model proposes both.

A box and an outline (a mask, a polygon or an ellipse) of one annotation on the same image are one object if they have the same
class and the intersection over union of their upright boxes is at least 0.5. If a relation of Label Studio links them, or they
have the same id, any overlap suffices. Each box is merged with at most one outline and vice versa: linked pairs first, then
pairs in descending order of overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sync.export.drawn_objects import DrawnObject, Provenance
from sync.export.first_pass import OUTLINES
from sync.export.pairing import LEAST_OVERLAP, SAME_OVERLAP, find_overlaps
from sync.export.records import ParsedAnnotation

__all__ = ["OBJECTS", "merge_boxes"]

OBJECTS = ("merged", "separate")
"""Values of the option `--objects`."""


def merge_boxes(annotation: ParsedAnnotation) -> ParsedAnnotation:
    """Return an annotation in which each outline has the box of the same object in `boxed`; merged boxes are removed."""
    objects = annotation.objects
    boxes = [place for place, obj in enumerate(objects) if obj.kind == "box"]
    outlines = [place for place, obj in enumerate(objects) if obj.kind in OUTLINES]
    if not boxes or not outlines:
        return annotation
    box_of = _pair_boxes(objects, boxes, outlines, _relations(annotation.regions))
    merged_boxes = set(box_of.values())
    return replace(
        annotation,
        objects=tuple(
            _with_box(obj, objects[box_of[place]]) if place in box_of else obj
            for place, obj in enumerate(objects)
            if place not in merged_boxes
        ),
    )


def _pair_boxes(
    objects: tuple[DrawnObject, ...], boxes: list[int], outlines: list[int], links: Mapping[str, set[str]]
) -> dict[int, int]:
    """Map the index of each outline with a box to the index of its box."""
    places_of: dict[str, list[int]] = {}
    for place in outlines:
        places_of.setdefault(objects[place].id, []).append(place)
    pairs = [(False, -1.0, box, outline) for box in boxes for outline in _find_linked(box, objects, places_of, links)]
    overlaps = find_overlaps(
        [objects[place] for place in boxes], [objects[place] for place in outlines], threshold=SAME_OVERLAP
    )
    pairs += [(True, -overlap, boxes[number], outlines[outline_number]) for number, outline_number, overlap in overlaps]
    box_of: dict[int, int] = {}
    paired_boxes: set[int] = set()
    for _, _, box, outline in sorted(pairs):
        if box not in paired_boxes and outline not in box_of and objects[box].label == objects[outline].label:
            box_of[outline] = box
            paired_boxes.add(box)
    return box_of


def _find_linked(
    box: int, objects: tuple[DrawnObject, ...], places_of: Mapping[str, list[int]], links: Mapping[str, set[str]]
) -> Iterator[int]:
    """Yield the indices of the outlines that are linked to a box and overlap it."""
    ids = links.get(objects[box].id, set()) | {objects[box].id} - {""}
    places = sorted(place for name in ids for place in places_of.get(name, ()))
    for _, number, _ in find_overlaps([objects[box]], [objects[place] for place in places], threshold=LEAST_OVERLAP):
        yield places[number]


def _relations(regions: Iterable[Mapping[str, object]]) -> dict[str, set[str]]:
    """Map each region id to the ids that Label Studio's relations link to it, in either direction."""
    links: dict[str, set[str]] = {}
    for region in regions:
        first, second = region.get("from_id"), region.get("to_id")
        if region.get("type") == "relation" and isinstance(first, str) and isinstance(second, str):
            links.setdefault(first, set()).add(second)
            links.setdefault(second, set()).add(first)
    return links


def _with_box(outline: DrawnObject, box: DrawnObject) -> DrawnObject:
    probability = box.probability if outline.probability is None else outline.probability
    provenance = Provenance.join([outline.provenance, box.provenance])
    return replace(outline, merged_box=box, probability=probability, provenance=provenance)
