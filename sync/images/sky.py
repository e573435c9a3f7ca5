"""Where on the sky an image lies: what a task keeps of a FITS header's world coordinates."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from astropy.io import fits

from sync.errors.images import DAMAGE
from sync.errors.sky import NoSkyError, SkyError
from sync.sky.celestial import CelestialSky
from sync.sky.reader import read_sky
from sync.sky.tables import wants_tables
from sync.sky.task_cards import task_cards

__all__ = ["sky_in_file", "sky_of"]


def sky_of(header: fits.Header, content: bytes | None = None) -> dict[str, Any]:
    """Say where an image lies, as it stands in a task's data.

    Parameters
    ----------
    header : Header
        Of an image of at least two axes.
    content : bytes, optional
        The whole file, whose further extensions may hold lookup tables of a distortion.

    Returns
    -------
    dict
        `ra` and `dec` of the middle, degrees, ICRS; `pixel_scale_arcsec`; `wcs`, the cards of the FITS array as numbers and
        texts, `NAXIS1` and `NAXIS2` among them. Rows are counted as FITS counts them, from the bottom of what is shown.
        `sky_problem` says what of the header's coordinates is left out, where something is. Empty where the header does not
        speak of coordinates.
    """
    try:
        sky = sky_in_file(header, content)
        cards, problems = task_cards(sky)
    except NoSkyError:
        return {}
    except SkyError as error:
        return {"sky_problem": str(error)}
    problem = {"sky_problem": "; ".join(problems)} if problems else {}
    width, height = cards["NAXIS1"], cards["NAXIS2"]
    (place,) = sky.positions((width - 1) / 2, (height - 1) / 2)
    scale = sky.pixel_scale_arcsec
    if not np.isfinite([*place, scale]).all():  # the middle of a mosaic of which a corner is on the sky
        return {"wcs": cards} | problem
    return {"ra": float(place[0]), "dec": float(place[1]), "pixel_scale_arcsec": scale, "wcs": cards} | problem


def sky_in_file(header: fits.Header, content: bytes | None) -> CelestialSky:
    """Read the coordinates of an image, with the lookup tables that the file holds.

    Raises
    ------
    SkyError
        If there are none that can be computed, or they are of other axes than the two that are shown.
    """
    if content is None or not wants_tables(header):
        sky = read_sky(header)
    else:
        try:
            with fits.open(io.BytesIO(content), memmap=False) as file:
                sky = read_sky(header, file)
        except SkyError:
            raise
        except DAMAGE:  # of another extension
            sky = read_sky(header)
    if (sky.axes.first, sky.axes.second) != (1, 2):
        raise SkyError(f"the axes of the sky are {sky.axes.first} and {sky.axes.second}, and the image shows axes 1 and 2")
    return sky
