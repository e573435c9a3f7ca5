"""Reads where a task's image lies on the sky, and on the way which file it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.errors.sky import NoSkyError
from sync.export.pictures import Pictures, is_fits
from sync.export.reading.images import is_first, reference_of
from sync.export.sky import NOWHERE, Sky
from sync.images.decode import unpacked
from sync.images.fits.axes import plane_header
from sync.images.fits.headers import read_headers
from sync.images.fits.parts import only_picture, parts_of
from sync.images.sky import sky_in_file
from sync.labelling.config import LabelConfig
from sync.sky.celestial import CelestialSky

__all__ = ["SkyReader"]


class SkyReader:
    """Reads a task's place from its image where that is a FITS file, else from its data.

    Parameters
    ----------
    config : LabelConfig
    pictures : Pictures
    wanted : bool
        Whether a WCS is: without, no image is fetched.
    """

    def __init__(self, config: LabelConfig, pictures: Pictures, *, wanted: bool) -> None:
        self._wanted = wanted
        self._config = config
        self._pictures = pictures

    def __call__(self, task: Mapping[str, Any]) -> Sky:
        """Return the place.

        Raises
        ------
        SkyError, ImageError
            If it cannot be read.
        """
        return self._read(task)[0]

    def quietly(self, task: Mapping[str, Any]) -> tuple[Sky, str]:
        """Return the place, nowhere if it cannot be read (the second pass reports that), and what the file is known by.

        That is the `content_id` that an import wrote, or a hash of the bytes where they are read for their header anyway;
        else empty.
        """
        known = _data_of(task).get("content_id")
        read = attempt(lambda: self._read(task))
        sky, hashed = (NOWHERE, "") if isinstance(read, ImageError) else read
        return sky, known if isinstance(known, str) and known else hashed

    def _read(self, task: Mapping[str, Any]) -> tuple[Sky, str]:
        data = _data_of(task)
        if not is_first(task):
            data = {**data, "wcs": None}  # which an import keeps of the first image
        if not self._wanted:
            return Sky.of_task({**data, "wcs": None}), ""
        reference = reference_of(task, self._config)
        if not is_fits(reference):
            return Sky.of_task(data), ""
        try:
            content = self._pictures.fetch(reference)
        except ImageError:
            if not data.get("wcs"):
                raise
            return Sky.of_task(data), ""  # what an import kept of the header
        return Sky.of_task(data, _image_sky(content)), hashlib.sha256(content).hexdigest()


def _data_of(task: Mapping[str, Any]) -> Mapping[str, Any]:
    data = task.get("data")
    return data if isinstance(data, Mapping) else {}


def _image_sky(content: bytes) -> CelestialSky | None:
    """The coordinates of the image of a FITS file that is shown; None where its header does not speak of any."""
    file = unpacked(content)
    headers = read_headers(file)
    if not headers:  # a picture that is only called FITS
        return None
    first = only_picture(parts_of(headers))[0]
    try:
        return sky_in_file(plane_header(first.header, first.shape), file)
    except NoSkyError:
        return None
