"""Reads the sky coordinates of a task's image, and an identifier of the file's content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.errors.sky import NoSkyError
from sync.export.image_files import ImageFiles, is_fits
from sync.export.reading.images import is_first, reference_of
from sync.export.sky import NOWHERE, Sky
from sync.images.decode import unpack
from sync.images.fits.axes import plane_header
from sync.images.fits.choice import only_image
from sync.images.fits.headers import read_headers
from sync.images.fits.parts import parts_of
from sync.images.sky import sky_in_file
from sync.labelling.config import LabelConfig
from sync.sky.celestial import CelestialSky

__all__ = ["SkyReader"]


class SkyReader:
    """Reads the sky coordinates of a task from its image if that is a FITS file, else from the task's data.

    Parameters
    ----------
    config : LabelConfig
    image_files : ImageFiles
        Fetches the images.
    needed : bool
        Whether to read a WCS. If false, no image is fetched.
    """

    def __init__(self, config: LabelConfig, image_files: ImageFiles, *, is_needed: bool) -> None:
        self._is_needed = is_needed
        self._config = config
        self._image_files = image_files

    def __call__(self, task: Mapping[str, Any]) -> Sky:
        """Return the sky coordinates of a task's image.

        Raises
        ------
        SkyError, ImageError
            If they cannot be read.
        """
        return self._read(task)[0]

    def try_read(self, task: Mapping[str, Any]) -> tuple[Sky, str]:
        """Return the sky coordinates of a task's image and an identifier of its content, without errors.

        The coordinates are `NOWHERE` if they cannot be read; the second pass reports that. The identifier is the `content_id`
        that an import wrote, else the SHA-256 hash of a FITS file that was read for its header, else empty.
        """
        content_id = _data_of(task).get("content_id")
        read = attempt(lambda: self._read(task))
        sky, content_hash = (NOWHERE, "") if isinstance(read, ImageError) else read
        return sky, content_id if isinstance(content_id, str) and content_id else content_hash

    def _read(self, task: Mapping[str, Any]) -> tuple[Sky, str]:
        data = _data_of(task)
        if not is_first(task):
            data = {**data, "wcs": None}  # an import stores the WCS of the first image only
        if not self._is_needed:
            return Sky.of_task({**data, "wcs": None}), ""
        reference = reference_of(task, self._config)
        if not is_fits(reference):
            return Sky.of_task(data), ""
        try:
            content = self._image_files.fetch(reference)
        except ImageError:
            if not data.get("wcs"):
                raise
            return Sky.of_task(data), ""  # the WCS that an import stored
        return Sky.of_task(data, _image_sky(content)), hashlib.sha256(content).hexdigest()


def _data_of(task: Mapping[str, Any]) -> Mapping[str, Any]:
    data = task.get("data")
    return data if isinstance(data, Mapping) else {}


def _image_sky(content: bytes) -> CelestialSky | None:
    """Return the coordinates of the displayed image of a FITS file; None if its header has none."""
    file = unpack(content)
    headers = read_headers(file)
    if not headers:  # another image format with a FITS suffix
        return None
    first = only_image(parts_of(headers))[0]
    try:
        return sky_in_file(plane_header(first.header, first.shape), file)
    except NoSkyError:
        return None
