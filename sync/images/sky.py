"""Sky coordinates of an imported image, from its FITS header to the data of a task."""

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

__all__ = ["describe_sky", "sky_in_file", "sky_of"]


def sky_of(header: fits.Header, content: bytes | None = None) -> dict[str, Any]:
    """Return the sky coordinates of an image for a task's data.

    Parameters
    ----------
    header : Header
        Header of an image with at least two axes.
    content : bytes, optional
        Content of the file, whose other extensions may contain lookup tables of a distortion.

    Returns
    -------
    dict
        `ra` and `dec` of the centre, degrees, ICRS; `pixel_scale_arcsec`; `wcs`, the header cards as numbers and strings,
        including `NAXIS1` and `NAXIS2`, with rows counted as in FITS, from the bottom of the displayed image; `sky_problem`, a
        sentence about omitted or unreadable coordinates, if there are any. Empty if the header has no coordinates.
    """
    try:
        sky = sky_in_file(header, content)
        cards, problems = task_cards(sky)
    except NoSkyError:
        return {}
    except SkyError as error:
        return {"sky_problem": str(error)}
    except DAMAGE as error:  # of numpy and astropy, for senseless numbers in the header
        return {"sky_problem": f"the coordinates of the header cannot be computed ({type(error).__name__})"}
    problem = {"sky_problem": "; ".join(problems)} if problems else {}
    width, height = cards["NAXIS1"], cards["NAXIS2"]
    (place,) = sky.positions((width - 1) / 2, (height - 1) / 2)
    scale = sky.pixel_scale_arcsec
    if not np.isfinite([*place, scale]).all():  # the centre is outside the map, for example of a mosaic
        return {"wcs": cards} | problem
    return {"ra": float(place[0]), "dec": float(place[1]), "pixel_scale_arcsec": scale, "wcs": cards} | problem


def sky_in_file(header: fits.Header, content: bytes | None) -> CelestialSky:
    """Read the coordinates of an image, with the lookup tables in its file.

    Raises
    ------
    SkyError
        If the coordinates cannot be computed, or do not refer to axes 1 and 2, which are displayed.
    """
    if content is None or not wants_tables(header):
        sky = read_sky(header)
    else:
        try:
            with fits.open(io.BytesIO(content), memmap=False) as file:
                sky = read_sky(header, file)
        except SkyError:
            raise
        except DAMAGE:  # another extension is damaged
            sky = read_sky(header)
    if (sky.axes.first, sky.axes.second) != (1, 2):
        raise SkyError(f"the axes of the sky are {sky.axes.first} and {sky.axes.second}, and the image shows axes 1 and 2")
    return sky


def describe_sky(header: fits.Header, content: bytes, shape: tuple[int, ...]) -> tuple[dict[str, Any], list[str]]:
    """Describe the sky coordinates of an image of `shape` (height, width) for a reader.

    Returns
    -------
    (dict, list of str)
        `ra`, `dec`, `pixel_scale_arcsec`, `rotation_deg`, `east`, `frame` and `projection`, empty without coordinates; and a
        sentence for each omitted part.
    """
    data = sky_of(header, content)
    problems = [str(data["sky_problem"])] if "sky_problem" in data else []
    if "ra" not in data:
        return {}, problems or ["the header has no celestial coordinates"]
    try:
        sky = sky_in_file(header, content)
    except SkyError as error:
        return {}, [str(error)]
    height, width = shape
    x, y = (width - 1) / 2, (height - 1) / 2
    (ra, dec), (ra_up, dec_up), (ra_right, dec_right) = np.radians(
        sky.positions(np.array([x, x, x + 1]), np.array([y, y + 1, y]))
    )
    up = np.array([_east(ra_up - ra) * np.cos(dec), dec_up - dec])
    right = np.array([_east(ra_right - ra) * np.cos(dec), dec_right - dec])
    return {
        **{name: data[name] for name in ("ra", "dec", "pixel_scale_arcsec")},
        # Position angle of the image's upward direction, from north through east.
        "rotation_deg": round(float(np.degrees(np.arctan2(up[0], up[1]))), 4) + 0.0,
        "east": "left of north" if right[0] * up[1] - right[1] * up[0] < 0 else "right of north, mirrored",
        "frame": sky.frame.name.upper() if hasattr(sky.frame, "name") else str(sky.frame),
        "projection": str(sky.wcs.wcs.ctype[sky.wcs.wcs.lng]),
    }, problems


def _east(difference: float) -> float:
    return float((difference + np.pi) % (2 * np.pi) - np.pi)
