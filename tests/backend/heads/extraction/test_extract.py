from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from backend.heads.extraction.extract import extract
from backend.heads.extraction.features import FEATURES
from backend.heads.extraction.source import ExtractionSettings

Sky = Callable[..., NDArray[np.float32]]


def test_a_source_has_the_position_of_the_galaxy(sky: Sky) -> None:
    (source,) = extract(sky((120, 100), [(70, 40, 8, 4, 0, 0.6)])).sources
    assert (source.ellipse.x, source.ellipse.y) == pytest.approx((70, 40), abs=0.5)
    assert source.box.x + source.box.width / 2 == pytest.approx(70, abs=1.5)
    assert source.box.y + source.box.height / 2 == pytest.approx(40, abs=1.5)


@pytest.mark.parametrize("degrees", [0, 30, 80, 120, 165])
def test_the_angle_is_clockwise_from_the_x_axis_with_y_downwards(sky: Sky, degrees: float) -> None:
    (source,) = extract(sky((120, 120), [(60, 60, 12, 5, degrees, 0.6)])).sources
    assert source.ellipse.radius_x > source.ellipse.radius_y
    assert (source.ellipse.rotation - degrees + 90) % 180 - 90 == pytest.approx(0, abs=3)


def test_the_outline_follows_the_isophote(sky: Sky) -> None:
    (source,) = extract(sky((120, 120), [(60, 60, 10, 10, 0, 0.8)]), settings=ExtractionSettings(isophote=0.25)).sources
    radius_at_a_quarter_of_the_peak = 10 * np.sqrt(2 * np.log(4))
    assert source.ellipse.radius_x == pytest.approx(radius_at_a_quarter_of_the_peak, rel=0.05)
    assert source.area == pytest.approx(np.pi * radius_at_a_quarter_of_the_peak**2, rel=0.1)


def test_the_full_mask_is_the_crop_at_its_position(sky: Sky) -> None:
    (source,) = extract(sky((90, 60), [(30, 20, 5, 5, 0, 0.7)])).sources
    mask = source.full_mask((90, 60))
    assert mask.shape == (60, 90)
    assert mask.sum() == source.area
    assert mask[20, 30]


def test_touching_galaxies_are_two_sources_without_a_common_pixel(sky: Sky) -> None:
    image = sky((120, 80), [(45, 40, 6, 6, 0, 0.7), (68, 40, 5, 5, 0, 0.5)])
    first, second = (source.full_mask((120, 80)) for source in extract(image).sources)
    assert not (first & second).any()


def test_noise_on_a_bright_galaxy_does_not_divide_it(sky: Sky) -> None:
    assert len(extract(sky((200, 200), [(100, 100, 35, 25, 20, 0.7)], noise=0.04)).sources) == 1


def test_noise_alone_has_no_sources(sky: Sky) -> None:
    assert extract(sky((200, 200), [], noise=0.03)).sources == ()


def test_sources_are_sorted_by_brightness_and_have_finite_features(sky: Sky) -> None:
    sources = extract(sky((150, 150), [(30, 30, 4, 4, 0, 0.3), (100, 100, 5, 3, 0, 0.8), (40, 110, 3, 3, 0, 0.5)])).sources
    peaks = [source.peak for source in sources]
    assert len(peaks) == 3
    assert peaks == sorted(peaks, reverse=True)
    assert all(source.features.shape == (len(FEATURES),) and np.isfinite(source.features).all() for source in sources)


def test_a_saturated_star_is_one_source(sky: Sky) -> None:
    image = sky((100, 100), [(50, 50, 8, 8, 0, 5.0)])
    assert (image == 1).sum() > 100
    assert len(extract(image).sources) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (3, 3, 3), (700, 2, 3)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_blank_image_of_any_size_has_no_sources(shape: tuple[int, ...], level: float) -> None:
    assert extract(np.full(shape, level, np.float32)).sources == ()


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 4), (0, 10, 3)])
def test_an_image_without_colours_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        extract(np.zeros(shape, np.float32))


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)),
        elements=st.one_of(st.floats(0, 1, width=32), st.just(np.float32("nan")), st.just(np.float32("inf"))),
    )
)
def test_any_image_gives_sources_inside_it(image: NDArray[np.float32]) -> None:
    height, width = image.shape[:2]
    for source in extract(image).sources:
        assert 0 <= source.box.x < source.box.x + source.box.width <= width
        assert 0 <= source.box.y < source.box.y + source.box.height <= height
        assert source.full_mask((width, height)).sum() == source.area
        assert np.isfinite(source.features).all()


@pytest.mark.parametrize(
    "values", [{"isophote": 0.0}, {"isophote": 1.0}, {"saddle": 1.5}, {"peak_sigma": -1}, {"smoothing_px": 0}]
)
def test_invalid_settings_are_an_error(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        ExtractionSettings(**values)  # type: ignore[arg-type]
