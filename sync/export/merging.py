"""Merges the box and the outline of one object: annotators draw a box first and then the mask, or a model proposes both.

A box and an outline (a mask, a polygon or an ellipse) of one annotation on the same image are one object if they have the same
class and the intersection over union of their upright boxes is at least 0.5. If a relation of Label Studio links them, or they
have the same id, any overlap suffices. Each box is merged with at most one outline and vice versa: linked pairs first, then
pairs in descending order of overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sync.export.first_pass import OUTLINES
from sync.export.pairing import LEAST_OVERLAP, SAME_OVERLAP, overlapping
from sync.export.records import DrawnObject, Provenance, Statement

__all__ = ["OBJECTS", "merged"]

OBJECTS = ("merged", "separate")
"""Values of the option `--objects`."""


def merged(statement: Statement) -> Statement:
    """Return a statement in which each outline has the box of the same object in `boxed`; merged boxes are removed."""
    objects = statement.objects
    boxes = [place for place, one in enumerate(objects) if one.kind == "box"]
    outlines = [place for place, one in enumerate(objects) if one.kind in OUTLINES]
    if not boxes or not outlines:
        return statement
    box_of = _paired(objects, boxes, outlines, _relations(statement.regions))
    taken = set(box_of.values())
    return replace(
        statement,
        objects=tuple(
            _with_box(one, objects[box_of[place]]) if place in box_of else one
            for place, one in enumerate(objects)
            if place not in taken
        ),
    )


def _paired(
    objects: tuple[DrawnObject, ...], boxes: list[int], outlines: list[int], linked: Mapping[str, set[str]]
) -> dict[int, int]:
    """Map the index of each outline with a box to the index of its box."""
    places_of: dict[str, list[int]] = {}
    for place in outlines:
        places_of.setdefault(objects[place].id, []).append(place)
    pairs = [(False, -1.0, box, outline) for box in boxes for outline in _linked_to(box, objects, places_of, linked)]
    found = overlapping([objects[place] for place in boxes], [objects[place] for place in outlines], least=SAME_OVERLAP)
    pairs += [(True, -overlap, boxes[number], outlines[other]) for number, other, overlap in found]
    box_of: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, box, outline in sorted(pairs):
        if box not in taken and outline not in box_of and objects[box].label == objects[outline].label:
            box_of[outline] = box
            taken.add(box)
    return box_of


def _linked_to(
    box: int, objects: tuple[DrawnObject, ...], places_of: Mapping[str, list[int]], linked: Mapping[str, set[str]]
) -> Iterator[int]:
    """Yield the indices of the outlines that are linked to a box and overlap it."""
    ids = linked.get(objects[box].id, set()) | {objects[box].id} - {""}
    near = sorted(place for name in ids for place in places_of.get(name, ()))
    for _, number, _ in overlapping([objects[box]], [objects[place] for place in near], least=LEAST_OVERLAP):
        yield near[number]


def _relations(regions: Iterable[Mapping[str, object]]) -> dict[str, set[str]]:
    """Map each region id to the ids that Label Studio's relations link to it, in either direction."""
    linked: dict[str, set[str]] = {}
    for one in regions:
        first, second = one.get("from_id"), one.get("to_id")
        if one.get("type") == "relation" and isinstance(first, str) and isinstance(second, str):
            linked.setdefault(first, set()).add(second)
            linked.setdefault(second, set()).add(first)
    return linked


def _with_box(outline: DrawnObject, box: DrawnObject) -> DrawnObject:
    probability = box.probability if outline.probability is None else outline.probability
    provenance = Provenance.joined([outline.provenance, box.provenance])
    return replace(outline, boxed=box, probability=probability, provenance=provenance)
