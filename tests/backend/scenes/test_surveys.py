"""Surveys: point spread functions, and shapes and stars of their scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.scenes.shapes import ShapePriors, read_shape_priors
from backend.scenes.stars import draw_point_source
from backend.scenes.surveys import SURVEYS, Survey, draw_psf, fwhm_of

PRIORS = Path(__file__).resolve().parents[4] / "shared" / "data" / "structure_priors"


@pytest.mark.parametrize("survey", SURVEYS, ids=[survey.name for survey in SURVEYS])
def test_a_point_spread_function_is_normalised_centred_and_of_the_stated_width(survey: Survey) -> None:
    for seed in range(5):
        psf, fwhm = draw_psf(np.random.default_rng(seed), survey)
        assert psf.sum() == pytest.approx(1, rel=1e-5)
        assert psf.shape[0] == psf.shape[1]
        assert np.unravel_index(psf.argmax(), psf.shape) == (len(psf) // 2, len(psf) // 2)
        low, high = (arcsec / survey.pixel_arcsec for arcsec in survey.seeing_arcsec)
        assert low <= fwhm <= high
        assert fwhm_of(psf) == pytest.approx(fwhm, rel=0.25)  # pixels widen a narrow one


def test_a_space_telescope_uses_measured_point_spread_functions() -> None:
    line = np.zeros((9, 9))
    line[4, 3:6] = 1.0
    psf, _ = draw_psf(np.random.default_rng(0), SURVEYS[-1], measured_psfs=[line])
    assert psf.shape == (9, 9)
    assert psf.sum() == pytest.approx(1)
    assert draw_psf(np.random.default_rng(0), SURVEYS[0], measured_psfs=[line])[0].shape != (9, 9)


def test_a_bright_star_has_a_halo_and_a_faint_one_is_compact() -> None:
    psf, fwhm = draw_psf(np.random.default_rng(0), SURVEYS[0])
    faint = draw_point_source(np.random.default_rng(1), psf, fwhm=fwhm, peak=0.1)
    bright = draw_point_source(np.random.default_rng(1), psf, fwhm=fwhm, peak=100.0)
    assert bright.light.shape[0] > 2 * faint.light.shape[0]
    assert (bright.light.mean(axis=2) > 0.02).sum() > 20 * (faint.light.mean(axis=2) > 0.02).sum()
    assert faint.light.mean(axis=2).max() == pytest.approx(0.1, rel=0.3)


def test_shapes_without_a_catalogue_are_within_their_limits() -> None:
    rng = np.random.default_rng(0)
    shapes = [ShapePriors.without_catalogue().draw(rng) for _ in range(300)]
    assert 0.2 < np.median([shape.radius_arcsec for shape in shapes]) < 0.6
    assert all(0.5 <= shape.index <= 6 and 0.15 <= shape.q <= 1 for shape in shapes)


def test_a_missing_folder_gives_priors_without_a_catalogue(tmp_path: Path) -> None:
    assert not len(read_shape_priors(tmp_path / "no", held_out=False, number=0).shapes)


@pytest.mark.skipif(not PRIORS.is_dir(), reason="the catalogues are not here: ../shared/data/structure_priors")
def test_train_val_and_test_share_no_shape_of_the_catalogues() -> None:
    parts = [
        read_shape_priors(PRIORS, held_out=held_out, number=number) for held_out, number in ((False, 0), (True, 0), (True, 1))
    ]
    rows = [{row.tobytes() for row in part.shapes} for part in parts]
    assert all(rows)
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert sum(len(part.psfs) for part in parts) == 100
