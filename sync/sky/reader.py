"""The one reader of sky coordinates: for import, mosaics, display, export and splits.

``read_sky(header)`` gives a `CelestialSky` or raises `SkyError`, and nothing else; ``find_sky(header)`` gives None with the
reason.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io.fits import HDUList, Header
from astropy.io.fits.verify import VerifyError
from astropy.wcs import WCS

from sync.errors.images import DAMAGE
from sync.errors.sky import SkyError
from sync.sky.cards import PROBLEM_CARD, Axes, Value, celestial_axes, image_size, is_number, planar_cards, sky_cards
from sync.sky.celestial import CelestialSky
from sync.sky.checks import POLYNOMIALS, checked_cards
from sync.sky.frames import celestial_frame
from sync.sky.tables import check_tables

__all__ = ["find_sky", "read_sky"]

_LOOKUP_KEYS = ("CPDIS", "DP", "CPERR", "D2IM", "AXISCORR")


def find_sky(header: Header | Mapping[str, Any], file: HDUList | None = None) -> tuple[CelestialSky | None, str]:
    """As `read_sky`, but return None and the reason where there are no coordinates; the reason is empty otherwise."""
    try:
        return read_sky(header, file), ""
    except SkyError as error:
        return None, str(error)


def read_sky(header: Header | Mapping[str, Any], file: HDUList | None = None) -> CelestialSky:
    """Read where an image lies on the sky.

    Parameters
    ----------
    header : Header or mapping
        Of the image, also of one that is stored compressed; or the cards that a task keeps.
    file : HDUList, optional
        The open file, for distortions that are lookup tables in further extensions (CPDIS, D2IM). Without it they are left out,
        and `CelestialSky.omitted` names them.

    Raises
    ------
    SkyError
        If there are no celestial coordinates that can be computed; one sentence.
    """
    try:
        cards = sky_cards(header)
        noted = str(cards.pop(PROBLEM_CARD, ""))
        axes = celestial_axes(cards)
        size = _size(cards, axes)
        plane = checked_cards(planar_cards(cards, axes), axes, size)
        wcs, plane, omitted = _distorted(plane, file, size)
        omitted = (noted, *omitted) if noted else omitted
        sky = CelestialSky(wcs, celestial_frame(wcs, plane), axes, size, omitted, plane)
        # Raises here, where the file can be named, what an impossible equinox raises.
        sky.positions(np.zeros(1), np.zeros(1))
    except SkyError:
        raise
    except (VerifyError, *DAMAGE) as error:
        raise SkyError(f"the WCS cannot be read: {_sentence(error)}") from error
    if not abs(np.linalg.det(wcs.pixel_scale_matrix)) > 0:
        raise SkyError("the WCS gives a pixel no area on the sky: CD1_1 to CD2_2, or CDELT1 and CDELT2, must span it")
    return sky


def _size(cards: Mapping[str, Value], axes: Axes) -> tuple[int, int] | None:
    if (axes.first, axes.second) == (1, 2):
        return image_size(cards)
    prefix = "Z" if cards.get("ZIMAGE") is True else ""
    return image_size({f"NAXIS{n}": cards.get(f"{prefix}NAXIS{axis}", 0) for n, axis in ((1, axes.first), (2, axes.second))})


def _distorted(
    plane: dict[str, Value], file: HDUList | None, size: tuple[int, int] | None
) -> tuple[WCS, dict[str, Value], tuple[str, ...]]:
    """Make a WCS with all distortions that can be had; return it, the cards of which it is made, and what is left out."""
    omitted = []
    tables = [key for key in plane if key.startswith(_LOOKUP_KEYS)]
    reason = check_tables(plane, file) if tables else ""
    if reason:
        omitted.append(reason)
        plane = _without(plane, tables)
    if unapplied := _unknown_distortion(plane):
        omitted.append(unapplied)
    polynomials = [key for key in plane if key.startswith((*POLYNOMIALS, "WAT"))]
    if not polynomials:
        return _wcs(plane, file, size), plane, tuple(omitted)
    try:
        if bad := next((key for key in polynomials if key.startswith(POLYNOMIALS) and not is_number(plane[key])), ""):
            raise SkyError(f"{bad} = {plane[bad]!r} is no finite number")
        return _wcs(plane, file, size), plane, tuple(omitted)
    except DAMAGE as error:
        plane = _without(plane, polynomials)
        wcs = _wcs(plane, file, size)
        omitted.append(f"the distortion {polynomials[0]} is left out: {_sentence(error)}")
        return wcs, plane, tuple(omitted)


def _without(plane: Mapping[str, Value], keys: list[str]) -> dict[str, Value]:
    return {key: value for key, value in plane.items() if key not in keys}


def _unknown_distortion(plane: Mapping[str, Value]) -> str:
    """Name a projection of IRAF whose distortion is not in the header."""
    for key in ("CTYPE1", "CTYPE2"):
        if str(plane[key]).endswith(("-TNX", "-ZPX")) and not any(name.startswith("WAT") for name in plane):
            return f"the distortion of {key} = {plane[key]!r} is left out: the header has no WAT cards, which give it"
    return ""


def _wcs(plane: Mapping[str, Value], file: HDUList | None, size: tuple[int, int] | None) -> WCS:
    header = Header()
    header["WCSAXES"] = 2
    for key, value in plane.items():
        header[key] = value
    if "A_ORDER" in plane and str(plane["CTYPE1"]).endswith("-TAN") and str(plane["CTYPE2"]).endswith("-TAN"):
        # astropy applies the polynomial all the same, and says so at length for every image.
        header["CTYPE1"], header["CTYPE2"] = f"{plane['CTYPE1']}-SIP", f"{plane['CTYPE2']}-SIP"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy mends units and projections aloud
        wcs = WCS(header, fobj=file)
        if size is not None:
            _centre(wcs, size)
        wcs.wcs.set()
    if not (wcs.naxis == 2 and wcs.has_celestial):
        raise SkyError(f"astropy finds no celestial axes in CTYPE1 = {plane['CTYPE1']!r}, CTYPE2 = {plane['CTYPE2']!r}")
    wcs.array_shape = None if size is None else size[::-1]
    return wcs


def _centre(wcs: WCS, size: tuple[int, int]) -> None:
    """Move the reference point of a cylindrical map of the whole sky from its edge: astropy reads only half of it otherwise."""
    with contextlib.suppress(*DAMAGE):  # of a map whose corners lie off the sky, which needs nothing
        wcs.wcs.bounds_check(False, False)  # its columns beyond 180 degrees are what this is about
        wcs.wcs.cylfix(np.array(size, dtype=np.intc))
    wcs.wcs.bounds_check(True, True)


def _sentence(error: BaseException) -> str:
    """The last line of what astropy says: the first ones name lines of its C sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else repr(error)
