"""Difficult frames: a galaxy is visible and detected in every stretch, in frames with padding, bad pixels, stars or slopes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.extraction.extract import extract
from sync.images.cleaning import clean
from sync.images.stretches import STRETCHES

Frame = NDArray[np.float64]

SIDE = 160
X, Y = 84, 70
RNG = np.random.default_rng(1)
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(float)
NOISE = RNG.normal(size=(SIDE, SIDE))
RANDOM = RNG.random((SIDE, SIDE))


def profile(radius: float = 6.0) -> Frame:
    """Return an inclined exponential disc."""
    return np.exp(-1.68 * np.hypot(COLUMNS - X, (ROWS - Y) / 0.6) / radius)


def galaxy(*, sky: float = 100.0, noise: float = 1.0) -> Frame:
    return sky + noise * NOISE + 60 * profile()


def pad_frame(frame: Frame, share: float, value: float = 0.0) -> Frame:
    """Return a frame with values only in a square around the galaxy."""
    side = int(SIDE * np.sqrt(1 - share))
    left, top = (max(0, min(SIDE - side, place - side // 2)) for place in (X, Y))
    out = np.full_like(frame, value)
    out[top : top + side, left : left + side] = frame[top : top + side, left : left + side]
    return out


def star(peak: float = 1e5, *, saturation: float = np.inf, trail: bool = False) -> Frame:
    light = np.minimum(galaxy() + peak * (1 + (np.hypot(COLUMNS - 30, ROWS - 120) / 3) ** 2) ** -2.5, saturation)
    if trail:
        light[:, 29:32] = saturation
    return light


def photons(sky: float, *, peak: float = 8.0) -> Frame:
    return np.random.default_rng(2).poisson(sky + peak * profile(10)).astype(float)


HARD: dict[str, Callable[[], Frame]] = {
    "an ordinary frame": galaxy,
    "zeros in 30 %": lambda: pad_frame(galaxy(), 0.3),
    "zeros in 60 %": lambda: pad_frame(galaxy(), 0.6),
    "zeros in 90 %": lambda: pad_frame(galaxy(), 0.9),
    "zeros around a sky of 0": lambda: pad_frame(galaxy(sky=0), 0.6),
    "NaN in 60 %": lambda: pad_frame(galaxy(), 0.6, np.nan),
    "-999 in 30 %": lambda: pad_frame(galaxy(), 0.3, -999),
    "1e30 in 60 %": lambda: pad_frame(galaxy(), 0.6, 1e30),
    "65535 in 30 %": lambda: pad_frame(galaxy(), 0.3, 65535),
    "a value of the sky in 30 %": lambda: pad_frame(galaxy(), 0.3, 99),
    "bad pixels of -999": lambda: np.where(RANDOM < 0.02, -999, galaxy()),
    "bad pixels of 1e30": lambda: np.where(RANDOM < 0.02, 1e30, galaxy()),
    "padding and a value for bad pixels": lambda: np.where(RANDOM < 0.02, -999, pad_frame(galaxy(), 0.5)),
    "few hot pixels": lambda: np.where(RANDOM < 2e-4, 1e6, galaxy()),
    "many hot pixels": lambda: np.where(RANDOM < 5e-3, 1e5 * (1 + RANDOM), galaxy()),
    "cold pixels": lambda: np.where(RANDOM < 2e-4, -1e6, galaxy()),
    "a bright star": star,
    "a bright star in a padded frame": lambda: pad_frame(star(), 0.4),
    "a saturated star": lambda: star(3e5, saturation=65535, trail=True),
    "photons, 0.005 a pixel": lambda: photons(0.005),
    "photons, 0.05 a pixel": lambda: photons(0.05),
    "photons, 0.3 a pixel": lambda: photons(0.3),
    "photons, 3 a pixel": lambda: photons(3, peak=20),
    "photons in a padded frame": lambda: pad_frame(photons(0.05), 0.4),
    "photons around a bright source": lambda: (
        photons(0.1) + np.rint(1e4 * np.exp(-((COLUMNS - 30) ** 2 + (ROWS - 120) ** 2) / 4))
    ),
    "-1 around photons": lambda: pad_frame(photons(0.05), 0.4, -1),
    "photons a second": lambda: photons(0.05) / 3333.3,
    "a negative sky": lambda: galaxy(sky=-50),
    "a slope": lambda: galaxy() + 50 * COLUMNS / SIDE,
    "a steep slope": lambda: galaxy() + 3000 * (COLUMNS + ROWS) / SIDE,
    "light from one side": lambda: galaxy() + 200 * np.exp(-COLUMNS / 40),
    "coarse numbers": lambda: np.rint(galaxy(noise=0.3)),
    "coarse numbers in a padded frame": lambda: pad_frame(np.rint(galaxy(noise=0.3)), 0.3),
    "nothing below zero": lambda: np.maximum(galaxy(sky=-0.5), 0),
    "a small unit": lambda: galaxy() * 1e-20,
}


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("name", HARD)
def test_the_galaxy_is_visible_and_found_in_every_stretch(name: str, bands: int) -> None:
    planes = np.stack([HARD[name]()] * bands)
    distance = np.hypot(COLUMNS - X, ROWS - Y)
    for stretch, show in STRETCHES.items():
        pixels = show(planes, None)
        levels = pixels.mean(axis=2) * 255
        sky = np.median(levels[(distance > 22) & (distance < 32) & (levels > 0)] if levels.any() else 0)
        assert levels[distance < 3].mean() - (0 if np.isnan(sky) else sky) > 20, stretch
        boxes = [source.box for source in extract(np.rint(pixels * 255).astype(np.float32) / np.float32(255)).sources]
        around = [box for box in boxes if box.x <= X <= box.x + box.width and box.y <= Y <= box.y + box.height]
        assert [box for box in around if 8 <= box.width <= 60 and 6 <= box.height <= 60], (stretch, boxes)
        assert len(boxes) <= 16, stretch  # hot pixels and photons are not detected


@pytest.mark.parametrize(
    "frame",
    [
        galaxy(),
        galaxy().astype(np.float32),
        np.rint(galaxy(noise=5)),
        photons(0.05),
        photons(3),
        np.full((SIDE, SIDE), 7.0),
        np.minimum(star(3e5), 65535),
        np.maximum(galaxy(sky=0), 0),
        galaxy() + 200 * profile(60),  # as large as the frame
        galaxy() + 300 * np.exp(-np.hypot(COLUMNS, ROWS - 90) / 20),  # at the edge
        np.where(ROWS < 3, np.nan, galaxy()),
        (galaxy() > 130).astype(float),  # a mask
        np.zeros((4, 4)),
        np.arange(6.0).reshape(1, 6),
    ],
)
def test_an_ordinary_frame_is_unchanged(frame: Frame) -> None:
    assert clean(frame) is frame


def test_padding_is_removed_and_a_saturated_star_is_not() -> None:
    frame = pad_frame(star(3e5, saturation=65535), 0.2)
    clean_frame = clean(frame)
    assert np.isnan(clean_frame[frame == 0]).all()
    assert np.array_equal(clean_frame[frame != 0], frame[frame != 0])
