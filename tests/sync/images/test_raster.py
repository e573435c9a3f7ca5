from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sync.errors.images import ImageError
from sync.images.decode import decode

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)


def write_file(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey(values: NDArray[np.generic], white: int) -> NDArray[np.float32]:
    return np.repeat((values.astype(np.float32) / np.float32(white))[..., None], 3, axis=-1)


def test_grey_png_is_value_over_255_in_each_channel() -> None:
    assert np.array_equal(decode(write_file(Image.fromarray(RAMP), "PNG")), grey(RAMP, 255))


def test_colour_png_is_value_over_255() -> None:
    pixels = decode(write_file(Image.fromarray(COLOURS), "PNG"))
    assert np.array_equal(pixels, COLOURS / np.float32(255))
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous


def test_16_bit_png_is_value_over_65535() -> None:
    values = np.array([[0, 1, 300], [40_000, 65_534, 65_535]], dtype=np.uint16)
    assert np.array_equal(decode(write_file(Image.fromarray(values), "PNG")), grey(values, 65535))


def test_black_and_white_png_is_zero_and_one() -> None:
    values = RAMP > 100
    assert np.array_equal(decode(write_file(Image.fromarray(values), "PNG")), grey(values, 1))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png_has_its_palettes_colours(bits: int) -> None:
    image = Image.fromarray(COLOURS).quantize(2**bits)
    assert np.array_equal(decode(write_file(image, "PNG", bits=bits)), np.asarray(image.convert("RGB")) / np.float32(255))


def test_transparent_pixels_lie_on_black() -> None:
    alpha = np.array([[0, 51, 255]], dtype=np.uint8)
    rgba = np.dstack([np.full((1, 3, 3), 255, dtype=np.uint8), alpha])
    assert decode(write_file(Image.fromarray(rgba), "PNG"))[0, :, 0] == pytest.approx([0, 0.2, 1])


def test_grey_with_alpha_lies_on_black() -> None:
    image = Image.merge("LA", (Image.new("L", (2, 1), 255), Image.new("L", (2, 1), 51)))
    assert decode(write_file(image, "PNG")) == pytest.approx(0.2)


def test_a_transparent_palette_entry_is_black() -> None:
    image = Image.new("P", (2, 1), 1)
    image.putpalette([10, 20, 30, 255, 255, 255])
    assert (decode(write_file(image, "PNG", transparency=1)) == 0).all()


def test_jpeg_is_what_its_decoder_gives() -> None:
    data = write_file(Image.fromarray(COLOURS), "JPEG", quality=95)
    assert np.array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data))) / np.float32(255))


def test_cmyk_jpeg_is_shown_in_colour() -> None:
    data = write_file(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    assert decode(data)[4, 4] == pytest.approx([1, 0, 0], abs=0.05)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_displayed(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("white", "black")]
    options = {"lossless": True} if kind == "WEBP" else {}
    assert (decode(write_file(frames[0], kind, save_all=True, append_images=frames[1:], **options)) == 1).all()


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (4, (-1, 0)), (5, (0, 0)), (6, (0, -1)), (7, (-1, -1)), (8, (-1, 0))],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int, corner: tuple[int, int]) -> None:
    """`corner` is the displayed position of the first stored pixel; from 5 on, rows become columns."""
    values = np.zeros((16, 32, 3), dtype=np.uint8)
    values[:8, :8] = 255
    exif = Image.Exif()
    exif[274] = orientation
    pixels = decode(write_file(Image.fromarray(values), kind, exif=exif))
    assert pixels.shape[:2] == ((16, 32) if orientation < 5 else (32, 16))
    assert pixels[corner] == pytest.approx(1, abs=0.1)
    assert pixels.sum() == pytest.approx(8 * 8 * 3, rel=0.1)


@pytest.mark.parametrize("exif", [b"Exif\x00\x00", b"Exif\x00\x00garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff"])
def test_damaged_exif_changes_nothing(exif: bytes) -> None:
    assert decode(write_file(Image.fromarray(COLOURS), "JPEG", exif=exif)).shape == COLOURS.shape


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_truncated_image_is_an_error(kind: str) -> None:
    data = write_file(Image.fromarray(np.tile(COLOURS, (4, 4, 1))), kind)
    for size in range(0, len(data) // 10 * 9, 97):
        with pytest.raises(ImageError):
            decode(data[:size])


def test_too_many_pixels_are_rejected_before_decompression() -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    def bomb(side: int) -> bytes:
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"never read") + chunk(b"IEND", b"")

    with pytest.raises(ImageError, match="12000x12000 pixels, more than"):
        decode(bomb(12_000))
    with pytest.raises(ImageError, match="more than"):
        decode(bomb(60_000))
    with pytest.raises(ImageError, match="17x12 pixels, more than the 203 that"):
        decode(write_file(Image.fromarray(COLOURS), "PNG"), max_pixels=203)
    assert decode(write_file(Image.fromarray(COLOURS), "PNG"), max_pixels=204).shape == COLOURS.shape
