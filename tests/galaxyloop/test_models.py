"""The functions of the package predict as the heads of the backend do."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import galaxyloop
from sync.errors.images import ImageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image() -> galaxyloop.Image:
    """Return an image of 120 by 100 pixels with one bright galaxy at column 70, row 40 from the bottom, and a sky."""
    rows, columns = np.mgrid[:100, :120]
    light = 200 * np.exp(-np.hypot(columns - 70, rows - 40) / 6)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [150.0, 2.0], [71, 41], [-1e-4, 1e-4]
    noise = np.random.default_rng(0).normal(0, 1, light.shape)
    return galaxyloop.load_image((light + noise).astype(np.float32), header=wcs.to_header())


def test_embeddings_have_one_row_per_image(image: galaxyloop.Image) -> None:
    embeddings = galaxyloop.embed([image, image], encoder="shipped")
    assert embeddings.shape == (2, 2108)
    assert np.array_equal(embeddings[0], embeddings[1])
    (classifier,) = galaxyloop.embed(image, encoder="shipped-classifier")
    first = embeddings[0, :1280]
    assert first @ classifier / np.linalg.norm(first) / np.linalg.norm(classifier) > 0.998  # OpenVINO rounds differently


def test_without_an_encoder_the_change_of_the_next_release_is_announced(image: galaxyloop.Image) -> None:
    with pytest.warns(DeprecationWarning, match="the next release of galaxyloop.embed returns 2,108 numbers"):
        assert galaxyloop.embed(image).shape == (1, 1280)
    with pytest.raises(ValueError, match="unknown encoder 'resnet': write shipped or shipped-classifier"):
        galaxyloop.embed(image, encoder="resnet")


def test_probabilities_of_classes_add_up_to_one(image: galaxyloop.Image) -> None:
    table = galaxyloop.classify(image)
    assert "Spiral" in table.colnames
    assert sum(table[0].values()) == pytest.approx(1, abs=1e-3)


def test_a_detected_galaxy_has_its_position_on_the_sky(image: galaxyloop.Image) -> None:
    brightest = galaxyloop.detect(image)[0]
    assert (brightest["x"], brightest["y"]) == (pytest.approx(70.5, abs=2), pytest.approx(59.5, abs=2))
    assert (brightest["ra"], brightest["dec"]) == (pytest.approx(150, abs=2e-4), pytest.approx(2, abs=2e-4))


def test_a_click_and_a_box_select_the_galaxy(image: galaxyloop.Image) -> None:
    mask = galaxyloop.segment(image, points=[(70.5, 59.5)])
    mask_of_box = galaxyloop.segment(image, box=(55, 45, 86, 75))
    assert mask.mask.shape == (100, 120)
    assert mask.mask[59, 70]
    assert mask_of_box.mask[59, 70]
    assert not mask.mask[5, 5]
    assert 0 < mask.expected_overlap <= 1


def test_calls_that_select_nothing_are_rejected(image: galaxyloop.Image) -> None:
    with pytest.raises(ValueError, match="at least one point"):
        galaxyloop.segment(image)
    with pytest.raises(ValueError, match="no config"):
        galaxyloop.detect(image, config="nosuch")
    with pytest.raises(ValueError, match="has no control of objects"):
        galaxyloop.detect(image, config="morphology")
    with pytest.raises(ValueError, match="has no classes"):
        galaxyloop.classify(image, config="boxes")


def test_the_error_of_an_image_is_raised() -> None:
    strip = galaxyloop.load_image(np.zeros((1, 20_001), np.uint8))
    with pytest.raises(ImageError, match="20001x1"):
        galaxyloop.detect(strip)


def test_the_first_row_of_a_fits_image_is_at_the_bottom(image: galaxyloop.Image) -> None:
    assert isinstance(image.wcs, WCS)
    assert image.pixels[59, 70].mean() > image.pixels[40, 70].mean()
    assert fits.Header(image.data["wcs"].items())["NAXIS1"] == 120
