from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from sync.errors.images import ImageError
from sync.images.decode import decode
from sync.images.stretch import asinh, lupton

RNG = np.random.default_rng(0)
GREY8 = RNG.integers(0, 256, (20, 31), dtype=np.uint8)
GREY16 = RNG.integers(0, 65536, (20, 31), dtype=np.uint16)
RGB8 = RNG.integers(0, 256, (20, 31, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (20, 31, 3), dtype=np.uint16)
FLOAT = (RNG.normal(size=(20, 31)) + np.linspace(0, 200, 31)).astype(np.float32)


def write_file(values: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def by_pillow(values: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF", **options)
    return file.getvalue()


def grey(values: NDArray[Any]) -> NDArray[np.float32]:
    white = np.float32(np.iinfo(values.dtype).max)
    return np.repeat((values.astype(np.float32) / white)[..., None], 3, axis=-1)


@pytest.mark.parametrize("values", [GREY8, GREY16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": 2},
        {"tile": (16, 16)},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"rowsperstrip": 3},
    ],
)
def test_grey_is_value_over_white_however_it_is_stored(values: NDArray[Any], options: dict[str, Any]) -> None:
    assert np.array_equal(decode(write_file(values, photometric="minisblack", **options)), grey(values))


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "raw"])
def test_compressions_that_only_pillow_opens_are_exact_too(compression: str) -> None:
    assert np.array_equal(decode(by_pillow(GREY8, compression=compression)), grey(GREY8))
    assert np.array_equal(decode(by_pillow(GREY16, compression=compression)), grey(GREY16))
    assert np.array_equal(decode(by_pillow(RGB8, compression=compression)), RGB8 / np.float32(255))


def test_jpeg_inside_a_tiff_is_opened() -> None:
    smooth = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], 64, axis=0)
    assert decode(by_pillow(smooth, compression="jpeg")) == pytest.approx(grey(smooth), abs=0.05)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_colour_is_value_over_white(planarconfig: str) -> None:
    for values in (RGB8, RGB16):
        values_in_file = values if planarconfig == "contig" else values.transpose(2, 0, 1)
        pixels = decode(write_file(values_in_file, photometric="rgb", planarconfig=planarconfig))
        assert np.array_equal(pixels, values / np.float32(np.iinfo(values.dtype).max))


def test_white_may_be_zero() -> None:
    assert decode(write_file(GREY8, photometric="miniswhite")) == pytest.approx(1 - grey(GREY8))


def test_a_palette_is_displayed_in_its_colours() -> None:
    colormap = RNG.integers(0, 256, (3, 256), dtype=np.uint16) * 257
    pixels = decode(write_file(GREY8, photometric="palette", colormap=colormap))
    assert pixels == pytest.approx(colormap.T[GREY8] / 65535, abs=0.005)


@pytest.mark.parametrize(("kind", "expected"), [("unassalpha", 0.2), ("assocalpha", 1.0), ("unspecified", 1.0)])
def test_transparency_lies_on_black(kind: str, expected: float) -> None:
    rgba = np.full((4, 4, 4), 255, dtype=np.uint8)
    rgba[..., 3] = 51
    assert decode(write_file(rgba, photometric="rgb", extrasamples=[kind])) == pytest.approx(expected)


def test_cmyk_is_displayed_in_colour() -> None:
    cmyk = np.zeros((8, 8, 4), dtype=np.uint8)
    cmyk[..., 1:3] = 255
    assert decode(write_file(cmyk, photometric="separated"))[4, 4] == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.int32, np.uint32])
def test_measurements_are_stretched_and_not_flipped(dtype: type[np.generic]) -> None:
    values = FLOAT.astype(dtype) if np.dtype(dtype).kind != "u" else (FLOAT + 10).astype(dtype)
    pixels = decode(write_file(values, photometric="minisblack"))
    assert pixels[..., 0] == pytest.approx(asinh(values.astype(np.float64)), abs=1e-5)


def test_three_float_samples_are_red_green_and_blue() -> None:
    values = np.dstack([FLOAT, FLOAT[::-1], FLOAT[:, ::-1]])
    assert decode(write_file(values, photometric="rgb")) == pytest.approx(lupton(*values.transpose(2, 0, 1)), abs=1e-5)


def test_compressed_floats_are_stretched_too() -> None:
    for data in (write_file(FLOAT, compression="zlib"), by_pillow(FLOAT, compression="tiff_lzw")):
        assert decode(data)[..., 0] == pytest.approx(asinh(FLOAT), abs=1e-5)


def test_missing_floats_are_black_and_an_image_of_them_is_an_error() -> None:
    values_with_holes = FLOAT.copy()
    values_with_holes[:5] = np.nan
    assert (decode(write_file(values_with_holes))[:5] == 0).all()
    with pytest.raises(ImageError, match="no valid pixel"):
        decode(write_file(np.full((5, 5), np.nan, dtype=np.float32)))


def test_constant_floats_are_black() -> None:
    assert (decode(write_file(np.full((5, 5), 3.5, dtype=np.float32))) == 0).all()


def test_the_first_page_is_displayed() -> None:
    assert np.array_equal(decode(write_file(np.stack([GREY8, GREY8 // 2]), photometric="minisblack")), grey(GREY8))


def test_complex_numbers_are_rejected() -> None:
    with pytest.raises(ImageError):
        decode(write_file(np.zeros((4, 4), dtype=np.complex64)))


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_a_truncated_tiff_is_an_error(options: dict[str, Any]) -> None:
    data = write_file(RGB8, photometric="rgb", **options)
    for size in range(8, len(data) - 1, 37):
        with pytest.raises(ImageError):
            decode(data[:size])


def test_too_many_pixels_are_rejected_before_decompression() -> None:
    with pytest.raises(ImageError, match="31x20 pixels, more than the 600"):
        decode(write_file(GREY8), max_pixels=600)


def test_a_strip_that_decompresses_to_too_much_is_rejected() -> None:
    bomb = write_file(np.zeros((1000, 1000), dtype=np.uint8), compression="zlib", rowsperstrip=1000)
    length = tifffile.TiffFile(io.BytesIO(bomb)).pages.first.tags["ImageLength"].valueoffset
    strip = tifffile.TiffFile(io.BytesIO(bomb)).pages.first.tags["RowsPerStrip"].valueoffset
    content = bytearray(bomb)
    for offset in (length, strip):
        content[offset : offset + 2] = (10).to_bytes(2, "little")
    with pytest.raises(ImageError, match="unpacks to more than the 10000 bytes"):
        decode(bytes(content))
