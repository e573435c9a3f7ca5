"""Light of simulated galaxies whose structures have known strengths: rings, bars, spiral arms, tails, shells, companions.

A galaxy is a Sersic spheroid, or a bulge with an inclined exponential disc. Each structure multiplies or adds light in the
plane of the galaxy, in proportion to its strength between 0 (absent) and 1 (as strong as in the clearest galaxies of a survey).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.scenes.galaxies import sersic
from backend.scenes.stamp import rotate

__all__ = ["DISC_STRUCTURES", "Galaxy", "draw_galaxy"]

DISC_STRUCTURES = ("ring", "bar", "arms", "clumps", "dust")
ABSENT = 0.5
"""Share of the galaxies without a structure, for each structure that the galaxy can have."""
SPHEROID_INDEX = 2.5
"""Sersic index from which a fit of the priors becomes a spheroid without a disc."""
THICKNESS = 0.15
"""Axis ratio of a disc that is seen edge-on."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Galaxy:
    """A simulated galaxy before it is observed.

    Attributes
    ----------
    old, young : ndarray, shape (side, side)
        Light of old and young stars; 1 is the brightness of the disc or spheroid at its effective radius.
    strengths : dict of str to float
        Strength of each structure, and the shares `round` (axis ratio), `bulge` (of the light) and `edge_on`.
    arms : int
        Number of spiral arms; 0 without arms.
    tightness : float
        1 for spiral arms with a pitch of 8 degrees, 0 with 35 degrees.
    """

    old: Plane
    young: Plane
    strengths: dict[str, float]
    arms: int
    tightness: float


def draw_strength(rng: np.random.Generator) -> float:
    """Draw the strength of a structure that may be absent."""
    return 0.0 if rng.random() < ABSENT else float(rng.uniform(0.1, 1))


def draw_galaxy(rng: np.random.Generator, *, index: float, q: float, radius: float, side: int) -> Galaxy:
    """Simulate one galaxy in the middle of a square.

    Parameters
    ----------
    rng : Generator
    index, q : float
        Sersic index and axis ratio.
    radius : float
        Effective radius, pixels.
    side : int
        Side of the square, pixels.
    """
    rows, columns = np.indices((side, side), dtype=np.float32)
    middle = (side - 1) / 2
    x, y = columns - np.float32(middle + rng.uniform(-2, 2)), rows - np.float32(middle + rng.uniform(-2, 2))
    along, across = rotate(x, y, rng.uniform(0, math.pi))
    is_spheroid = index >= SPHEROID_INDEX and q > 0.4
    if is_spheroid:
        galaxy = _spheroid(rng, along / np.float32(radius), across / np.float32(radius), index=index, q=q)
    else:
        galaxy = _disc(rng, along / np.float32(radius), across / np.float32(radius), q=max(q, THICKNESS))
    return _with_surroundings(rng, galaxy, x / np.float32(radius), y / np.float32(radius))


def _spheroid(rng: np.random.Generator, along: Plane, across: Plane, *, index: float, q: float) -> Galaxy:
    """Simulate an elliptical or lenticular galaxy, which can have a ring or shells."""
    radius = np.sqrt(along**2 + (across / np.float32(q)) ** 2 + np.float32(1e-3))
    light = sersic(radius, index=index)
    azimuth = np.arctan2(across / np.float32(q), along)
    shells, ring = draw_strength(rng), 0.0 if rng.random() < 0.6 else draw_strength(rng)
    edge, towards = rng.uniform(1.2, 2.0), rng.uniform(-math.pi, math.pi)
    for _ in range(int(rng.integers(2, 6)) if shells else 0):
        inward = np.float32(edge) - radius
        opening = np.exp(-(((np.angle(np.exp(1j * (azimuth - towards)))) / rng.uniform(0.5, 1.1)) ** 4)).astype(np.float32)
        step = np.exp(-np.abs(inward) / np.where(inward > 0, np.float32(0.25), np.float32(0.04)))
        light = light + np.float32(0.8 * shells * math.exp(-0.9 * edge)) * step * opening
        edge, towards = edge * rng.uniform(1.15, 1.5), towards + math.pi + rng.uniform(-0.4, 0.4)
    old, young = _with_ring(rng, light, np.zeros_like(light), radius, strength=ring)
    strengths = dict.fromkeys(DISC_STRUCTURES, 0.0) | {"ring": ring, "shells": shells, "round": q, "bulge": 1.0, "edge_on": 0.0}
    return Galaxy(old, young, strengths, 0, 0.0)


def _disc(rng: np.random.Generator, along: Plane, across: Plane, *, q: float) -> Galaxy:
    """Simulate a disc with a bulge; rings, bars and arms are drawn in the plane of the disc."""
    is_edge_on = q < 0.3
    depth = across / np.float32(q)
    radius = np.sqrt(along**2 + depth**2 + np.float32(1e-3))
    strengths = {name: draw_strength(rng) for name in ("ring", "bar", "arms", "clumps")}
    if is_edge_on:
        strengths |= dict.fromkeys(("ring", "bar", "arms"), 0.0)
    strengths["dust"] = draw_strength(rng) if is_edge_on else 0.0
    disc = sersic(radius, index=1)
    arms, tightness = 0, 0.0
    if strengths["arms"]:
        arms, pitch = int(rng.choice([1, 2, 3, 4], p=[0.1, 0.55, 0.2, 0.15])), rng.uniform(8, 35)
        tightness = (35 - pitch) / 27
        disc = disc * _arm_pattern(rng, along, depth, arms=arms, pitch=pitch, strength=strengths["arms"])
    if strengths["clumps"]:
        disc = disc * _clumps(rng, disc.shape, strength=strengths["clumps"])
    if strengths["dust"]:
        lane = np.exp(-(((across - np.float32(rng.uniform(-0.3, 0.3) * q)) / np.float32(0.35 * q)) ** 2))
        disc = disc * (1 - np.float32(0.85 * strengths["dust"]) * lane * (np.abs(along) < np.float32(rng.uniform(0.8, 2))))
    share = float(rng.beta(1, 2.5))
    bulge_size, flattening = rng.uniform(0.12, 0.35), max(q, rng.uniform(0.55, 1))
    bulge = sersic(np.sqrt(along**2 + (across / np.float32(flattening)) ** 2 + 1e-3) / np.float32(bulge_size), index=2)
    bulge = bulge * np.float32(share / (1 - min(share, 0.9)) * float(disc.sum()) / float(bulge.sum()))
    if strengths["bar"]:
        a, b = rotate(along, depth, rng.uniform(0, math.pi))
        length = rng.uniform(0.4, 0.9)
        bar = sersic(np.sqrt(a**2 + (b / np.float32(rng.uniform(0.2, 0.4))) ** 2) / np.float32(length), index=0.5)
        bulge = bulge + np.float32(3.5 * strengths["bar"]) * bar * np.float32(math.exp(-1.3 * (length - 0.4)))
    age = float(rng.beta(1.2, 1.2)) if strengths["arms"] or strengths["clumps"] else float(rng.beta(2, 1))
    old, young = _with_ring(rng, bulge + np.float32(age) * disc, np.float32(1 - age) * disc, radius, strength=strengths["ring"])
    strengths |= {"shells": 0.0, "round": q, "bulge": share, "edge_on": float(is_edge_on)}
    return Galaxy(old, young, strengths, arms, tightness)


def _arm_pattern(rng: np.random.Generator, along: Plane, depth: Plane, *, arms: int, pitch: float, strength: float) -> Plane:
    """Return the brightness factor of logarithmic spiral arms, mean about 1, which begin outside the centre."""
    radius = np.sqrt(along**2 + depth**2 + np.float32(1e-3))
    winding = np.log(radius) / np.float32(math.tan(math.radians(pitch)) * rng.choice([-1, 1]))
    phase = np.float32(arms) * (np.arctan2(depth, along) - winding) + np.float32(rng.uniform(0, 2 * math.pi))
    crest = ((1 + np.cos(phase)) / 2) ** np.float32(rng.uniform(1, 3))
    contrast = np.float32(strength) * np.clip(radius / np.float32(0.5), 0, 1)
    pattern: Plane = 1 - np.float32(0.75) * contrast + np.float32(2.6) * contrast * crest
    return pattern


def _clumps(rng: np.random.Generator, shape: tuple[int, ...], *, strength: float) -> Plane:
    """Return the brightness factor of star-forming regions: a smooth random field above a threshold."""
    field = ndimage.gaussian_filter(rng.normal(size=shape).astype(np.float32), rng.uniform(1.5, 4))
    factor: Plane = 1 + np.float32(3 * strength) * np.clip(field / field.std() - 0.7, 0, None)
    return factor


def _with_ring(rng: np.random.Generator, old: Plane, young: Plane, radius: Plane, *, strength: float) -> tuple[Plane, Plane]:
    """Add a ring, between the centre and its radius often also a gap, to the light of old and young stars."""
    if not strength:
        return old, young
    at, width = rng.uniform(0.7, 2.4), rng.uniform(0.06, 0.18)
    profile = np.exp(-(((radius - np.float32(at)) / np.float32(width * at)) ** 2))
    local = float(np.interp(at, [0.7, 1, 1.5, 2, 2.5], [1.65, 1.0, 0.43, 0.19, 0.08]))
    gap = 1 - np.float32(rng.uniform(0, 0.7) * strength) * np.exp(
        -(((radius - np.float32(0.68 * at)) / np.float32(0.2 * at)) ** 2)
    )
    ring = np.float32(strength * rng.uniform(0.8, 2.5) * local) * profile
    age = np.float32(rng.beta(1, 1))
    return old * gap + age * ring, young * gap + (1 - age) * ring


def _with_surroundings(rng: np.random.Generator, galaxy: Galaxy, x: Plane, y: Plane) -> Galaxy:
    """Add a tidal tail and a companion; their strengths are added to those of the galaxy."""
    tail, companion = (draw_strength(rng) if rng.random() < 0.4 else 0.0 for _ in range(2))
    old, young = galaxy.old, galaxy.young
    bearing = rng.uniform(-math.pi, math.pi)
    if tail:
        radius, azimuth = np.sqrt(x**2 + y**2 + np.float32(1e-3)), np.arctan2(y, x)
        bend = np.float32(rng.uniform(0.1, 0.6) * rng.choice([-1, 1]))
        for turn in (0.0, math.pi)[: int(rng.integers(1, 3))]:
            off = np.angle(np.exp(1j * (azimuth - bearing - turn - bend * radius))).astype(np.float32) * radius
            length = np.float32(rng.uniform(0.8, 2))
            span = np.exp(-np.clip(radius - np.float32(1.5), 0, None) / length) / (1 + np.exp(-(radius - np.float32(1.2)) * 5))
            young = young + np.float32(0.6 * tail) * span * np.exp(-((off / np.float32(rng.uniform(0.15, 0.4))) ** 2))
    if companion:
        distance, size = rng.uniform(0.8, 3.5), rng.uniform(0.25, 0.8)
        turn = bearing + rng.uniform(-0.5, 0.5)
        a, b = rotate(
            x - np.float32(distance * math.cos(turn)), y - np.float32(distance * math.sin(turn)), rng.uniform(0, math.pi)
        )
        radius = np.sqrt(a**2 + (b / np.float32(rng.uniform(0.3, 1))) ** 2 + 1e-3) / np.float32(size)
        light = np.float32(companion * rng.uniform(0.7, 2.5)) * sersic(radius, index=rng.uniform(0.8, 4))
        old, young = (old + light, young) if rng.random() < 0.5 else (old, young + light)
    return Galaxy(old, young, galaxy.strengths | {"tail": tail, "companion": companion}, galaxy.arms, galaxy.tightness)
