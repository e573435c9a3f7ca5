"""Scenes of simulated galaxies on a grid of half pixels: Sersic profiles, bulges with discs, spiral arms, clumps, neighbours.

Sizes, shapes and profiles are those of the fits in `structure_priors`. The flux of the central galaxy is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma as gamma_function
from scipy.special import gammaincinv

__all__ = ["CANVAS", "OVERSAMPLING", "Priors", "read_priors", "simulate_scene"]

OVERSAMPLING = 2
"""Cells of a scene per pixel and axis."""
CANVAS = 192
"""Side of a scene, cells: 64 pixels, and 16 pixels beyond each edge, whose light reaches the image."""
RADIUS_PX = (0.8, 14.0)
SOFTENING = 0.4
"""Cells by which the radius is softened: the cusps of steep profiles are not resolved."""

Scene = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Priors:
    """Sersic fits of real galaxies.

    Attributes
    ----------
    radius, index, ratio : ndarray, shape (n,)
        Effective radius on the major axis in arcsec, Sersic index, minor over major axis.
    """

    radius: NDArray[np.float64]
    index: NDArray[np.float64]
    ratio: NDArray[np.float64]


def read_priors(data: Path) -> Priors:
    """Read the good fits of the van der Wel+2014 catalogues."""
    rows = []
    for name in ("f125w", "f160w"):
        table = np.genfromtxt(data / "structure_priors" / f"vanderwel14_cosmos_{name}.csv.gz", delimiter=",", names=True)
        good = (table["flag"] == 0) & (table["sn"] > 10) & (table["re_arcsec"] > 0.05) & (table["q"] > 0.05)
        rows.append(np.stack([table[column][good] for column in ("re_arcsec", "n", "q")]))
    radius, index, ratio = np.concatenate(rows, axis=1)
    return Priors(radius, index.clip(0.4, 6.5), ratio.clip(0.1, 1.0))


def simulate_scene(priors: Priors, rng: np.random.Generator) -> Scene:
    """Return a scene, shape (CANVAS, CANVAS): a galaxy near the middle, and possibly neighbours and stars."""
    middle = CANVAS / 2
    scale = math.exp(rng.uniform(math.log(0.03), math.log(0.25)))
    scene = _galaxy(priors, rng, centre=tuple(middle + rng.normal(0, 2.0, 2)), scale=scale)
    for _ in range(rng.poisson(0.8)):
        scene += 10 ** rng.uniform(-1.8, 0.2) * _galaxy(priors, rng, centre=tuple(rng.uniform(0, CANVAS, 2)), scale=scale)
    for _ in range(rng.poisson(0.3)):
        x, y = rng.uniform(0, CANVAS, 2)
        scene += 10 ** rng.uniform(-2, 0) * _gaussian(x, y, SOFTENING)
    return scene.astype(np.float32)


def _galaxy(priors: Priors, rng: np.random.Generator, *, centre: tuple[float, ...], scale: float) -> NDArray[np.float64]:
    row = rng.integers(len(priors.radius))
    radius = float(np.clip(priors.radius[row] / scale, *RADIUS_PX)) * OVERSAMPLING
    index, ratio, angle = float(priors.index[row]), float(priors.ratio[row]), rng.uniform(0, math.pi)
    if rng.random() < 0.5:
        light = _sersic(centre, radius, index, ratio, angle)
        disc = index < 2
    else:  # a bulge and a disc
        share = rng.beta(1, 2.5)
        bulge = _sersic(centre, radius * rng.uniform(0.1, 0.5), rng.uniform(1.5, 5), max(ratio, rng.uniform(0.5, 1)), angle)
        light = share * bulge + (1 - share) * _sersic(centre, radius, 1.0, ratio, angle, arms=_arms(rng))
        disc = True
    if disc and rng.random() < 0.5:
        light = _add_clumps(light, rng, centre=centre, radius=radius, ratio=ratio, angle=angle)
    return light


def _arms(rng: np.random.Generator) -> tuple[float, int, float, float]:
    """Return the amplitude, number, winding and phase of spiral arms; the amplitude is 0 for a smooth disc."""
    amplitude = rng.uniform(0.2, 0.9) if rng.random() < 0.5 else 0.0
    return amplitude, int(rng.integers(2, 5)), float(rng.choice([-1, 1]) * rng.uniform(1.5, 5)), rng.uniform(0, 2 * math.pi)


def _sersic(
    centre: tuple[float, ...],
    radius: float,
    index: float,
    ratio: float,
    angle: float,
    *,
    arms: tuple[float, int, float, float] | None = None,
) -> NDArray[np.float64]:
    """Return a Sersic profile of unit total flux (Graham & Driver 2005, PASA 22, 118)."""
    steepness = float(gammaincinv(2 * index, 0.5))
    along, across = _axes(centre, angle)
    distance = np.sqrt(along**2 + (across / ratio) ** 2 + SOFTENING**2)
    light = np.exp(-steepness * (distance / radius) ** (1 / index))
    total = 2 * math.pi * radius**2 * index * steepness ** (-2 * index) * float(gamma_function(2 * index)) * ratio
    if arms is not None and arms[0]:
        amplitude, count, winding, phase = arms
        wave = np.cos(count * np.arctan2(across / ratio, along) - winding * np.log(distance / radius) + phase)
        light = light * (1 + amplitude * np.clip(distance / radius, 0, 1) * wave)
    profile: NDArray[np.float64] = light / total
    return profile


def _add_clumps(
    light: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    centre: tuple[float, ...],
    radius: float,
    ratio: float,
    angle: float,
) -> NDArray[np.float64]:
    count = int(rng.integers(1, 10))
    share = rng.uniform(0.03, 0.35)
    fluxes = rng.dirichlet(np.full(count, 1.5)) * share
    clumps = np.zeros_like(light)
    for flux in fluxes:
        reach, direction = radius * rng.gamma(2, 0.5), rng.uniform(0, 2 * math.pi)
        along, across = reach * math.cos(direction), reach * math.sin(direction) * ratio
        x = centre[0] + along * math.cos(angle) - across * math.sin(angle)
        y = centre[1] + along * math.sin(angle) + across * math.cos(angle)
        clumps += flux * _gaussian(x, y, max(SOFTENING, radius * rng.uniform(0.02, 0.2)))
    return (1 - share) * light + clumps


def _gaussian(x: float, y: float, sigma: float) -> NDArray[np.float64]:
    """Return a Gaussian of unit flux."""
    cells = np.arange(CANVAS)
    profiles = [np.exp(-0.5 * ((cells - middle) / sigma) ** 2) for middle in (y, x)]
    if min(profile.sum() for profile in profiles) <= 0:
        return np.zeros((CANVAS, CANVAS))
    return np.outer(profiles[0], profiles[1]) / (2 * math.pi * sigma**2)


def _axes(centre: tuple[float, ...], angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coordinates of each cell along the major and the minor axis, from the centre."""
    cells = np.arange(CANVAS, dtype=float)
    x, y = cells[None, :] - centre[0], cells[:, None] - centre[1]
    return x * math.cos(angle) + y * math.sin(angle), -x * math.sin(angle) + y * math.cos(angle)
