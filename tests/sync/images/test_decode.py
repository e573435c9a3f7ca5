from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sync.errors.images import ImageError
from sync.images.decode import claimed_pixels, decode

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
MAGICS = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"RIFF\x10\x00\x00\x00WEBP",
    b"II*\x00",
    b"MM\x00+",
    b"SIMPLE  =",
    b"\x1f\x8b",
]


def files() -> dict[str, bytes]:
    contents = {}
    for kind in ("PNG", "JPEG", "GIF", "WEBP"):
        file = io.BytesIO()
        Image.fromarray(PIXELS).save(file, kind)
        contents[kind] = file.getvalue()
    tiffs: dict[str, dict[str, Any]] = {"TIFF": {}, "TIFF deflate": {"compression": "zlib", "predictor": 2}}
    for name, options in tiffs.items():
        file = io.BytesIO()
        tifffile.imwrite(file, PIXELS, photometric="rgb", **options)
        contents[name] = file.getvalue()
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "TIFF", compression="tiff_lzw")
    contents["TIFF LZW"] = file.getvalue()
    file = io.BytesIO()
    fits.PrimaryHDU(PIXELS.transpose(2, 0, 1).astype("f4")).writeto(file)
    contents["FITS"] = file.getvalue()
    contents["FITS gzipped"] = gzip.compress(contents["FITS"])
    for compression in ("RICE_1", "GZIP_1", "GZIP_2"):
        file = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(PIXELS[..., 0].astype("i2"), compression_type=compression)]).writeto(
            file
        )
        contents[f"FITS {compression}"] = file.getvalue()
    return contents


FILES = files()


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_detected_from_the_bytes(name: str) -> None:
    assert decode(FILES[name]).shape == (12, 10, 3)


def test_a_gzipped_web_image_is_read_too() -> None:
    assert np.array_equal(decode(gzip.compress(FILES["PNG"])), PIXELS / np.float32(255))


@pytest.mark.parametrize("data", [b"", b"<html>", b"RIFF\x10\x00\x00\x00WAVEfmt ", b"%PDF-1.7", b"BM", b"\x1f\x8b"])
def test_other_files_are_rejected_with_one_sentence(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^the (gzipped )?image "):
        decode(data)


def decodes_or_says_why_not(data: bytes) -> None:
    try:
        pixels = decode(data, max_pixels=1_000_000)
    except ImageError:
        return
    assert pixels.dtype == np.float32
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.min() >= 0
    assert pixels.max() <= 1


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_read_or_rejected(data: bytes) -> None:
    decodes_or_says_why_not(data)


@given(st.sampled_from(MAGICS), st.binary(max_size=400))
def test_arbitrary_bytes_after_a_magic_number_are_read_or_rejected(magic: bytes, data: bytes) -> None:
    decodes_or_says_why_not(magic + data)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_files_are_read_or_rejected(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    places = st.integers(0, len(content) - 1) | st.integers(0, min(400, len(content) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=5)):
        content[place] = value
    decodes_or_says_why_not(bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]))


HEADER_VALUES = ["0", "-1", "1", "2", "T", "'x'", "1E400", "99999999999", "''", "3.5", "'RICE_1'", "'1PB(9)'", "8", "-64"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("FITS") and "gzipped" not in name])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_fits_files_with_wrong_headers_are_read_or_rejected(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    cards = [place for place in range(0, len(content), 80) if content[place + 8 : place + 10] == b"= "]
    for place in data.draw(st.lists(st.sampled_from(cards), max_size=3)):
        content[place + 10 : place + 30] = data.draw(st.sampled_from(HEADER_VALUES)).rjust(20).encode()
    decodes_or_says_why_not(bytes(content))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_flipped_row_has_strides_that_torch_accepts(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    Image.new("L", (30, 1)).save(file, "PNG", exif=exif)
    pixels = decode(file.getvalue())
    assert min(pixels.strides) > 0
    assert pixels.flags.c_contiguous


def test_the_number_of_pixels_is_estimated_without_decoding() -> None:
    content = io.BytesIO()
    Image.new("L", (300, 200)).save(content, "PNG")
    png = content.getvalue()
    assert claimed_pixels(png) == claimed_pixels(png[:60]) == 60_000
    assert claimed_pixels(gzip.compress(png)) > 10**8
    assert claimed_pixels(b"II*\x00" + bytes(5000)) == 5004
    assert claimed_pixels(b"no image") == claimed_pixels(b"") == claimed_pixels(png[:9]) == 0
