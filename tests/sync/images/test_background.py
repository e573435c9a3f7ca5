from __future__ import annotations

import numpy as np
import pytest
from astropy.stats import sigma_clip
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from sync.images.background import clipped_background, median_and_spread, quantile, row_medians, sorted_sample

SKY_AND_SOURCES = np.concatenate(
    [np.random.default_rng(1).normal(100, 3, 5000), np.random.default_rng(2).exponential(500, 800) + 100]
)
NUMBERS = st.integers(-50, 50).map(lambda number: number / 4) | st.floats(-1e6, 1e6, width=32)


def clipped_by_astropy(values: NDArray[np.floating]) -> tuple[float, float]:
    # Without an axis: along axis 0 astropy 8.0 keeps values beyond the bounds that it returns for some arrays of even length.
    clipped_values = sigma_clip(
        values.astype(np.float64), sigma=3, maxiters=10, cenfunc="median", stdfunc="mad_std", masked=False
    )
    return median_and_spread(clipped_values)


@pytest.mark.slow
@given(hnp.arrays(np.float32, st.integers(1, 60), elements=NUMBERS))
def test_clipping_a_sorted_sample_gives_what_astropy_gives(values: NDArray[np.float32]) -> None:
    sky = clipped_background(sorted_sample(values))
    assert (sky.level, sky.noise) == pytest.approx(clipped_by_astropy(values), rel=1e-9, abs=1e-12)


def test_sources_do_not_raise_the_sky() -> None:
    sky = clipped_background(sorted_sample(SKY_AND_SOURCES))
    assert sky.level == pytest.approx(100, abs=0.3)
    assert sky.noise == pytest.approx(3, rel=0.1)


def test_a_sample_is_sorted_finite_and_of_bounded_size() -> None:
    band = np.random.default_rng(3).normal(size=(700, 900)).astype(np.float32)
    band[::7] = np.nan
    sample = sorted_sample(band)
    assert 15_000 < sample.size <= 30_000
    assert np.isfinite(sample).all()
    assert (np.diff(sample) >= 0).all()
    assert sorted_sample(np.full((3, 3), np.nan)).size == 0


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=NUMBERS), st.floats(0, 1))
def test_a_quantile_is_that_of_numpy(values: NDArray[np.float64], share: float) -> None:
    assert quantile(np.sort(values), share) == pytest.approx(np.quantile(values, share), abs=1e-6)


def test_the_median_of_a_row_leaves_nan_out() -> None:
    rows = np.random.default_rng(4).normal(size=(40, 9))
    rows[::2, ::3] = np.nan
    assert row_medians(rows) == pytest.approx(np.nanmedian(rows, axis=1))
