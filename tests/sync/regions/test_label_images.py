"""Label images: each value is an object, pixel by pixel; a FITS file's first row is the image's last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask
from sync.regions import label_images
from sync.regions.marks import Canvas, MarkedImage, RegionsError
from sync.sky.reader import read_sky
from tests.sync.regions.conftest import sky_of_canvas

CANVAS = Canvas((64, 48))


def labels(dtype: str = "int32") -> np.ndarray:
    pixels = np.zeros((48, 64), dtype=dtype)
    pixels[0:3, 0:5] = 1
    pixels[20:30, 10:40] = 7
    pixels[22:24, 20:22] = 0
    pixels[40:, 60:] = 200
    return pixels


def masks(image: MarkedImage) -> dict[str, Mask]:
    masks_of_image = {}
    for mark in image.marks:
        shape = mark.draw(CANVAS).shape
        assert isinstance(shape, Footprint)
        masks_of_image[mark.name] = shape.to_mask(CANVAS.size)
    return masks_of_image


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"])
def test_rows_of_fits_are_flipped(tmp_path: Path, dtype: str) -> None:
    fits.writeto(tmp_path / "a_seg.fits", labels(dtype))
    image = label_images.read(tmp_path / "a_seg.fits")
    assert image.size == (64, 48)
    masks_of_image = masks(image)
    assert list(masks_of_image) == ["object 1", "object 7", "object 200"]
    for value in (1, 7, 200):
        assert np.array_equal(masks_of_image[f"object {value}"], (labels() == value)[::-1])


@pytest.mark.parametrize("mode", ["uint8", "uint16", "palette", "tiff"])
def test_rows_of_png_are_not_flipped(tmp_path: Path, mode: str) -> None:
    file = tmp_path / ("a.tif" if mode == "tiff" else "a.png")
    image = Image.fromarray(labels("uint16" if mode == "tiff" else "uint8" if mode == "palette" else mode))
    if mode == "palette":
        image = image.convert("L")
        image.putpalette([channel for value in range(256) for channel in (value, 0, 255 - value)])
    image.save(file)
    masks_of_image = masks(label_images.read(file))
    for value in (1, 7, 200):
        assert np.array_equal(masks_of_image[f"object {value}"], labels() == value)


def test_compressed_gzipped_and_later_extensions_are_read(tmp_path: Path) -> None:
    header = sky_of_canvas(64, 48).to_header()
    compressed_hdu = fits.CompImageHDU(labels(), header=header, name="SEGMAP", compression_type="RICE_1")
    science = fits.ImageHDU(np.ones((48, 64), np.float32), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), science, compressed_hdu]).writeto(tmp_path / "a.fits.gz")
    image = label_images.read(tmp_path / "a.fits.gz")
    assert np.array_equal(masks(image)["object 7"], (labels() == 7)[::-1])
    assert image.on_sky[0].position == pytest.approx((150, 2), abs=0.01)


def test_a_map_of_a_mosaic_is_exact_on_its_cut_outs(tmp_path: Path) -> None:
    wcs = sky_of_canvas(64, 48)
    fits.writeto(tmp_path / "mosaic_seg.fits", labels(), wcs.to_header())
    mark = label_images.read(tmp_path / "mosaic_seg.fits").on_sky[1]
    cutout = wcs[17:37, 8:30]  # rows of the array
    masks_of_image = mark.draw(Canvas((22, 20), read_sky(cutout.to_header()))).shape
    assert isinstance(masks_of_image, Footprint)
    assert np.array_equal(masks_of_image.to_mask((22, 20)), (labels()[17:37, 8:30] == 7)[::-1])
    finer = sky_of_canvas(128, 96, scale_arcsec=0.2)
    twice = mark.draw(Canvas((128, 96), read_sky(finer.to_header()))).shape
    assert isinstance(twice, Footprint)
    assert np.array_equal(twice.to_mask((128, 96)), np.kron((labels() == 7)[::-1], np.ones((2, 2))) > 0)


def test_classes_are_those_of_the_table(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", labels())
    image = label_images.read(tmp_path / "a.fits", classes={7: "Galaxy"})
    assert [mark.labels for mark in image.marks] == [(), ("Galaxy",), ()]


def test_an_image_covered_by_one_object_has_one_mark(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", np.full((48, 64), 5, np.int16))
    assert masks(label_images.read(tmp_path / "a.fits"))["object 5"].all()


@pytest.mark.parametrize(
    "pixels", [np.full((4, 4), -1, np.int16), np.full((4, 4), 0.5), np.zeros((2, 3, 4), np.int16), np.full((4, 4), np.inf)]
)
def test_files_that_are_not_label_images_are_rejected(tmp_path: Path, pixels: np.ndarray) -> None:
    fits.writeto(tmp_path / "a.fits", pixels)
    with pytest.raises(RegionsError):
        label_images.read(tmp_path / "a.fits")


def test_colour_images_bombs_and_damaged_files_are_rejected(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "rgb.png")
    Image.new("1", (10001, 10001)).save(tmp_path / "bomb.png", compress_level=1)
    fits.writeto(tmp_path / "whole.fits", labels())
    (tmp_path / "cut.fits").write_bytes((tmp_path / "whole.fits").read_bytes()[:4000])
    (tmp_path / "claim.fits").write_bytes(
        (tmp_path / "whole.fits").read_bytes().replace(b"NAXIS1  =                   64", b"NAXIS1  =           2000000000")
    )
    for name in ("rgb.png", "bomb.png", "cut.fits", "claim.fits", "missing.fits"):
        with pytest.raises(RegionsError):
            label_images.read(tmp_path / name)


def test_values_beyond_the_number_of_objects_are_read(tmp_path: Path) -> None:
    for lowest in (0, 3):
        pixels = np.full((48, 64), lowest, np.int32)
        pixels[0:3, 0:5] = 2**31 - 1
        fits.writeto(tmp_path / f"{lowest}.fits", pixels)
        masks_of_image = masks(label_images.read(tmp_path / f"{lowest}.fits"))
        assert list(masks_of_image) == (["object 3"] if lowest else []) + [f"object {2**31 - 1}"]
        assert np.array_equal(masks_of_image[f"object {2**31 - 1}"], (pixels == 2**31 - 1)[::-1])
