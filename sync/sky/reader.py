"""Reader of sky coordinates for import, mosaics, display, export and splits.

``read_sky(header)`` returns a `CelestialSky` or raises `SkyError`; ``find_sky(header)`` returns None and the reason instead.
"""

from __future__ import annotations

import contextlib
import re
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
from sync.sky.checks import POLYNOMIALS, check_cards
from sync.sky.frames import celestial_frame
from sync.sky.tables import check_tables

__all__ = ["find_sky", "read_sky"]

PLAIN_TYPE = re.compile(r"[A-Z]+-+([A-Z]{3})")
"""A coordinate type without the suffix of a distortion, such as ``RA---TAN``."""
WITH_OWN_DISTORTION = ("TPV", "TPD", "TNX", "ZPX", "TAB")
_LOOKUP_KEYS = ("CPDIS", "DP", "CPERR", "D2IM", "AXISCORR")


def find_sky(header: Header | Mapping[str, Any], file: HDUList | None = None) -> tuple[CelestialSky | None, str]:
    """Return the result of `read_sky` and an empty string, or None and the reason if there are no coordinates."""
    try:
        return read_sky(header, file), ""
    except SkyError as error:
        return None, str(error)


def read_sky(header: Header | Mapping[str, Any], file: HDUList | None = None) -> CelestialSky:
    """Read the celestial coordinates of an image.

    Parameters
    ----------
    header : Header or mapping
        Header of the image, which may be compressed; or the cards that a task contains.
    file : HDUList, optional
        The open file, for distortions in lookup tables of other extensions (CPDIS, D2IM). Without it they are omitted and
        listed in `CelestialSky.omissions`.

    Raises
    ------
    SkyError
        If the celestial coordinates cannot be computed.
    """
    try:
        cards = sky_cards(header)
        problem = str(cards.pop(PROBLEM_CARD, ""))
        axes = celestial_axes(cards)
        size = _size(cards, axes)
        plane = check_cards(planar_cards(cards, axes), axes, size)
        wcs, plane, omitted_distortions = _apply_distortions(plane, file, size)
        omitted_distortions = (problem, *omitted_distortions) if problem else omitted_distortions
        sky = CelestialSky(wcs, celestial_frame(wcs, plane), axes, size, omitted_distortions, plane)
        # An invalid equinox raises its error in this call, so that the caller can name the file.
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


def _apply_distortions(
    plane: dict[str, Value], file: HDUList | None, size: tuple[int, int] | None
) -> tuple[WCS, dict[str, Value], tuple[str, ...]]:
    """Return a WCS with all distortions that can be read, its cards, and a sentence for each omitted part."""
    omitted_distortions = []
    tables = [key for key in plane if key.startswith(_LOOKUP_KEYS)]
    reason = check_tables(plane, file) if tables else ""
    if reason:
        omitted_distortions.append(reason)
        plane = _without(plane, tables)
    if unapplied_distortion := _unknown_distortion(plane):
        omitted_distortions.append(unapplied_distortion)
    polynomials = [key for key in plane if key.startswith((*POLYNOMIALS, "WAT"))]
    if not polynomials:
        return _wcs(plane, file, size), plane, tuple(omitted_distortions)
    try:
        if faulty_key := next((key for key in polynomials if key.startswith(POLYNOMIALS) and not is_number(plane[key])), ""):
            raise SkyError(f"{faulty_key} = {plane[faulty_key]!r} is not a finite number")
        return _wcs(plane, file, size), plane, tuple(omitted_distortions)
    except DAMAGE as error:
        plane = _without(plane, polynomials)
        wcs = _wcs(plane, file, size)
        omitted_distortions.append(f"the distortion {polynomials[0]} is left out: {_sentence(error)}")
        return wcs, plane, tuple(omitted_distortions)


def _without(plane: Mapping[str, Value], keys: list[str]) -> dict[str, Value]:
    return {key: value for key, value in plane.items() if key not in keys}


def _unknown_distortion(plane: Mapping[str, Value]) -> str:
    """Return a sentence if the header lacks the cards of IRAF's TNX or ZPX distortion; empty otherwise."""
    for key in ("CTYPE1", "CTYPE2"):
        if str(plane[key]).endswith(("-TNX", "-ZPX")) and not any(name.startswith("WAT") for name in plane):
            return f"the distortion of {key} = {plane[key]!r} is left out: the header has no WAT cards, which give it"
    return ""


def _wcs(plane: Mapping[str, Value], file: HDUList | None, size: tuple[int, int] | None) -> WCS:
    header = Header()
    header["WCSAXES"] = 2
    for key, value in plane.items():
        header[key] = value
    codes = {PLAIN_TYPE.sub(r"\1", str(plane[key])) for key in ("CTYPE1", "CTYPE2")}
    if "A_ORDER" in plane and len(codes) == 1 and len(code := codes.pop()) == 3 and code not in WITH_OWN_DISTORTION:
        # Without the suffix astropy also applies the polynomial, but logs a long message for every image.
        header["CTYPE1"], header["CTYPE2"] = f"{plane['CTYPE1']}-SIP", f"{plane['CTYPE2']}-SIP"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns about each corrected unit and projection
        wcs = WCS(header, fobj=file)
        if size is not None:
            _move_reference_point(wcs, size)
        wcs.wcs.set()
    if not (wcs.naxis == 2 and wcs.has_celestial):
        raise SkyError(f"astropy finds no celestial axes in CTYPE1 = {plane['CTYPE1']!r}, CTYPE2 = {plane['CTYPE2']!r}")
    wcs.array_shape = None if size is None else size[::-1]
    return wcs


def _move_reference_point(wcs: WCS, size: tuple[int, int]) -> None:
    """Move the reference point of a cylindrical map away from its edge, where astropy would transform only half of the map."""
    with contextlib.suppress(*DAMAGE):  # a map whose corners are outside the sky needs no change
        wcs.wcs.bounds_check(False, False)  # columns beyond 180 degrees are expected here
        wcs.wcs.cylfix(np.array(size, dtype=np.intc))
    wcs.wcs.bounds_check(True, True)


def _sentence(error: BaseException) -> str:
    """Return the last line of an error message of astropy; the first ones refer to lines of C sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else repr(error)
