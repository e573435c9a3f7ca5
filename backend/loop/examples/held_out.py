"""Choose the tasks that are held out for validation, and find tasks that show the same galaxies.

Whether a task is held out depends only on its position on the sky, or on its file, so it does not change when tasks are added.
All tasks in a cell of the sky are on the same side. Where an image crosses the border of a held-out cell, a task on the other
side that shows part of that image is set aside: it is used neither for training nor for validation.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backend.loop.examples.places import ImageTile, diagonal_of, name_cell, position_of, radius_of, references_of, tile_of
from sync.export.splits import SAME_GALAXY_ARCSEC, TaskPlace, link_tasks
from sync.label_studio.annotations import Annotation

__all__ = ["DEFAULT_SHARE", "LEAST_CELLS", "Sides", "choose_held_out", "galaxy_of", "held_out_share", "sides_of"]

log = logging.getLogger("galaxyloop.audit")

DEFAULT_SHARE = 0.2
LARGEST_SHARE = 0.5
LEAST_CELLS = 10
"""A project whose tasks lie in fewer cells has no held-out tasks: all its tasks could fall on one side."""
CELL_ARCSEC = 60.0
"""Side of a cell of the sky: larger than most cut-outs, so that few cross a border, and small compared with a survey field."""
CELL_TILES = 1
"""Side of a cell of an image that is cut into tiles, in tiles."""


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


def held_out_share(extra_params: Mapping[str, Any]) -> float:
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


def choose_held_out(tasks: Mapping[int, Mapping[str, Any]], *, image_keys: Sequence[str], share: float) -> frozenset[int]:
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
    cells = {task: name_cell(data, image_keys, task=task, sky=CELL_ARCSEC, tiles=CELL_TILES) for task, data in tasks.items()}
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
    return name_cell(data, image_keys, task=task, sky=SAME_GALAXY_ARCSEC, tiles=1)


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
        From `choose_held_out`.
    image_keys : sequence of str
        Keys of a task's data that hold image references.
    contents : mapping, optional
        Task to a hash of its file: Label Studio gives two names to a file that is uploaded twice.

    Notes
    -----
    A task with a submitted ground-truth annotation is held out in any cell.
    """
    annotations = list(annotations)
    data = {annotation.task_id: annotation.data for annotation in annotations}
    sizes: dict[int, float] = defaultdict(float)
    for annotation in annotations:
        sizes[annotation.task_id] = max([sizes[annotation.task_id], *map(diagonal_of, annotation.result)])
    answers = (annotation for annotation in annotations if annotation.result and not annotation.was_cancelled)
    held_out = held_out | {annotation.task_id for annotation in answers if annotation.ground_truth}
    neighbours = _neighbours(data, sizes, image_keys, contents or {})
    validation = held_out & data.keys()
    set_aside = frozenset(task for task in data if task not in held_out and neighbours[task] & validation)
    return Sides(held_out, set_aside, neighbours, _name_galaxies(data, image_keys, contents or {}))


def _name_galaxies(
    data: Mapping[int, Mapping[str, Any]], image_keys: Sequence[str], contents: Mapping[int, str]
) -> dict[int, str]:
    """Name the galaxy of each task; equal files without a position show one galaxy, whatever their names are."""
    galaxies = {task: galaxy_of(fields, image_keys, task=task) for task, fields in data.items()}
    name_of_content: dict[str, str] = {}
    for task, fields in sorted(data.items()):
        if task in contents and position_of(fields) is None and tile_of(fields, image_keys) is None:
            galaxies[task] = name_of_content.setdefault(contents[task], galaxies[task])
    return galaxies


def _neighbours(
    data: Mapping[int, Mapping[str, Any]], sizes: Mapping[int, float], image_keys: Sequence[str], contents: Mapping[int, str]
) -> dict[int, frozenset[int]]:
    tasks_at: dict[tuple[str, str], set[int]] = defaultdict(set)
    tiles: dict[str, list[tuple[int, ImageTile]]] = defaultdict(list)
    places = []
    for task, fields in data.items():
        for reference in references_of(fields, image_keys):
            tasks_at["reference", reference].add(task)
        for content in (contents.get(task), fields.get("content_id")):
            if content:
                tasks_at["content", str(content)].add(task)
        if (tile := tile_of(fields, image_keys)) is not None:
            tiles[tile.image].append((task, tile))
        if (place := position_of(fields)) is not None:
            # An object may lie anywhere on its image: images that touch are neighbours.
            radius = 2 * radius_of(fields, sizes[task])
            places.append(TaskPlace(task, "", "", np.array([place]), place, radius))
    neighbours: dict[int, set[int]] = {task: set() for task in data}
    for group in tasks_at.values():
        for task in group:
            neighbours[task] |= group
    for first, second in link_tasks(places):
        neighbours[places[first].task].add(places[second].task)
        neighbours[places[second].task].add(places[first].task)
    for group_of_tiles in tiles.values():
        for task, tile in group_of_tiles:
            neighbours[task] |= {other for other, another in group_of_tiles if tile.overlaps(another)}
    return {task: frozenset(tasks - {task}) for task, tasks in neighbours.items()}


def _fraction(cell: str) -> float:
    """Return a pseudorandom number from 0 to 1 for a cell, the same in each call."""
    return int.from_bytes(hashlib.sha256(cell.encode()).digest()[:8]) / 2**64
