"""Real galaxies of survey scenes: stamps of HST/ACS without their noise, to be scaled down to the pixels of a survey.

An `hst_cosmos/` folder holds `labels.csv` (columns `ident` and `image`, paths relative to the folder) and FITS stamps.
"""

from __future__ import annotations

import csv
import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.restoration.noise import starlet
from backend.scenes.cutouts import GalaxyCutout

__all__ = ["load_stamps", "part_of", "significant_light"]

SEED = "restoration-1"
LEAST_SN, EDGE_PX, SCALES = 3.5, 1.0, 3
OUTLINE_PER_RADIUS = 1.9
"""Radius of the outline in half-light radii."""
SMALLEST_SIDE_PX = 24


def part_of(name: str) -> str:
    """Return the part of a real galaxy or PSF: 60 % train, 15 % val, 25 % test, by a hash of its name."""
    share = int(hashlib.sha256(f"{SEED}:{name}".encode()).hexdigest()[:8], 16) / 2**32
    return "train" if share < 0.6 else "val" if share < 0.75 else "test"


def significant_light(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an image with its significant starlet coefficients only, by the noise measured on each scale."""
    *details, rest = (plane[0].numpy() for plane in starlet(torch.from_numpy(image)[None].double(), SCALES))
    residual = rest - np.median(rest)
    for plane in details:
        noise = 1.4826 * np.median(np.abs(plane))
        residual = residual + np.where(np.abs(plane) > LEAST_SN * noise, plane, 0)
    light: NDArray[np.float64] = ndimage.gaussian_filter((residual > 0).astype(float), EDGE_PX) * residual.clip(min=0)
    return light


def load_stamps(folder: Path, *, part: str) -> list[GalaxyCutout]:
    """Read the galaxies of a part of an `hst_cosmos/` folder, as grey cut-outs with a peak of 1."""
    from astropy.io import fits

    with (folder / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if part_of(row["ident"]) == part]
    return [_cutout_of(significant_light(fits.getdata(folder / row["image"]).astype(float))) for row in rows]


def _cutout_of(light: NDArray[np.float64]) -> GalaxyCutout:
    row, column = ndimage.center_of_mass(light)
    rows, columns = np.indices(light.shape, sparse=True)
    distance = np.hypot(rows - row, columns - column).ravel()
    order = np.argsort(distance)
    growth = np.cumsum(light.ravel()[order])
    half_light = float(distance[order][np.searchsorted(growth, growth[-1] / 2)])
    levels = [np.repeat((light / light.max())[..., None], 3, axis=2).astype(np.float32)]
    while min(levels[-1].shape[:2]) >= 2 * SMALLEST_SIDE_PX:
        height, width = (length // 2 * 2 for length in levels[-1].shape[:2])
        levels.append(levels[-1][:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)))
    return GalaxyCutout(tuple(levels), max(OUTLINE_PER_RADIUS * half_light, math.sqrt(2)))
