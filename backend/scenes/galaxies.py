"""Simulated galaxies: Sersic bulges and discs with inclination, spiral arms, bars, rings, knots and dust.

They are not a physical model. They cover all kinds of outlines, sizes and brightnesses, with known true values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.scenes.shapes import Shape
from backend.scenes.stamp import Stamp, centred_grid, rotate

__all__ = ["draw_form", "draw_galaxy", "sersic"]

KINDS = ("elliptical", "disc", "edge_on", "irregular")
SHARES = (0.35, 0.35, 0.18, 0.12)
SURFACE_BRIGHTNESS = (-1.95, -0.45)
"""Range of log10(light) at the effective radius: from just above the sky noise to the brightest galaxies of SDSS images."""
OLD_COLOUR = (1.28, 1.0, 0.68)
YOUNG_COLOUR = (0.92, 1.0, 1.06)
COLOUR_SCATTER = 0.1
LARGEST_HALF_PX = 400
PLAIN_SHARE, IRREGULAR_SHARE, EDGE_ON_BELOW = 0.3, 0.15, 0.3
"""Of the galaxies of a given shape: the share of Sersic profiles without structure, of irregular galaxies among the rest, and
the axis ratio below which a disc is seen edge-on."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Pixel coordinates, orientation and size of a galaxy.

    Attributes
    ----------
    x, y : ndarray, shapes (1, n) and (n, 1)
        Offsets from the centre, pixels.
    angle : float
        Position angle of the long axis, radians.
    radius : float
        Effective radius along the long axis, pixels.
    """

    x: Plane
    y: Plane
    angle: float
    radius: float

    def elliptical(self, q: float) -> tuple[Plane, Plane, Plane]:
        """Return radius (effective radii) and both coordinates (pixels) in the galaxy's plane, seen with axis ratio `q`."""
        along, across = rotate(self.x, self.y, self.angle)
        across = across / np.float32(q)
        # Softening by a third of a pixel accounts for the pixel size; without it, a cusp depends on its subpixel position.
        return np.sqrt(along**2 + across**2 + np.float32(0.1)) / np.float32(self.radius), along, across


def sersic(radius: NDArray[np.floating], *, index: float) -> Plane:
    """Compute a Sersic profile, normalised to 1 at the effective radius.

    Parameters
    ----------
    radius : ndarray
        Units of the effective radius.
    index : float
        Sersic index, 0.5 to 10: 1 is an exponential disc, 4 the de Vaucouleurs law.

    References
    ----------
    Graham & Driver (2005), PASA 22, 118, eq. 1; Ciotti & Bertin (1999), A&A 352, 447, eq. 18 (to third order).
    """
    b = 2 * index - 1 / 3 + 4 / (405 * index) + 46 / (25515 * index**2)
    profile: Plane = np.exp(np.float32(-b) * (radius.astype(np.float32) ** np.float32(1 / index) - np.float32(1)))
    return profile


def draw_galaxy(rng: np.random.Generator, *, radius: float, psf: float) -> Stamp:
    """Simulate a galaxy.

    Parameters
    ----------
    rng : Generator
    radius : float
        Effective radius along the long axis, pixels.
    psf : float
        Standard deviation of the point spread function, pixels.
    """
    kind = KINDS[rng.choice(len(KINDS), p=SHARES)]
    half = min(math.ceil((7 if kind == "elliptical" else 4) * radius + 4 * psf), LARGEST_HALF_PX)
    shift = (rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5))
    x, y = centred_grid(half, shift=shift)
    frame = _Frame(x, y, rng.uniform(0, math.pi), radius)
    old, young = PARTS[kind](rng, frame)
    # Galaxies with a large apparent size are nearby, and surveys select nearby galaxies by brightness.
    low, high = SURFACE_BRIGHTNESS
    decades = rng.uniform(low + 0.25 * min(radius / 20, 1), high) - (0.4 if kind == "elliptical" else 0)
    light = np.zeros((*old.shape, 3), dtype=np.float32)
    for part, colour in ((old, OLD_COLOUR), (young, YOUNG_COLOUR)):
        if part is not None:
            light += ndimage.gaussian_filter(part, psf, truncate=3.5)[..., None] * _scatter(rng, colour)
    return Stamp(light * np.float32(10**decades), (half + shift[0], half + shift[1]))


def draw_form(
    rng: np.random.Generator, shape: Shape, *, radius: float, half: int, shift: tuple[float, float]
) -> list[tuple[Plane, NDArray[np.float32]]]:
    """Simulate a galaxy of a given shape, without a point spread function.

    A high Sersic index gives an elliptical galaxy with exactly this shape; other galaxies are discs or irregular galaxies, and
    edge-on discs if the axis ratio is small.

    Parameters
    ----------
    rng : Generator
    shape : Shape
        Its radius is not used.
    radius : float
        Effective radius along the long axis, pixels.
    half, shift : int, (float, float)
        The planes have the side 2 `half` + 1; the centre is `shift` (x, y) pixels from that of the middle pixel.

    Returns
    -------
    list of (plane, colour)
        Light of the old and of the young stars, in arbitrary units; colours have the mean 1.
    """
    x, y = centred_grid(half, shift=shift)
    frame = _Frame(x, y, rng.uniform(0, math.pi), radius)
    if shape.index > rng.uniform(1.5, 3.0) or rng.random() < PLAIN_SHARE:
        parts: Parts = sersic(frame.elliptical(shape.q)[0], index=shape.index), None
    elif shape.q < EDGE_ON_BELOW:
        parts = _edge_on(rng, frame)
    else:
        parts = _irregular(rng, frame) if rng.random() < IRREGULAR_SHARE else _disc(rng, frame, shape.q)
    return [
        (part, _scatter(rng, colour))
        for part, colour in zip(parts, (OLD_COLOUR, YOUNG_COLOUR), strict=True)
        if part is not None
    ]


Parts = tuple[Plane, Plane | None]
"""Light of the old and of the young stars, arbitrary units; None without young stars."""


def _scatter(rng: np.random.Generator, colour: tuple[float, float, float]) -> NDArray[np.float32]:
    """Draw a colour near `colour`, normalised to mean 1; red and blue are anticorrelated."""
    tilt = rng.normal(0, COLOUR_SCATTER)
    bands = np.asarray(colour) * np.exp([tilt, rng.normal(0, COLOUR_SCATTER / 3), -1.5 * tilt])
    return np.asarray(bands / bands.mean(), dtype=np.float32)


def _elliptical(rng: np.random.Generator, frame: _Frame) -> Parts:
    radius, _, _ = frame.elliptical(rng.uniform(0.45, 1))
    return sersic(radius, index=rng.uniform(1.5, 4.5)), None


def _disc(rng: np.random.Generator, frame: _Frame, q: float | None = None) -> Parts:
    """Simulate a disc with a bulge, sometimes with spiral arms, a bar or a ring; its inclination is random if `q` is None."""
    q = q or math.sqrt(math.cos(rng.uniform(0, math.radians(72))) ** 2 * 0.96 + 0.04)
    radius, along, across = frame.elliptical(q)
    disc = sersic(radius, index=1)
    azimuth = np.arctan2(across, along)
    if rng.random() < 0.75:
        disc = disc * _arms(rng, radius, azimuth)
    if rng.random() < 0.15:
        disc = disc + np.float32(rng.uniform(0.5, 2)) * np.exp(-(((radius - rng.uniform(1, 1.7)) / 0.2) ** 2))
    if rng.random() < 0.5:
        disc = disc * _knots(rng, disc.shape, frame.radius)
    size = rng.uniform(0.1, 0.3)
    bulge = np.float32(rng.uniform(0.5, 6)) * sersic(
        np.sqrt(along**2 + (across * max(q, 0.6)) ** 2 + 0.1) / (frame.radius * size), index=2
    )
    if rng.random() < 0.35:
        bulge = bulge + np.float32(rng.uniform(1.5, 4)) * _bar(rng, along, across, frame.radius)
    return bulge + np.float32(0.15) * disc, disc


def _arms(rng: np.random.Generator, radius: Plane, azimuth: Plane) -> Plane:
    """Return the brightness factor of logarithmic spirals, r = exp(tan(pitch) azimuth); mean about 1, weaker in the bulge."""
    arms, pitch = int(rng.choice([1, 2, 2, 2, 3, 4])), math.radians(rng.uniform(9, 32)) * rng.choice([-1, 1])
    phase = arms * (azimuth - np.log(radius) / np.float32(math.tan(pitch))) + np.float32(rng.uniform(0, 2 * math.pi))
    sharp = ((1 + np.cos(phase)) / 2) ** np.float32(rng.uniform(1, 3))
    contrast = np.float32(rng.uniform(0.15, 0.95)) * np.minimum(radius / np.float32(0.5), np.float32(1))
    pattern: Plane = 1 - contrast * np.float32(0.7) + np.float32(2.2) * contrast * sharp
    return pattern


def _bar(rng: np.random.Generator, along: Plane, across: Plane, radius: float) -> Plane:
    """Simulate a bar of nearly constant brightness (Sersic index 0.5) and axis ratio 0.2 to 0.4."""
    a, b = rotate(along, across, rng.uniform(0, math.pi))
    length = radius * rng.uniform(0.35, 0.7)
    return sersic(np.sqrt(a**2 + (b / rng.uniform(0.2, 0.4)) ** 2) / np.float32(length), index=0.5)


def _knots(rng: np.random.Generator, shape: tuple[int, ...], radius: float) -> Plane:
    """Return the brightness factor of star-forming regions: smooth noise, at least 0.2, mean about 1."""
    cells = max(4, min(round(max(shape) / max(radius * 0.25, 1.5)), 48))
    coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    patches = ndimage.zoom(coarse, (shape[0] / cells, shape[1] / cells), order=1, grid_mode=True, mode="nearest")
    factor: Plane = np.maximum(1 + np.float32(rng.uniform(0.1, 0.5)) * patches, np.float32(0.2))
    return factor


def _edge_on(rng: np.random.Generator, frame: _Frame) -> Parts:
    """Simulate an edge-on disc with sech^2 layers (van der Kruit & Searle 1981, A&A 95, 105), sometimes with a dust lane."""
    along, across = rotate(frame.x, frame.y, frame.angle)
    height = np.float32(frame.radius * rng.uniform(0.08, 0.2))
    outward = np.sqrt(along**2 + 1) / np.float32(frame.radius)
    disc = sersic(outward, index=rng.uniform(0.7, 1.1)) / np.cosh(np.clip(across / height, -20, 20)) ** 2
    bulge_radius = np.sqrt(along**2 + (across / np.float32(rng.uniform(0.5, 0.9))) ** 2 + 0.1)
    bulge = np.float32(rng.uniform(0.5, 5)) * sersic(bulge_radius / np.float32(frame.radius * rng.uniform(0.1, 0.25)), index=2)
    if rng.random() < 0.3:
        offset = (across - height * np.float32(rng.uniform(-0.4, 0.4))) / (height * np.float32(0.35))
        dust = 1 - np.float32(rng.uniform(0.3, 0.8)) * np.exp(-(offset**2)) * (outward < 2)
        disc, bulge = disc * dust, bulge * dust
    old = np.float32(rng.uniform(0.2, 1.0))
    return bulge + old * disc, (1 - old) * disc


def _irregular(rng: np.random.Generator, frame: _Frame) -> Parts:
    """Simulate a lopsided disc with irregular patches."""
    radius, along, _ = frame.elliptical(rng.uniform(0.35, 0.9))
    asymmetry = 1 + np.float32(rng.uniform(0, 0.6)) * np.tanh(along / np.float32(frame.radius))
    body = sersic(radius, index=rng.uniform(0.5, 1.1)) * asymmetry * _knots(rng, radius.shape, frame.radius)
    return np.float32(0.3) * body, np.float32(0.7) * body


PARTS = {"elliptical": _elliptical, "disc": _disc, "edge_on": _edge_on, "irregular": _irregular}
