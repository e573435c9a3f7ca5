from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sync.geometry.moments import PART_PIXELS, moment_ellipse, second_moments


def test_the_moment_ellipse_of_an_ellipse_is_itself() -> None:
    rows, columns = np.mgrid[:101, :101]
    dx, dy = columns - 50, rows - 50
    cosine, sine = np.cos(np.radians(25)), np.sin(np.radians(25))
    mask = ((dx * cosine + dy * sine) / 40) ** 2 + ((dy * cosine - dx * sine) / 15) ** 2 <= 1
    ellipse = moment_ellipse(mask, x=10, y=20)
    assert (ellipse.x, ellipse.y) == pytest.approx((60.5, 70.5))
    assert (ellipse.radius_x, ellipse.radius_y, ellipse.rotation) == pytest.approx((40, 15, 25), rel=0.01)


def test_a_single_pixel_has_an_ellipse_of_about_its_size() -> None:
    ellipse = moment_ellipse(np.ones((1, 1), bool))
    assert (ellipse.x, ellipse.y) == (0.5, 0.5)
    assert 0.5 <= ellipse.radius_x <= 0.6


def test_moments_are_those_of_the_pixels_also_in_several_parts() -> None:
    mask = np.random.default_rng(0).random((3, PART_PIXELS // 2 + 7)) < 0.3
    rows, columns = np.nonzero(mask)
    centre, covariance = second_moments(mask, x=5, y=6)
    assert centre == pytest.approx([5.5 + columns.mean(), 6.5 + rows.mean()])
    expected_covariance = np.cov(columns, rows, bias=True) + np.eye(2) / 12
    assert covariance == pytest.approx(expected_covariance, rel=1e-9, abs=1e-6)


def test_a_large_mask_is_not_copied_as_floats() -> None:
    mask = np.ones((4000, 4000), bool)
    tracemalloc.start()
    second_moments(mask)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2 * mask.size
