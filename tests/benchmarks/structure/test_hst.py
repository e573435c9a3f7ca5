"""Real galaxies of HST/ACS: the fit agrees with the fits of the data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.structure.hst import hst_table

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "hst_cosmos"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the stamps of HST are not here: ../shared/data/hst_cosmos")
def test_fits_of_real_galaxies_agree_with_published_ones() -> None:
    rows, records = hst_table(DATA)
    assert len(rows) == 4
    pairs = {name: np.array([record[name][:2] for record in records]) for name in ("re_px", "axis_ratio", "mag")}
    assert np.median(np.abs(pairs["re_px"][:, 1] / pairs["re_px"][:, 0] - 1)) < 0.03
    assert np.median(np.abs(np.diff(pairs["axis_ratio"]))) < 0.02
    assert np.median(np.abs(np.diff(pairs["mag"]))) < 0.03
