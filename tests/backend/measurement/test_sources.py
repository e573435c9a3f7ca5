"""The objects of an image that are measured, their PSF and their cut-outs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.structure.psf import gaussian_psf
from backend.measurement.psf_choice import PsfOptions, choose_psf
from backend.measurement.science import ScienceImage, read_science
from backend.measurement.sources import central_object, extract_objects
from sync.errors.images import ImageError
from sync.geometry.footprint import Footprint

Draw = Callable[..., NDArray[np.float32]]
MakeFits = Callable[..., bytes]


@pytest.fixture
def image(draw_galaxy: Draw, make_fits: MakeFits) -> ScienceImage:
    """Return an image with a galaxy in the middle and a fainter one beside it."""
    pixels = draw_galaxy() + draw_galaxy(centre=(80.0, 25.0), re_px=3.0, flux=4_000.0, seed=1, noise=0.0) - 20.0
    return read_science(make_fits(pixels), max_pixels=10**6)


def test_objects_are_found_brightest_first(image: ScienceImage) -> None:
    objects = extract_objects(image)
    assert len(objects) == 2
    assert objects[0].holds(50, 50)
    assert objects[1].holds(80, 25)
    assert central_object(objects, image.size) == 0


def test_a_saturated_core_and_a_bad_column_do_not_divide_an_object(image: ScienceImage) -> None:
    plane = image.plane.copy()
    plane[47:54, 48:53] = np.nan
    plane[:, 55] = np.nan
    objects = extract_objects(replace(image, plane=plane))
    assert len(objects) == 2
    assert objects[0].holds(50, 50)


def test_an_image_of_noise_has_no_objects(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    assert extract_objects(read_science(make_fits(draw_galaxy(flux=0.0)), max_pixels=10**6)) == []


def test_an_image_without_noise_is_refused(image: ScienceImage) -> None:
    with pytest.raises(ImageError, match="no noise"):
        extract_objects(replace(image, plane=np.zeros((50, 50), np.float32)))


def test_the_central_object_is_the_smallest_over_the_middle_else_the_nearest() -> None:
    def square(x: int, y: int, side: int) -> Footprint:
        return Footprint(x, y, np.ones((side, side), bool))

    assert central_object([square(0, 0, 100), square(45, 45, 10), square(0, 0, 3)], (100, 100)) == 1
    assert central_object([square(0, 0, 5), square(60, 60, 5)], (100, 100)) == 1
    assert central_object([], (100, 100)) is None


def test_the_psf_is_given_or_from_the_header_or_of_the_seeing(image: ScienceImage) -> None:
    psf_of_options = choose_psf(image, PsfOptions((gaussian_psf(4.0, source="given"),)))[0]
    header = choose_psf(image, PsfOptions(seeing_arcsec=0.8))[0]
    without_header = replace(image, header=None)
    seeing = choose_psf(without_header, PsfOptions(seeing_arcsec=0.8))[0]
    assert psf_of_options is not None
    assert header is not None
    assert seeing is not None
    assert [psf_of_options.source, header.source, seeing.source] == ["given", "header", "seeing"]
    assert header.fwhm_px == pytest.approx(3.0, rel=0.1)
    assert seeing.fwhm_px == pytest.approx(4.0, rel=0.1)
    psf, reason = choose_psf(without_header, PsfOptions())
    assert psf is None
    assert "no header" in reason
    assert "no seeing is given" in reason


def test_a_file_with_a_psf_for_each_band_gives_that_of_the_measured_band(image: ScienceImage) -> None:
    psfs = tuple(gaussian_psf(width, source="given") for width in (2.0, 3.0, 4.0))
    assert choose_psf(replace(image, place=1, bands=3), PsfOptions(psfs))[0] is psfs[1]
    with pytest.raises(ImageError, match="3 PSFs, and the image 5 bands"):
        choose_psf(replace(image, place=1, bands=5), PsfOptions(psfs))


def test_a_given_psf_that_is_larger_than_the_image_is_refused(image: ScienceImage) -> None:
    with pytest.raises(ImageError, match="larger than the image"):
        choose_psf(image, PsfOptions((gaussian_psf(120.0, source="given"),)))
