"""The pictures that regions are placed on: their sizes, and where they lie on the sky."""

from __future__ import annotations

from sync.errors.images import ImageError
from sync.errors.sky import SkyError
from sync.export.pictures import Picture
from sync.export.sky import Sky
from sync.geometry.shapes import Size
from sync.regions.gathering import Target
from sync.regions.marks import Canvas, RegionsError
from sync.sky.celestial import CelestialSky
from sync.sky.reader import read_sky
from sync.sky.task_cards import image_cards

__all__ = ["canvas_of"]


def canvas_of(target: Target, picture: Picture | ImageError | None) -> Canvas:
    """Return the picture of an image of a task.

    Its size is that of its file; where that cannot be had, the one in the task's `wcs`, or what a file of regions states.

    Raises
    ------
    RegionsError
        If nothing tells its size, or its sky is needed and cannot be read.
    """
    sky = Sky()
    if target.image.first:
        try:
            sky = Sky.of_task(target.image.task.data)
        except SkyError as error:
            if target.placed_by_sky or any(mark.position is not None for _, mark in target.marks):
                raise RegionsError(str(error)) from error
    size = picture.size if isinstance(picture, Picture) else sky.measured_size or target.size
    if size is None:
        raise RegionsError(f"the size of its picture is not known: {picture or 'it has no picture'}")
    return Canvas(size, _displayed(sky, size))


def _displayed(sky: Sky, size: Size) -> CelestialSky | None:
    """The coordinates of a picture, which may be shown in another size than it was measured."""
    if sky.celestial is None or sky.measured_size in (None, size):
        return sky.celestial
    cards, _ = image_cards(sky.celestial, size)
    return read_sky(cards)
