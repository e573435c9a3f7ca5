"""Fit of SIP polynomials to a distortion that header cards cannot represent: lookup tables and plate solutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.errors.sky import SkyError
from sync.sky.celestial import ARCSEC_A_DEGREE, CelestialSky

__all__ = ["fit_cards"]

ORDER = 5
SMALLEST_PX = 4.0
"""Half the side of the smallest area of a fit, pixels; a slope cannot be fitted to a single pixel."""
GRID = 25
"""Points per side of the grid for the fit; the deviation is measured on twice as many."""


def fit_cards(sky: CelestialSky, size: tuple[int, int], corner: tuple[int, int] = (0, 0)) -> tuple[dict[str, Any], float]:
    """Fit a tangent projection with SIP polynomials to the coordinates of an image.

    Parameters
    ----------
    sky : CelestialSky
    size : (width, height)
        Size of the image or of a part of it, pixels.
    corner : (column, row)
        First pixel of the part; the cards count from it.

    Returns
    -------
    cards : dict
        Cards of a header, ICRS.
    residual : float
        Largest deviation on a grid of pixels, arcsec.

    Raises
    ------
    SkyError
        If pixels of the image are outside the projection, or have no area.
    """
    middle = (np.array(size) - 1) / 2
    (centre,) = sky.positions(*(middle + corner))
    powers = [(p, q) for total in range(1, ORDER + 1) for p in range(total, -1, -1) for q in [total - p]]
    reach = np.maximum(middle, SMALLEST_PX)
    pixels, plane = _grid(sky, size, corner, centre, GRID)
    coefficients, *_ = np.linalg.lstsq(_terms((pixels - middle) / reach, powers), plane, rcond=None)
    test_pixels, expected_sky = _grid(sky, size, corner, centre, 2 * GRID)
    fitted_sky = _terms((test_pixels - middle) / reach, powers) @ coefficients
    residual = float(np.hypot(*(fitted_sky - expected_sky).T).max()) * ARCSEC_A_DEGREE
    terms = {power: value / np.prod(reach ** np.array(power)) for power, value in zip(powers, coefficients, strict=True)}
    matrix = np.stack([terms[1, 0], terms[0, 1]], axis=1)
    if not abs(np.linalg.det(matrix)) > 0:
        raise SkyError("the distortion cannot be fitted: the middle pixel of the image has no area on the sky")
    cards: dict[str, Any] = {"WCSAXES": 2, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "RADESYS": "ICRS"}
    for axis in range(2):
        cards |= {
            f"CRPIX{axis + 1}": float(middle[axis] + 1),
            f"CRVAL{axis + 1}": float(centre[axis]),
            f"CUNIT{axis + 1}": "deg",
        }
        cards |= {f"CD{axis + 1}_{column + 1}": float(matrix[axis, column]) for column in range(2)}
    cards |= {"A_ORDER": ORDER, "B_ORDER": ORDER}
    for p, q in powers:
        if p + q > 1:
            a, b = np.linalg.solve(matrix, terms[p, q])
            cards |= {f"A_{p}_{q}": float(a), f"B_{p}_{q}": float(b)}
    return cards, residual


def _grid(
    sky: CelestialSky, size: tuple[int, int], corner: tuple[int, int], centre: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pixels and their tangent-plane coordinates around `centre`, degrees; both of shape (n, 2)."""
    middle = (np.array(size) - 1) / 2
    first, last = middle - np.maximum(middle, SMALLEST_PX), middle + np.maximum(middle, SMALLEST_PX)
    columns, rows = np.meshgrid(*(np.linspace(first[axis], last[axis], count) for axis in range(2)))
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
    ra, dec = np.radians(sky.positions(*(pixels + corner).T)).T
    ra0, dec0 = np.radians(centre)
    depth = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra - ra0)
    if not (depth > 0).all():  # also False for NaN
        raise SkyError("the distortion cannot be fitted: a part of the image lies off the sky")
    east = np.cos(dec) * np.sin(ra - ra0) / depth
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra - ra0)) / depth
    return pixels, np.degrees(np.stack([east, north], axis=1))


def _terms(points: NDArray[np.float64], powers: list[tuple[int, int]]) -> NDArray[np.float64]:
    return np.stack([points[:, 0] ** p * points[:, 1] ** q for p, q in powers], axis=1)
