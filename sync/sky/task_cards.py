"""Coordinates of an image as header cards from which astropy computes the same coordinates.

The cards keep all digits; `WCS.to_header` of astropy 8.0.2 rounds to 12 digits, an error of 4e-6 arcsec in right ascension.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from sync.errors.sky import SkyError
from sync.sky.celestial import CelestialSky
from sync.sky.fitting import fit_cards

__all__ = ["image_cards", "task_cards", "window_cards"]

EXACT_ARCSEC = 1e-6
"""Largest deviation of cards that count as exact, arcsec."""

_REPLACED = ("CRVAL", "CRPIX", "CDELT", "CROTA", "CUNIT", "CD", "PC")
_OMITTED = ("CPDIS", "CPERR", "DP", "D2IM", "AXISCORR", "DVERR", "PROJP")
_PLATE = "AMDX1"
"""Card of a plate solution, which counts pixels from a corner of the plate."""


def task_cards(sky: CelestialSky) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the cards of an image for a task, and sentences about what they omit.

    Returns
    -------
    cards : dict
        With a CD matrix, degrees, `NAXIS1` and `NAXIS2`.
    problems : tuple of str
        A sentence for each part of a distortion that the cards do not represent exactly.

    Raises
    ------
    SkyError
        If the size of the image is unknown.
    """
    if sky.size is None:
        raise SkyError("the header does not give the size of the image: NAXIS1 and NAXIS2 must be whole numbers above 0")
    return window_cards(sky, (0, 0), sky.size)


def window_cards(sky: CelestialSky, corner: tuple[int, int], size: tuple[int, int]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the cards of a part of an image, and sentences about what they omit, like `task_cards`.

    Parameters
    ----------
    sky : CelestialSky
    corner : (column, row)
        First pixel of the part, counted from 0; may be beyond the edge.
    size : (width, height)
        Size of the part, pixels.
    """
    cards, problems = _exact_cards(sky), sky.omissions
    if sky.has_tables or _PLATE in sky.cards:
        try:
            fitted_cards, residual = fit_cards(sky, size, corner)
        except SkyError as error:
            problems = (*problems, str(error))
        else:
            sentence = f"a polynomial replaces the distortion and deviates by at most {residual:.1g} arcsec"
            return fitted_cards | _size_cards(size), (*problems, sentence) if residual > EXACT_ARCSEC else problems
    elif str(sky.wcs.wcs.lngtyp).strip() not in ("RA", "GLON"):
        # Some programs treat ecliptic axes as equatorial ones, so equatorial cards are written if they are exact.
        with contextlib.suppress(SkyError):
            fitted_cards, residual = fit_cards(sky, size, corner)
            if residual < EXACT_ARCSEC:
                return fitted_cards | _size_cards(size), problems
    for axis in (1, 2):
        cards[f"CRPIX{axis}"] -= corner[axis - 1]
    return cards | _size_cards(size), problems


def image_cards(sky: CelestialSky, size: tuple[int, int]) -> dict[str, Any]:
    """Return the cards of an image that is displayed at `size` (width, height)."""
    image_size = sky.size or size
    cards, _ = window_cards(sky, (0, 0), image_size)
    zoom = np.array(size) / image_size
    if (zoom != 1).any():
        for axis in (1, 2):
            cards[f"CRPIX{axis}"] = float((cards[f"CRPIX{axis}"] - 0.5) * zoom[axis - 1] + 0.5)
            for row in (1, 2):
                cards[f"CD{row}_{axis}"] = float(cards[f"CD{row}_{axis}"] / zoom[axis - 1])
        _scale_polynomials(cards, zoom)
    return cards | _size_cards(size)


def _size_cards(size: tuple[int, int]) -> dict[str, int]:
    return {"NAXIS": 2, "NAXIS1": int(size[0]), "NAXIS2": int(size[1])}


def _exact_cards(sky: CelestialSky) -> dict[str, Any]:
    wcs = sky.wcs.wcs
    cards = {key: value for key, value in sky.cards.items() if not key.startswith((*_REPLACED, *_OMITTED)) and key != "WCSAXES"}
    matrix = sky.wcs.pixel_scale_matrix
    return {
        "WCSAXES": 2,
        **cards,
        **{f"CRPIX{axis + 1}": float(wcs.crpix[axis]) for axis in range(2)},
        **{f"CRVAL{axis + 1}": float(wcs.crval[axis]) for axis in range(2)},
        **{f"CUNIT{axis + 1}": "deg" for axis in range(2)},
        **{f"CD{row + 1}_{column + 1}": float(matrix[row, column]) for row in range(2) for column in range(2)},
        # wcslib represents undefined values, such as those of axes without a projection, by a very large number.
        **{name: pole for name, pole in (("LONPOLE", float(wcs.lonpole)), ("LATPOLE", float(wcs.latpole))) if abs(pole) <= 360},
    }


def _scale_polynomials(cards: dict[str, Any], zoom: Any) -> None:
    """Rescale the SIP polynomials in `cards` to pixels that are smaller by the factors `zoom`."""
    for key in [key for key in cards if key[:2] in ("A_", "B_") or key[:3] in ("AP_", "BP_")]:
        name, *powers = key.split("_")
        if len(powers) == 2 and all(power.isdigit() for power in powers):
            zoom_of_axis = zoom[0 if name.startswith("A") else 1]
            cards[key] = float(cards[key] * zoom_of_axis / (zoom[0] ** int(powers[0]) * zoom[1] ** int(powers[1])))
