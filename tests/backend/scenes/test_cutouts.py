"""Cut-outs: their content, rotation and scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.scenes.cutouts import GalaxyCutout, cut_out


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:200, :200]
    inside: NDArray[np.bool_] = np.hypot(columns - x, rows - y) < radius
    return inside


@pytest.fixture(scope="module")
def cutout() -> GalaxyCutout:
    rows, columns = np.mgrid[:200, :200]
    image = np.random.default_rng(0).normal(0.1, 0.01, (200, 200, 3))
    for x, y, size, peak in ((100, 100, 14, 0.6), (148, 100, 3, 0.8)):
        image += peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * size**2))[..., None]
    return cut_out(image.clip(0, 1).astype(np.float32), disc(100, 100, 25))


def test_a_cutout_has_no_sky_and_no_neighbours(cutout: GalaxyCutout) -> None:
    light = cutout.levels[0]
    assert (
        light.max()
        == light[light.shape[0] // 2 - 6 : light.shape[0] // 2 + 7, light.shape[1] // 2 - 6 : light.shape[1] // 2 + 7].max()
    )
    edges = np.concatenate([light[0].ravel(), light[-1].ravel(), light[:, 0].ravel(), light[:, -1].ravel()])
    assert abs(edges.mean()) < 0.005


def test_a_cutout_is_drawn_at_the_requested_size(cutout: GalaxyCutout) -> None:
    for radius in (6.0, 12.0, 25.0):
        stamp = cutout.draw(np.random.default_rng(1), radius=radius, psf=1.0)
        grey = stamp.light.mean(axis=2)
        radius_px = math.sqrt((grey > 0.15 * grey.max()).sum() / math.pi)
        assert radius_px == pytest.approx(radius, rel=0.35)


def test_the_galaxy_is_at_the_centre_of_its_stamp(cutout: GalaxyCutout) -> None:
    for seed in range(5):
        stamp = cutout.draw(np.random.default_rng(seed), radius=15, psf=1.0)
        row, column = np.unravel_index(stamp.light.mean(axis=2).argmax(), stamp.light.shape[:2])
        assert math.hypot(column - stamp.centre[0], row - stamp.centre[1]) < 4


@pytest.mark.parametrize(
    ("mask", "message"), [(np.zeros((200, 200), bool), "empty outline"), (np.ones((9, 200), bool), "does not fit")]
)
def test_an_invalid_mask_is_an_error(mask: NDArray[np.bool_], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cut_out(np.zeros((200, 200, 3), np.float32), mask)
