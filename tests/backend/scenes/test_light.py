"""Light: the conversion of images to linear light and back is lossless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.scenes.light import to_display, to_image, to_light

images = arrays(np.float32, (4, 5, 3), elements=st.floats(0, 1, width=32))


@given(images)
def test_stretching_inverts_the_conversion_to_light(image: np.ndarray) -> None:
    assert to_image(to_light(image)) == pytest.approx(image, abs=1e-4)


def test_faint_light_is_proportional_and_bright_light_is_compressed() -> None:
    light = to_light(np.asarray([[[0.01] * 3, [0.9] * 3]], dtype=np.float32))
    assert light[0, 0] == pytest.approx(0.01, rel=0.01)
    assert (light[0, 1] > 10).all()


def test_light_beyond_white_keeps_its_hue() -> None:
    red = np.asarray([[[400.0, 200.0, 100.0]]], dtype=np.float32)
    assert to_image(red)[0, 0] == pytest.approx([1, 0.5, 0.25])


def test_no_light_is_brighter_than_white() -> None:
    assert to_display(np.asarray([[1e6]], dtype=np.float32)).max() == 1
