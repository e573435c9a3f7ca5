"""Composition of a scene: adds galaxies to a sky one by one and records the footprint of each.

A galaxy that cannot be distinguished from the galaxies and stars already placed is left out. This is the case if, at its peak,
it is less than half as bright as the existing light, if it would hide another galaxy in the same way, or if its footprint
overlaps another one by more than `LARGEST_OVERLAP`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.deblend import divide
from backend.heads.extraction.segment import DETECTION_SIGMA
from backend.scenes.footprint import SETTINGS, footprint_of, noise_of, visible
from backend.scenes.light import to_image
from backend.scenes.scene import Scene
from backend.scenes.stamp import Stamp, add_stamps
from sync.geometry.corners import box_edges
from sync.geometry.footprint import Footprint
from sync.geometry.overlap import footprint_overlap

__all__ = ["Composition"]

Place = tuple[float, float]
LEAST_CONTRAST = 0.5
LARGEST_OVERLAP = 0.5


@dataclass(slots=True, eq=False)
class Composition:
    """A scene under construction.

    Attributes
    ----------
    light : ndarray of float32, shape (side, side, 3)
        Light of the sky and of all objects added so far, in the unit of `backend.scenes.light`.
    noise : float
        Noise of the smoothed, stretched sky, brightness.
    """

    light: NDArray[np.float32]
    noise: float
    _kinds: list[str] = field(default_factory=list)
    _footprints: list[Footprint] = field(default_factory=list)
    _peaks: list[tuple[int, int, float]] = field(default_factory=list)
    _brightness: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self._brightness = np.zeros(self.light.shape[:2], dtype=np.float32)

    @classmethod
    def on(cls, sky: NDArray[np.float32]) -> Composition:
        """Start from the light of a sky, shape (side, side, 3), which is modified in place."""
        return cls(sky, noise_of(to_image(sky)))

    @property
    def side(self) -> int:
        """Side of the square scene, pixels."""
        return self.light.shape[0]

    def add_star(self, stamp: Stamp, place: Place) -> None:
        """Add a star, which gets no footprint."""
        light, window = stamp.place(*place, side=self.side)
        self.light[window] += light
        self._brightness[window] += visible(light)

    def add(self, stamp: Stamp, place: Place, *, kind: str) -> None:
        """Add a galaxy and record its footprint.

        A galaxy too faint for a footprint is added without one. A galaxy that cannot be distinguished is not added.

        Parameters
        ----------
        stamp : Stamp
        place : (x, y)
            Position of the stamp's centre, pixels.
        kind : str
            "cutout" or "simulated".
        """
        light, (rows, columns) = stamp.place(*place, side=self.side)
        brightness = visible(light)
        footprint = footprint_of(brightness, noise=self.noise)
        if footprint is not None:
            peak = np.unravel_index(int(brightness.argmax()), brightness.shape)
            top, left = int(peak[0]) + rows.start, int(peak[1]) + columns.start
            scene_footprint = Footprint(footprint.x + columns.start, footprint.y + rows.start, footprint.pixels)
            if self._hides(brightness, (rows, columns), (top, left)) or any(
                footprint_overlap(scene_footprint, other) > LARGEST_OVERLAP for other in self._footprints
            ):
                return
            self._footprints.append(scene_footprint)
            self._kinds.append(kind)
            self._peaks.append((top, left, float(brightness[peak])))
        self.light[rows, columns] += light
        self._brightness[rows, columns] += brightness

    def add_pair(self, first: Stamp, second: Stamp, place: Place, *, offset: Place) -> None:
        """Add two galaxies that touch, the second at `offset` (x, y), pixels, from the first.

        They count as one object if the deblending of source extraction would not split them, otherwise as two.
        """
        joint = add_stamps(first, second, offset)
        brightness = visible(joint.light)
        rise = max(SETTINGS.peak_sigma - DETECTION_SIGMA, DETECTION_SIGMA) * self.noise
        floor = SETTINGS.peak_sigma * self.noise
        segments = divide(
            brightness, brightness >= DETECTION_SIGMA * self.noise, floor=floor, saddle=SETTINGS.saddle, rise=rise
        )
        if segments.max() <= 1:
            self.add(joint, place, kind="simulated")
        else:
            self.add(first, place, kind="simulated")
            self.add(second, (place[0] + offset[0], place[1] + offset[1]), kind="simulated")

    def finish(self, image: NDArray[np.float32]) -> Scene:
        """Return the scene with `image`, shape (side, side, 3), as its image."""
        masks = np.zeros((len(self._kinds), self.side, self.side), dtype=bool)
        times = np.zeros((self.side, self.side), dtype=np.int32)
        for mask, footprint in zip(masks, self._footprints, strict=True):
            footprint.paint(mask)
            times += mask
        boxes = box_edges([footprint.box for footprint in self._footprints]).astype(np.float32)
        is_blended = np.asarray([bool((times[mask] > 1).any()) for mask in masks], dtype=bool)
        return Scene(image, boxes, masks, tuple(self._kinds), is_blended)

    def _hides(self, brightness: NDArray[np.float32], window: tuple[slice, slice], peak: tuple[int, int]) -> bool:
        """Return whether the existing light would hide the new galaxy, or the new galaxy another one."""
        rows, columns = window
        own_brightness = brightness[peak[0] - rows.start, peak[1] - columns.start]
        if own_brightness < LEAST_CONTRAST * self._brightness[peak]:
            return True
        return any(
            brightness[top - rows.start, left - columns.start] * LEAST_CONTRAST > theirs
            for top, left, theirs in self._peaks
            if rows.start <= top < rows.stop and columns.start <= left < columns.stop
        )
