"""Sky positions of task images: finds the images with their centre at a position, and the images that may contain it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.regions.task_image import TaskImage
from sync.sky.reader import find_sky

__all__ = ["TaskPlaces"]

SAME_PLACE_ARCSEC = 1.0
MOST_SAME_ARCSEC = 10.0
"""Two positions count as the same galaxy up to a distance of one pixel, but of at least and at most these values."""


class TaskPlaces:
    """Sky positions and radii of images, from the tasks' data.

    Parameters
    ----------
    images : sequence of TaskImage
        Only the first image of each task is indexed.
    """

    def __init__(self, images: Sequence[TaskImage]) -> None:
        from scipy.spatial import cKDTree

        self._images: list[TaskImage] = []
        places: list[tuple[float, float]] = []
        radii: list[float] = []
        scales: list[float] = []
        for image in images:
            place = _place_of(image.task.data) if image.first else None
            if place is not None:
                self._images.append(image)
                places.append(place[:2])
                scales.append(place[2])
                radii.append(_radius_deg(image.task.data, place[2]))
        self._radii = np.array(radii)
        self._same = np.clip(np.array(scales), SAME_PLACE_ARCSEC, MOST_SAME_ARCSEC) / 3600
        self._tree: Any = cKDTree(_unit(np.array(places))) if places else None

    def at(self, position: tuple[float, float]) -> list[TaskImage]:
        """Return the images whose position is the same as `position`, (ra, dec) in degrees."""
        if self._tree is None:
            return []
        point = _unit(np.array([position]))[0]
        neighbours = np.array(sorted(self._tree.query_ball_point(point, _chord(float(self._same.max())))), dtype=np.intp)
        apart = np.linalg.norm(np.asarray(self._tree.data)[neighbours] - point, axis=1)
        return [self._images[number] for number in neighbours[apart <= _chord(self._same[neighbours])].tolist()]

    def around(self, positions: NDArray[np.float64]) -> list[list[TaskImage]]:
        """Return, for each position, the images within whose radius it lies.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            Right ascension and declination, ICRS, degrees.
        """
        if self._tree is None or not len(positions):
            return [[] for _ in positions]
        points = _unit(positions)
        neighbours: list[list[int]] = list(self._tree.query_ball_point(points, _chord(float(self._radii.max()))))
        images = []
        for point, numbers in zip(points, neighbours, strict=True):
            order = np.array(sorted(numbers), dtype=np.intp)
            apart = np.linalg.norm(np.asarray(self._tree.data)[order] - point, axis=1)
            images.append([self._images[number] for number in order[apart <= _chord(self._radii[order])].tolist()])
        return images


def _place_of(data: dict[str, Any]) -> tuple[float, float, float] | None:
    """Return right ascension and declination of a task, degrees, and the width of a pixel, arcsec, 0 where unknown.

    Tasks that `galaxyloop import` did not create may have only `wcs`. None if the position is unknown.
    """
    ra, dec, scale = (_number(data.get(key)) for key in ("ra", "dec", "pixel_scale_arcsec"))
    if (ra is None or dec is None or scale is None) and isinstance(cards := data.get("wcs"), dict):
        sky, _ = find_sky(cards)
        if sky is not None and sky.size is not None:
            middle = sky.positions((sky.size[0] - 1) / 2, (sky.size[1] - 1) / 2)[0].tolist()
            ra, dec = (ra, dec) if ra is not None and dec is not None else middle
            scale = sky.pixel_scale_arcsec if scale is None else scale
    if ra is None or dec is None or not np.isfinite([ra, dec]).all() or not abs(dec) <= 90:
        return None
    return ra, dec, max(scale or 0.0, 0.0)


def _radius_deg(data: dict[str, Any], scale_arcsec: float) -> float:
    """Return a radius around the position of a task that contains its whole image, degrees; 0 if the size is unknown."""
    cards = data.get("wcs")
    if not isinstance(cards, dict):
        return 0.0
    sides = [side if type(side) is int and 0 < side < 10**6 else 0 for side in (cards.get("NAXIS1"), cards.get("NAXIS2"))]
    # The position from a catalogue may lie anywhere on the cut-out, so the radius is its diagonal with a margin.
    return min(1.1 * float(np.hypot(sides[0], sides[1])) * scale_arcsec / 3600, 180.0)


def _unit(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    ra, dec = np.radians(positions[:, 0]), np.radians(positions[:, 1])
    vectors: NDArray[np.float64] = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    return vectors


def _chord(degrees: Any) -> Any:
    return 2 * np.sin(np.radians(degrees) / 2)


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else np.nan
    except (OverflowError, ValueError):
        return None
    return number if np.isfinite(number) else None
