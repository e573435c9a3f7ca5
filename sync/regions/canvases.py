"""Canvases: the size and the sky coordinates of the images that regions are placed on."""

from __future__ import annotations

from sync.errors.images import ImageError
from sync.errors.sky import SkyError
from sync.export.image_files import ImageFile
from sync.export.sky import Sky
from sync.geometry.shapes import Size
from sync.regions.gathering import ImageRegions
from sync.regions.marks import Canvas, RegionsError
from sync.sky.celestial import CelestialSky
from sync.sky.reader import read_sky
from sync.sky.task_cards import image_cards

__all__ = ["canvas_of"]


def canvas_of(target: ImageRegions, image_file: ImageFile | ImageError | None) -> Canvas:
    """Return the canvas of a task's image.

    Its size is that of the image file; if that cannot be read, the size in the task's `wcs`, else that in a file of regions.

    Parameters
    ----------
    target : ImageRegions
    image_file : ImageFile, ImageError or None
        The image file, or the error if it cannot be read.

    Raises
    ------
    RegionsError
        If the size is unknown, or if a mark needs the WCS and it cannot be read.
    """
    sky = Sky()
    if target.image.first:
        try:
            sky = Sky.of_task(target.image.task.data)
        except SkyError as error:
            if target.placed_by_sky or any(mark.position is not None for _, mark in target.marks):
                raise RegionsError(str(error)) from error
    size = image_file.size if isinstance(image_file, ImageFile) else sky.measured_size or target.size
    if size is None:
        raise RegionsError(f"the size of its image is unknown: {image_file or 'the task has no image'}")
    return Canvas(size, _scale_sky(sky, size))


def _scale_sky(sky: Sky, size: Size) -> CelestialSky | None:
    """Return the WCS of an image scaled to its displayed `size`, (width, height) in pixels."""
    if sky.celestial is None or sky.measured_size in (None, size):
        return sky.celestial
    cards, _ = image_cards(sky.celestial, size)
    return read_sky(cards)
