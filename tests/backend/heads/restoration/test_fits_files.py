"""Restored FITS files keep coordinates, units and cards, and say what was done."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
import torch
from astropy.io import fits
from astropy.wcs import WCS

from backend.heads.restoration.convolutional import ConvolutionalConfig
from backend.heads.restoration.fits_files import restore_file
from backend.heads.restoration.network import Restoring
from backend.heads.restoration.restorer import Restorer
from backend.heads.structure.psf import Psf, gaussian_psf
from sync.errors.images import ImageError

PSF = gaussian_psf(3.0, source="given")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    torch.manual_seed(0)
    return Restorer(Restoring(ConvolutionalConfig(widths=(8,), blocks=1)))


def header() -> fits.Header:
    sky = WCS(naxis=2)
    sky.wcs.ctype, sky.wcs.crval, sky.wcs.crpix, sky.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [150, 2], [16, 16], [-1e-4, 1e-4]
    cards = sky.to_header()
    cards["BUNIT"], cards["MAGZERO"], cards["SEEING"] = "nanomaggy", 22.5, (0.9, "arcsec")
    return cards


def file_of(*parts: fits.PrimaryHDU | fits.ImageHDU) -> bytes:
    content = io.BytesIO()
    fits.HDUList(list(parts)).writeto(content)
    return content.getvalue()


def restore_content(content: bytes, restorer: Restorer, psf: Psf | None = PSF) -> fits.HDUList:
    result = restore_file(content, restorer, lambda _: psf, psf_name="star.fits", max_pixels=10**6)
    return fits.open(io.BytesIO(result.content))


def noise(*shape: int) -> np.ndarray:
    return RNG.normal(100, 2, shape).astype(np.float32)


def test_coordinates_units_and_cards_are_kept(restorer: Restorer) -> None:
    file = restore_content(gzip.compress(file_of(fits.PrimaryHDU(noise(40, 32), header()))), restorer)
    assert [part.name for part in file] == ["PRIMARY", "UNCERT"]
    for part in file:
        assert part.data.shape == (40, 32)
        assert part.header["BUNIT"] == "nanomaggy"
        assert np.allclose(WCS(part.header).pixel_to_world_values(3, 4), WCS(header()).pixel_to_world_values(3, 4))
    assert file[0].header["MAGZERO"] == 22.5
    assert "restored from a PSF of FWHM 3.0" in str(file[0].header["HISTORY"]).replace("\n", "")
    assert "star.fits" in str(file[0].header["HISTORY"]).replace("\n", "")


def test_the_seeing_of_the_observed_image_does_not_stay_in_the_header(restorer: Restorer) -> None:
    file = restore_content(file_of(fits.PrimaryHDU(noise(32, 32), header())), restorer)
    assert "SEEING" not in file[0].header
    assert file[0].header["FWHM"] == 2.0
    assert restore_content(file_of(fits.PrimaryHDU(noise(32, 32), header())), restorer, None)[0].header["SEEING"] == 0.9


def test_every_plane_of_a_cube_is_restored(restorer: Restorer) -> None:
    file = restore_content(file_of(fits.PrimaryHDU(noise(4, 32, 24))), restorer)
    assert file[0].data.shape == file[1].data.shape == (4, 32, 24)


def test_bands_in_extensions_stay_extensions(restorer: Restorer) -> None:
    parts = [fits.ImageHDU(noise(32, 24), header(), name=band) for band in ("G", "R")]
    file = restore_content(file_of(fits.PrimaryHDU(), *parts), restorer)
    assert [part.name for part in file] == ["PRIMARY", "G", "UNCERT_G", "R", "UNCERT_R"]


def test_scaled_integers_and_the_primary_header_are_read(restorer: Restorer) -> None:
    image = fits.ImageHDU((10 * noise(32, 32)).astype(np.uint16), name="SCI")
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "HST"
    file = restore_content(file_of(primary, image), restorer)
    assert "BZERO" not in file[0].header
    assert file[0].header["TELESCOP"] == "HST"
    assert np.median(file[0].data) == pytest.approx(1000, abs=5)


def test_missing_pixels_are_counted_in_the_history(restorer: Restorer) -> None:
    image = noise(32, 32)
    image[3:5, 3] = np.nan
    assert "2 pixels without a value" in str(restore_content(file_of(fits.PrimaryHDU(image)), restorer)[0].header["HISTORY"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG image holds displayed brightness"),
        (file_of(fits.PrimaryHDU(noise(32, 32).astype(np.uint8))), "8-bit"),
        (file_of(fits.PrimaryHDU(noise(32, 32)))[:4000], "truncated"),
        (file_of(fits.PrimaryHDU()), "no image"),
        (b"", "not an image, or is empty"),
        (
            file_of(fits.PrimaryHDU(np.stack([noise(32, 32), np.full((32, 32), np.nan)]))),
            "plane 2 of 2: the image has no valid pixel",
        ),
    ],
)
def test_other_files_are_refused(restorer: Restorer, content: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        restore_file(content, restorer, lambda _: PSF, psf_name="", max_pixels=10**6)


def test_each_plane_has_the_psf_of_its_own_header(restorer: Restorer) -> None:
    widths = {"G": 3.0, "R": 4.0}
    parts = [fits.ImageHDU(noise(32, 24), fits.Header({"FWHM": width}), name=band) for band, width in widths.items()]
    content = file_of(fits.PrimaryHDU(), *parts)
    psf_of = lambda plane: gaussian_psf(plane.header["FWHM"], source="header")  # noqa: E731
    planes = restore_file(content, restorer, psf_of, psf_name="", max_pixels=10**6).planes
    assert [plane.psf_fwhm_px for plane in planes] == pytest.approx([3.0, 4.0], rel=0.05)
    assert {plane.psf_source for plane in planes} == {"header"}


def test_the_history_names_the_psfs_source_and_the_share_of_the_correction(restorer: Restorer) -> None:
    content = file_of(fits.PrimaryHDU(noise(32, 32)))
    psf = gaussian_psf(3.0, source="stars")
    result = restore_file(content, restorer.with_share(0.5), lambda _: psf, psf_name="", max_pixels=10**6)
    history = "".join(fits.getheader(io.BytesIO(result.content))["HISTORY"])
    assert "of the stars in the image" in history
    assert "0.5 of the correction" in history
