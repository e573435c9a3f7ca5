"""The restorer: sky, missing pixels, tiles, refusals, and storage; with an untrained network, which is the Tikhonov filter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.heads.errors import HeadError
from backend.heads.restoration.convolutional import ConvolutionalConfig
from backend.heads.restoration.network import Restoring
from backend.heads.restoration.restorer import Restorer
from backend.heads.restoration.spread import SpreadFactors
from backend.heads.restoration.target import FWHM_PER_SIGMA
from backend.heads.restoration.tiles import OVERLAP_PX, TILE_PX
from backend.heads.structure.psf import Psf, PsfError, gaussian_psf
from sync.errors.images import ImageError

SKY, NOISE, FLUX = 250.0, 0.5, 3000.0
PSF = gaussian_psf(4.0)


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    torch.manual_seed(0)
    return Restorer(Restoring(ConvolutionalConfig(widths=(8, 16), blocks=1)), spread=SpreadFactors((1.0, 10.0), (1.5, 0.8)))


def field(shape: tuple[int, int] = (64, 64)) -> NDArray[np.float64]:
    """Return a galaxy of FLUX in the middle of a sky with noise, 5 pixels wide with the PSF."""
    rows, columns = np.indices(shape)
    sigma = 5.0 / FWHM_PER_SIGMA
    light = np.exp(-0.5 * ((rows - shape[0] // 2) ** 2 + (columns - shape[1] // 2) ** 2) / sigma**2)
    noise = np.random.default_rng(0).normal(SKY, NOISE, shape)
    return noise + FLUX * light / light.sum()


def test_the_sky_and_the_flux_are_kept(restorer: Restorer) -> None:
    restoration = restorer.restore(field(), PSF)
    assert np.median(restoration.image) == pytest.approx(SKY, abs=0.2)
    assert float((restoration.image - SKY)[24:41, 24:41].sum()) == pytest.approx(FLUX, rel=0.02)
    assert restoration.noise == pytest.approx(NOISE, rel=0.1)
    assert restoration.image[32, 32] > field()[32, 32]
    assert (restoration.uncertainty > 0).all()


@pytest.mark.parametrize("unit", [1e-30, 1e25])
def test_the_unit_does_not_matter(restorer: Restorer, unit: float) -> None:
    expected, restoration = restorer.restore(field(), PSF), restorer.restore(unit * field(), PSF)
    assert np.allclose(restoration.image / unit, expected.image, atol=0.1 * NOISE)
    assert np.allclose(restoration.uncertainty / unit, expected.uncertainty, rtol=0.02)


def test_missing_pixels_stay_missing(restorer: Restorer) -> None:
    image = field()
    image[10:13, 10:13] = np.nan
    restoration = restorer.restore(image, PSF)
    assert np.array_equal(np.isnan(restoration.image), np.isnan(image))
    assert np.array_equal(np.isnan(restoration.uncertainty), np.isnan(image))
    assert restoration.missing_px == 9


def test_a_large_image_is_restored_in_tiles_without_seams(restorer: Restorer) -> None:
    restoration = restorer.restore(field((300, 220)), PSF)
    assert restoration.image.shape == (300, 220)
    steps = np.abs(np.diff(np.median(restoration.image, axis=1)))
    borders = [TILE_PX - OVERLAP_PX, TILE_PX, 300 - TILE_PX]
    assert max(steps[border - 1 : border + 1].max() for border in borders) < 1.5 * np.percentile(steps, 95)


def test_the_uncertainty_follows_the_noise_of_a_mosaic(restorer: Restorer) -> None:
    image = np.random.default_rng(0).normal(SKY, NOISE, (64, 500))
    image[:, 250:] += np.random.default_rng(1).normal(0, 5 * NOISE, (64, 250))
    spread = restorer.restore(image, PSF).uncertainty
    assert np.median(spread[:, 400:]) > 3 * np.median(spread[:, :100])


def test_without_a_psf_only_noise_is_removed(restorer: Restorer) -> None:
    restoration = restorer.restore(field(), None)
    assert restoration.psf_fwhm_px is None
    assert np.std(restoration.image[:16]) < 0.6 * NOISE
    assert restoration.image[32, 32] == pytest.approx(field()[32, 32], rel=0.1)


@pytest.mark.parametrize(
    ("image", "psf", "reason"),
    [
        (field((12, 40)), PSF, "40x12 pixels: each side must have at least 16"),
        (np.full((64, 64), 7.0), PSF, "noise of the image cannot be measured"),
        (np.full((64, 64), np.nan), PSF, "no valid pixel"),
        (np.where(np.eye(64) * np.arange(64) == 30, 1e300, field()), PSF, "beyond the range"),
        (-field(), PSF, "darker than the sky: the sign of the image is wrong"),
    ],
)
def test_an_image_that_cannot_be_restored_is_refused(
    restorer: Restorer, image: NDArray[np.float64], psf: Psf, reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        restorer.restore(image, psf)


@pytest.mark.parametrize(
    ("fwhm_px", "reason"),
    [(1.2, "nothing can be sharpened; --denoise"), (12.0, "bin the image"), (20.0, "bin the image|larger")],
)
def test_a_psf_outside_the_trained_range_is_refused(restorer: Restorer, fwhm_px: float, reason: str) -> None:
    with pytest.raises(PsfError, match=reason):
        restorer.restore(field(), gaussian_psf(fwhm_px))


def test_a_psf_larger_than_the_image_is_refused(restorer: Restorer) -> None:
    with pytest.raises(PsfError, match="larger than the image"):
        restorer.restore(field((16, 16)), gaussian_psf(12.0))


def test_a_share_of_the_correction_lies_between_the_filter_and_the_network() -> None:
    torch.manual_seed(1)
    network = Restoring(ConvolutionalConfig(widths=(8, 16), blocks=1))
    torch.nn.init.normal_(network.body.get_parameter("leave.weight"), std=0.05)
    restorer = Restorer(network, steps=0)
    images = [restorer.with_share(share).restore(field(), PSF).image for share in (0.0, 0.5, 1.0)]
    whole, half = images[2] - images[0], images[1] - images[0]
    assert np.std(whole) > 0.02 * NOISE
    assert np.std(half - whole / 2) < 0.2 * np.std(whole)


def test_a_stored_restorer_gives_the_same_image(restorer: Restorer, tmp_path: Path) -> None:
    restorer.save(tmp_path)
    before, after = restorer.restore(field(), PSF), Restorer.load(tmp_path).restore(field(), PSF)
    assert np.array_equal(before.image, after.image)
    assert np.array_equal(before.uncertainty, after.uncertainty)
    assert len(Restorer.load(tmp_path).fingerprint) == 16


def test_a_restorer_with_one_factor_of_an_earlier_release_is_read(restorer: Restorer, tmp_path: Path) -> None:
    restorer.save(tmp_path)
    fields = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps(fields | {"spread": 1.25}))
    assert Restorer.load(tmp_path).spread.factor == (1.25,)


def test_a_damaged_restorer_is_refused(restorer: Restorer, tmp_path: Path) -> None:
    restorer.save(tmp_path)
    text = (tmp_path / "head.json").read_text()
    (tmp_path / "head.json").write_text(text.replace('"convolutional"', '"quantum"'))
    with pytest.raises(HeadError, match="unknown form 'quantum'"):
        Restorer.load(tmp_path)
