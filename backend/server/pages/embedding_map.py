"""The map of embeddings as geometry: one path per label, however many tasks there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from backend.reports.report import Map

__all__ = ["SIDE", "MapDrawing", "draw_map"]

SIDE = 420
MARGIN = 10
COLOURS = 7
"""Number of colours that readers with any colour vision tell apart; the rarer labels share one."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks with one label; `path` has a line of length zero for each, which its round ends show as a dot."""

    name: str
    style: str
    count: int
    path: str


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """The map of one control; tasks without a label are drawn first, below the others."""

    control: str
    groups: Sequence[Group]
    tasks: int


def draw_map(map_: Map) -> MapDrawing:
    """Group the points of a map by label and place them in a square."""
    dots: dict[int, list[str]] = defaultdict(list)
    scale = (SIDE - 2 * MARGIN) / 2
    for point in map_.points:
        dots[point.label].append(f"M{MARGIN + (1 + point.x) * scale:.1f} {MARGIN + (1 - point.y) * scale:.1f}h0")
    by_size = sorted((label for label in dots if label >= 0), key=lambda label: -len(dots[label]))
    common, rare = (by_size, []) if len(by_size) <= COLOURS else (by_size[: COLOURS - 1], by_size[COLOURS - 1 :])
    groups = [Group("not annotated", "c0", len(dots[-1]), "".join(dots[-1]))] if dots[-1] else []
    if rare:
        paths = [dot for label in rare for dot in dots[label]]
        groups.append(Group(f"{len(rare)} other labels", f"c{COLOURS}", len(paths), "".join(paths)))
    for number, label in enumerate(common, start=1):
        groups.append(Group(_name(map_, label), f"c{number}", len(dots[label]), "".join(dots[label])))
    return MapDrawing(map_.control, groups, len(map_.points))


def _name(map_: Map, label: int) -> str:
    return map_.labels[label] if label < len(map_.labels) else f"label {label}"
