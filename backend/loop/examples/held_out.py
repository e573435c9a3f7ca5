"""Choose the tasks that are held out for validation, and find tasks that show the same galaxies.

Whether a task is held out depends only on its position on the sky, or on its file, so it does not change when tasks are added.
All tasks in a cell of the sky are on the same side. Where an image crosses the border of a held-out cell, a task on the other
side that shows part of that image is set aside: it is used neither for training nor for validation.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sync.export.splits import SAME_GALAXY_ARCSEC, TaskPlace, link_tasks
from sync.label_studio.annotations import Annotation
from sync.label_studio.task_images import value_at

__all__ = ["DEFAULT_SHARE", "LEAST_CELLS", "Sides", "audit_share", "audit_tasks", "galaxy_of", "sides_of"]

log = logging.getLogger("galaxyloop.audit")

DEFAULT_SHARE = 0.2
RA_NAMES = ("ra", "raj2000", "_raj2000", "ra_icrs", "ra_deg", "ra_j2000", "alpha_j2000", "right_ascension")
DEC_NAMES = (
    "dec",
    "dej2000",
    "decj2000",
    "_dej2000",
    "de_icrs",
    "dec_icrs",
    "dec_deg",
    "dec_j2000",
    "delta_j2000",
    "declination",
)
"""Keys of a task's position. The order is fixed: another order would move tasks of existing projects to the other side."""
LARGEST_SHARE = 0.5
LEAST_CELLS = 10
"""A project whose tasks lie in fewer cells has no held-out tasks: all its tasks could fall on one side."""
CELL_ARCSEC = 60.0
"""Side of a cell of the sky: larger than most cut-outs, so that few cross a border, and small compared with a survey field."""
CELL_TILES = 1
"""Side of a cell of an image that is cut into tiles, in tiles."""
TILE_PX = 96
"""Width of a tile whose file name does not state it: the first tiles of the demo."""
_UPLOAD = re.compile(r"/data/upload/\d+/[0-9a-f]{8}-(.+)")
_TILE = re.compile(r"(?P<picture>.+?)-x(?P<x>\d+)-y(?P<y>\d+)(?:-w(?P<width>\d+))?\.\w+")
_NUMBERED = re.compile(r"(hubble-deep-field)-\d\d")
"""The names of the demo's first tiles include a running number after the name of the image that they are cut from."""


@dataclass(frozen=True, slots=True)
class Sides:
    """How each annotated task is used.

    Attributes
    ----------
    held_out : frozenset of int
        Held-out tasks of the whole project.
    set_aside : frozenset of int
        Tasks that show part of the image of a held-out annotated task.
    neighbours : mapping
        Annotated task to the others that show part of the same sky or the same file.
    galaxies : mapping
        Annotated task to the name of the galaxy or file that it shows; tasks with equal names are not independent.
    """

    held_out: frozenset[int] = frozenset()
    set_aside: frozenset[int] = frozenset()
    neighbours: Mapping[int, frozenset[int]] = field(default_factory=dict)
    galaxies: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Tile:
    """A square tile that was cut from an image: the image's name, the tile's middle and its width, pixels."""

    picture: str
    x: int
    y: int
    width: int

    def overlaps(self, other: _Tile) -> bool:
        reach = (self.width + other.width) / 2
        return abs(self.x - other.x) < reach and abs(self.y - other.y) < reach


def audit_share(extra_params: Mapping[str, Any]) -> float:
    """Read the held-out share of tasks from a backend's extra params, ``{"audit": 0.2}``.

    Raises
    ------
    ValueError
        If it is not a number from 0 to `LARGEST_SHARE`.
    """
    share = extra_params.get("audit", DEFAULT_SHARE)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= LARGEST_SHARE:
        raise ValueError(f"the extra param audit is a share of the tasks from 0 to {LARGEST_SHARE:g}, not {share!r}")
    return float(share)


def audit_tasks(tasks: Mapping[int, Mapping[str, Any]], *, image_keys: Sequence[str], share: float) -> frozenset[int]:
    """Choose the held-out tasks.

    Parameters
    ----------
    tasks : mapping
        Id of each task of the project to its data.
    image_keys : sequence of str
        Keys of a task's data that hold image references.
    share : float
        Share of the cells that is held out, 0 to 1.

    Returns
    -------
    frozenset of int
        Empty if the tasks lie in fewer than `LEAST_CELLS` cells.
    """
    cells = {task: _cell(data, image_keys, task=task, sky=CELL_ARCSEC, tiles=CELL_TILES) for task, data in tasks.items()}
    if len(set(cells.values())) < LEAST_CELLS:
        return frozenset()
    return frozenset(task for task, cell in cells.items() if _fraction(cell) < share)


def galaxy_of(data: Mapping[str, Any], image_keys: Sequence[str], *, task: int) -> str:
    """Name the galaxy that a task shows: its position rounded to cells of `SAME_GALAXY_ARCSEC`, else its tile or its file.

    Parameters
    ----------
    data : mapping
        The task's data.
    image_keys : sequence of str
        Keys of the data that hold image references.
    task : int
        Id of the task, the name if the data have neither a position nor a file.
    """
    return _cell(data, image_keys, task=task, sky=SAME_GALAXY_ARCSEC, tiles=1)


def sides_of(
    annotations: Iterable[Annotation],
    *,
    held_out: frozenset[int],
    image_keys: Sequence[str],
    contents: Mapping[int, str] | None = None,
) -> Sides:
    """Divide annotated tasks into held-out tasks, tasks that are set aside and training tasks.

    Parameters
    ----------
    annotations : iterable of Annotation
    held_out : frozenset of int
        From `audit_tasks`.
    image_keys : sequence of str
        Keys of a task's data that hold image references.
    contents : mapping, optional
        Task to a hash of its file: Label Studio gives two names to a file that is uploaded twice.

    Notes
    -----
    A task with a submitted ground-truth annotation is held out in any cell.
    """
    annotations = list(annotations)
    data = {one.task_id: one.data for one in annotations}
    sizes: dict[int, float] = defaultdict(float)
    for one in annotations:
        sizes[one.task_id] = max([sizes[one.task_id], *map(_diagonal, one.result)])
    held_out = held_out | {one.task_id for one in annotations if one.ground_truth and not one.was_cancelled and one.result}
    neighbours = _neighbours(data, sizes, image_keys, contents or {})
    judging = held_out & data.keys()
    set_aside = frozenset(task for task in data if task not in held_out and neighbours[task] & judging)
    return Sides(held_out, set_aside, neighbours, {task: galaxy_of(one, image_keys, task=task) for task, one in data.items()})


def _neighbours(
    data: Mapping[int, Mapping[str, Any]], sizes: Mapping[int, float], image_keys: Sequence[str], contents: Mapping[int, str]
) -> dict[int, frozenset[int]]:
    known: dict[tuple[str, str], set[int]] = defaultdict(set)
    tiles: dict[str, list[tuple[int, _Tile]]] = defaultdict(list)
    places = []
    for task, one in data.items():
        for reference in _references(one, image_keys):
            known["reference", reference].add(task)
        for content in (contents.get(task), one.get("content_id")):
            if content:
                known["content", str(content)].add(task)
        if (tile := _tile_of(one, image_keys)) is not None:
            tiles[tile.picture].append((task, tile))
        if (place := _position(one)) is not None:
            # An object may lie anywhere on its image: images that touch are neighbours.
            radius = 2 * _radius_arcsec(one, sizes[task])
            places.append(TaskPlace(task, "", "", np.array([place]), place, radius))
    near: dict[int, set[int]] = {task: set() for task in data}
    for group in known.values():
        for task in group:
            near[task] |= group
    for first, second in link_tasks(places):
        near[places[first].task].add(places[second].task)
        near[places[second].task].add(places[first].task)
    for group_of_tiles in tiles.values():
        for task, tile in group_of_tiles:
            near[task] |= {other for other, another in group_of_tiles if tile.overlaps(another)}
    return {task: frozenset(others - {task}) for task, others in near.items()}


def _cell(data: Mapping[str, Any], image_keys: Sequence[str], *, task: int, sky: float, tiles: int) -> str:
    """Name the cell that a task lies in: a cell of the sky, else of the image that its file is a tile of, else its file."""
    if (place := _position(data)) is not None:
        return _sky_cell(*place, arcsec=sky)
    if (tile := _tile_of(data, image_keys)) is not None:
        side = tiles * tile.width
        return f"tile {tile.picture} {tile.x // side} {tile.y // side}"
    if data.get("content_id"):
        return f"content {data['content_id']}"
    references = _references(data, image_keys)
    return f"file {' '.join(references)}" if references else f"task {task}"


def _sky_cell(ra: float, dec: float, *, arcsec: float) -> str:
    """Name the cell of a position (degrees): rows of equal declination are cut into cells about as wide as they are high."""
    row = math.floor((dec + 90) * 3600 / arcsec)
    middle = math.radians((row + 0.5) * arcsec / 3600 - 90)
    columns = max(1, math.floor(360 * 3600 / arcsec * max(math.cos(middle), 0)))
    return f"sky {arcsec:g} {row} {math.floor(ra % 360 / 360 * columns)}"


def _fraction(cell: str) -> float:
    """Return a pseudorandom number from 0 to 1 for a cell, the same in each call."""
    return int.from_bytes(hashlib.sha256(cell.encode()).digest()[:8]) / 2**64


def _references(data: Mapping[str, Any], image_keys: Sequence[str]) -> list[str]:
    values = [value_at(data, key) for key in dict.fromkeys(image_keys)]
    pages = [page for value in values for page in (value if isinstance(value, list) else [value])]
    return [page for page in pages if isinstance(page, str) and page]


def _tile_of(data: Mapping[str, Any], image_keys: Sequence[str]) -> _Tile | None:
    """Read the position of a tile from its file name, `<picture>-x<middle>-y<middle>-w<width>.png`."""
    references = _references(data, image_keys)
    name = references[0].split("?")[0] if references else ""
    uploaded = _UPLOAD.fullmatch(name)
    match = _TILE.fullmatch(uploaded[1] if uploaded else name)
    if match is None:
        return None
    numbered = _NUMBERED.fullmatch(match["picture"].rpartition("/")[2])
    picture = numbered[1] if numbered else match["picture"]
    return _Tile(picture, int(match["x"]), int(match["y"]), max(int(match["width"] or TILE_PX), 1))


def _position(data: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return right ascension and declination, degrees; None if the data do not have them."""
    lower = {str(key).lower(): value for key, value in data.items()}
    ra, dec = (_number(lower, names) for names in (RA_NAMES, DEC_NAMES))
    if ra is None or dec is None or abs(ra) > 360 or abs(dec) > 90:
        return None
    return ra % 360, dec


def _number(data: Mapping[str, Any], names: Iterable[str]) -> float | None:
    for name in names:
        try:
            number = float(data[name])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(number):
            return number
    return None


def _radius_arcsec(data: Mapping[str, Any], diagonal_px: float) -> float:
    """Return half the diagonal of an image; 0 if its size in pixels or its pixel scale is unknown."""
    cards = data.get("wcs")
    if isinstance(cards, Mapping):
        width, height = (_number(cards, (name,)) or 0.0 for name in ("NAXIS1", "NAXIS2"))
        diagonal_px = math.hypot(width, height) or diagonal_px
    return diagonal_px * (_number(data, ("pixel_scale_arcsec",)) or 0.0) / 2


def _diagonal(region: Mapping[str, Any]) -> float:
    """Return the diagonal of the image whose size a region states, pixels; 0 if it states none."""
    width, height = (_number(region, (name,)) or 0.0 for name in ("original_width", "original_height"))
    return math.hypot(width, height)
