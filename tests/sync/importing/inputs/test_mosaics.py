"""Cut-outs: the star is at its coordinates in every band, also if the bands have different pixel grids."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.fits import Header
from astropy.wcs import WCS
from PIL import Image

from sync.errors.images import ImageError
from sync.images.display import display
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.item import InputError
from sync.importing.inputs.mosaics import Mosaics


def pixel_of(position: Position, header: Header) -> tuple[int, int]:
    x, y = WCS(header).celestial.world_to_pixel(SkyCoord(position.ra, position.dec, unit="deg"))
    return round(float(x)), round(float(y))


def test_the_star_is_at_the_coordinates_of_the_cut_out(mosaic: Callable[..., Path], star: Position) -> None:
    aside = Position(star.ra + 0.001, star.dec - 0.0015)
    with Mosaics([mosaic("r.fits", BUNIT="nJy")]) as mosaics, fits.open(io.BytesIO(mosaics.cut(aside, fov_arcsec=30))) as cut:
        (plane,) = cut[0].data
        assert plane.shape == (60, 60)
        x, y = pixel_of(star, cut[0].header)
        assert np.unravel_index(plane.argmax(), plane.shape) == (y, x)
        assert cut[0].header["BUNIT"] == "nJy"


def test_the_wcs_of_a_task_counts_rows_from_the_bottom_of_the_image(mosaic: Callable[..., Path], star: Position) -> None:
    with Mosaics([mosaic("r.fits")]) as mosaics:
        picture = display(mosaics.cut(Position(star.ra + 0.001, star.dec - 0.0015), fov_arcsec=30), stretch="lupton")
    x, y = pixel_of(star, Header(picture.data["wcs"]))
    pixels = np.asarray(Image.open(io.BytesIO(picture.image)).convert("L")).astype(float)
    seen_y, seen_x = np.unravel_index(pixels.argmax(), pixels.shape)
    assert abs(seen_x - x) <= 1
    assert abs((picture.data["wcs"]["NAXIS2"] - 1 - seen_y) - y) <= 1
    assert abs(seen_y - y) > 5  # a flipped image would have it elsewhere
    assert picture.data["pixel_scale_arcsec"] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("other", [{}, {"shift_px": 30.0}, {"shift_px": 0.4}, {"turned_deg": 25.0}])
def test_bands_on_other_grids_are_resampled_to_that_of_the_first(
    mosaic: Callable[..., Path], star: Position, other: dict[str, float]
) -> None:
    files = [mosaic("a.fits", FILTER="g"), mosaic("b.fits", FILTER="r", flux=500.0, **other)]
    with Mosaics(files) as mosaics, fits.open(io.BytesIO(mosaics.cut(star, fov_arcsec=20))) as cut:
        first, second = cut[0].data
        assert np.unravel_index(first.argmax(), first.shape) == np.unravel_index(second.argmax(), second.shape)
        assert np.isfinite(second).all()
        assert second.max() - 10 == pytest.approx((first.max() - 10) / 2, rel=0.15)
        assert (cut[0].header["BAND0"], cut[0].header["BAND1"]) == ("g", "r")


def test_several_files_of_a_band_are_tiles(mosaic: Callable[..., Path], star: Position) -> None:
    with Mosaics([mosaic("far.fits", FILTER="r", shift_px=-5000.0), mosaic("near.fits", FILTER="r")]) as mosaics:
        assert fits.getdata(io.BytesIO(mosaics.cut(star, fov_arcsec=10))).shape == (1, 20, 20)


def test_a_cut_out_beyond_the_edge_is_empty(mosaic: Callable[..., Path], star: Position) -> None:
    with Mosaics([mosaic("r.fits")]) as mosaics:
        plane = fits.getdata(io.BytesIO(mosaics.cut(Position(star.ra, star.dec + 0.015), fov_arcsec=30)))[0]
    assert np.isnan(plane[-1]).all()
    assert np.isfinite(plane[0]).all()


def test_the_same_cut_out_has_the_same_bytes(mosaic: Callable[..., Path], star: Position) -> None:
    with Mosaics([mosaic("r.fits")]) as mosaics:
        assert mosaics.cut(star, fov_arcsec=10) == mosaics.cut(star, fov_arcsec=10)


def test_a_position_that_no_mosaic_covers_is_rejected(mosaic: Callable[..., Path], star: Position) -> None:
    with Mosaics([mosaic("r.fits")]) as mosaics:
        for position in (Position(star.ra + 1, star.dec), Position(star.ra + 180, -star.dec)):
            with pytest.raises(ImageError, match=r"no r mosaic covers the position at ra \d+\.\d+, dec"):
                mosaics.cut(position, fov_arcsec=10)


def test_a_cut_out_that_would_fill_the_memory_is_rejected(mosaic: Callable[..., Path], star: Position) -> None:
    with Mosaics([mosaic("r.fits")]) as mosaics, pytest.raises(ImageError, match="4096 are the most"):
        mosaics.cut(star, fov_arcsec=1e6)


def test_a_mosaic_without_image_or_coordinates_is_named(tmp_path: Path) -> None:
    flat, empty_file, text = tmp_path / "flat.fits", tmp_path / "empty.fits", tmp_path / "text.fits"
    fits.PrimaryHDU(np.zeros((5, 5))).writeto(flat)
    fits.PrimaryHDU().writeto(empty_file)
    text.write_text("no mosaic")
    for file, reason in (
        (flat, "no celestial coordinates"),
        (empty_file, "no image of two axes"),
        (text, "cannot be read as FITS"),
    ):
        with pytest.raises(InputError, match=rf"{file.name}.*{reason}"):
            Mosaics([file])
    with pytest.raises(InputError, match="cannot be read as FITS"):
        Mosaics([tmp_path / "nowhere.fits"])
