from __future__ import annotations

import numpy as np
import pytest

from sync.geometry.moments import moment_ellipse


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
