from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.images.decode import decode
from sync.images.fits.reader import read_bands
from sync.images.stretch import asinh, in_colour

REAL = Path(__file__).parents[4].parent / "shared" / "data" / "fits"
RNG = np.random.default_rng(0)


def galaxy(*, sky: float = 100.0, noise: float = 5.0) -> NDArray[np.float64]:
    """Return a source above and left of the centre in the astronomical display, shape (40, 60)."""
    y, x = np.mgrid[:40, :60]
    return sky + noise * RNG.normal(size=(40, 60)) + 60 * noise * np.exp(-np.hypot(x - 15, y - 30) / 4)


def write_file(*hdus: Any) -> bytes:
    file = io.BytesIO()
    first = hdus[0] if isinstance(hdus[0], fits.PrimaryHDU) else None
    fits.HDUList(list(hdus) if first else [fits.PrimaryHDU(), *hdus]).writeto(file)
    return file.getvalue()


def image(values: NDArray[Any], **header: Any) -> bytes:
    return write_file(fits.PrimaryHDU(values, header=fits.Header(header.items())))


def test_the_first_row_is_at_the_bottom_and_one_band_is_grey() -> None:
    values = galaxy()
    pixels = decode(image(values))
    assert pixels[..., 0] == pytest.approx(asinh(values)[::-1], abs=1e-5)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    assert pixels[40 - 1 - 30, 15, 0] > 0.5
    assert (pixels.dtype, pixels.flags.c_contiguous) == (np.float32, True)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8", "u2", "u4"])
def test_every_type_of_number_is_read(dtype: str) -> None:
    values = galaxy().clip(0, 255).astype(dtype)
    assert decode(image(values))[::-1, :, 0] == pytest.approx(asinh(values.astype(np.float64)), abs=1e-5)


def test_bscale_and_bzero_are_applied() -> None:
    values = galaxy()
    hdu = fits.PrimaryHDU(values.copy())
    hdu.scale("int16", bscale=0.05, bzero=300)
    assert decode(write_file(hdu))[::-1, :, 0] == pytest.approx(asinh(values), abs=0.03)


def test_nan_and_blank_pixels_are_black() -> None:
    image_with_holes = galaxy()
    image_with_holes[:3] = np.nan
    assert (decode(image(image_with_holes))[-3:] == 0).all()
    blank = galaxy().astype(np.int16)
    blank[:3] = -999
    assert (decode(image(blank, BLANK=-999))[-3:] == 0).all()


def test_blank_pixels_of_unsigned_integers_are_missing() -> None:
    counts = galaxy().astype(np.uint16)
    counts[:3] = 0
    counts[5] = 65535
    (plane,) = read_bands(image(counts, BLANK=-32768), max_pixels=10**6).planes  # 0 is stored as -32768
    assert np.isnan(plane[:3]).all()
    assert np.array_equal(plane[3:], counts[3:])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_an_image_of_nans_only_is_an_error(dtype: str) -> None:
    with pytest.raises(ImageError, match="no valid pixel"):
        decode(image(np.full((8, 8), np.nan, dtype=dtype)))


def test_a_constant_image_is_black() -> None:
    assert (decode(image(np.full((8, 8), 7.5))) == 0).all()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_planes_of_a_cube_are_bands(count: int) -> None:
    cube = np.stack([galaxy() for _ in range(count)])
    assert decode(image(cube)) == pytest.approx(in_colour(cube)[::-1], abs=1e-5)


def test_leading_axes_of_length_one_do_not_matter() -> None:
    values = galaxy()
    assert np.array_equal(decode(image(values[None, None])), decode(image(values)))


def test_extensions_of_one_size_are_bands_except_masks() -> None:
    bands = [galaxy() for _ in range(3)]
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    hdus = [fits.ImageHDU(band, name=name) for band, name in zip(bands, "GRZ", strict=True)]
    other_hdus = [fits.ImageHDU(bands[0], name="MASK"), fits.ImageHDU(bands[0], name="IVAR"), fits.ImageHDU(np.ones((5, 5)))]
    spectrum = fits.ImageHDU(np.ones(7))
    assert np.array_equal(decode(write_file(*hdus, *other_hdus, spectrum, table)), decode(image(np.stack(bands))))


@pytest.mark.parametrize(
    ("measured_name", "other_hdus"),
    [
        ("SCI", ["ERR", "CON", "WHT", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"]),  # JWST
        ("SCI", ["WHT", "CTX"]),  # Hubble
        ("DATA", ["STAT"]),  # MUSE
        ("3-1-E.SCI", ["3-1-E.RMS", "3-1-E.FLG"]),  # Euclid
        ("", ["RMS", "FLG", "FLAGS", "DQ_1", "UNCERT", "MASK.G", "G.MASK"]),
    ],
)
def test_auxiliary_extensions_of_pipelines_are_not_bands(measured_name: str, other_hdus: list[str]) -> None:
    band = galaxy()
    hdus = [
        fits.ImageHDU(band if name == measured_name else np.ones_like(band), name=name) for name in (measured_name, *other_hdus)
    ]
    primary = fits.PrimaryHDU(header=fits.Header({"FILTER": "F115W"}))
    file = io.BytesIO()
    fits.HDUList([primary, *hdus]).writeto(file)
    bands = read_bands(file.getvalue(), max_pixels=10**6)
    assert bands.planes[0] == pytest.approx(band)
    assert bands.names == ("F115W",)


def test_three_planes_of_eight_bits_are_a_colour_image() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    assert decode(image(planes)) == pytest.approx(np.moveaxis(planes, 0, -1)[::-1] / 255, abs=1e-6)
    assert not read_bands(image(planes.astype(np.int16)), max_pixels=10**6).is_rgb


def test_the_lowest_band_is_blue() -> None:
    quiet = [galaxy() * 0 + RNG.normal(size=(40, 60)) for _ in range(2)]
    pixels = decode(image(np.stack([galaxy(noise=1), *quiet]), BANDS="grz"))
    assert np.argmax(pixels[9, 15]) == 2


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS"])
@pytest.mark.parametrize("dtype", ["i2", "i4", "f4"])
def test_tile_compressed_images_are_read(compression: str, dtype: str) -> None:
    values = galaxy().astype(dtype)
    lossy = 16.0 if dtype == "f4" and compression == "RICE_1" else 0.0
    data = write_file(fits.CompImageHDU(values, compression_type=compression, quantize_level=lossy, tile_shape=(10, 60)))
    assert decode(data) == pytest.approx(decode(image(values)), abs=0.05 if lossy else 1e-6)


@pytest.mark.parametrize("compression", ["HCOMPRESS_1", "PLIO_1"])
def test_compressions_that_crash_on_damaged_files_are_rejected(compression: str) -> None:
    data = write_file(fits.CompImageHDU(np.ones((32, 32), dtype=np.int16), compression_type=compression))
    with pytest.raises(ImageError, match=rf"{compression}, which cannot be opened safely; use RICE_1"):
        decode(data)


def test_gzipped_files_are_read() -> None:
    data = image(galaxy())
    assert np.array_equal(decode(gzip.compress(data)), decode(data))


def test_a_gzip_bomb_is_rejected_before_decompression() -> None:
    with pytest.raises(ImageError, match="not a PNG"):
        decode(gzip.compress(bytes(10_000_000)))


def test_a_gzipped_image_over_the_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.images.decode.MAX_UNPACKED_BYTES", 10_000)
    with pytest.raises(ImageError, match="unpacks to more than 10000 bytes"):
        decode(gzip.compress(image(galaxy())))


def test_a_tile_that_decompresses_to_too_much_is_rejected() -> None:
    bomb = zlib.compress(bytes(1_000_000), 9, wbits=31)
    column = fits.Column("COMPRESSED_DATA", "1PB()", array=np.array([np.frombuffer(bomb, np.uint8)], dtype=object))
    table = fits.BinTableHDU.from_columns([column])
    table.header.update(ZIMAGE=True, ZCMPTYPE="GZIP_1", ZBITPIX=8, ZNAXIS=2, ZNAXIS1=8, ZNAXIS2=8, ZTILE1=8, ZTILE2=8)
    with pytest.raises(ImageError, match="unpacks to more than the 512 bytes"):
        decode(write_file(table))


@pytest.mark.parametrize("shape", [(20_000, 20_000), (1000, 1000, 1000), (2**40, 2**40)])
def test_too_many_pixels_are_rejected_before_they_are_read(shape: tuple[int, ...]) -> None:
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", len(shape))])
    for axis, size in enumerate(shape, 1):
        header[f"NAXIS{axis}"] = size
    with pytest.raises(ImageError):
        decode(header.tostring().encode() + bytes(2880))


def test_a_compressed_image_counts_with_its_full_size() -> None:
    data = write_file(fits.CompImageHDU(np.zeros((1000, 1000), dtype=np.int16), compression_type="RICE_1"))
    with pytest.raises(ImageError, match="1 bands of 1000x1000 pixels, more than the 999999"):
        decode(data, max_pixels=999_999)


@pytest.mark.parametrize("shape", [(), (7,)])
def test_a_file_without_an_image_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="no image of two or more dimensions"):
        decode(write_file(fits.PrimaryHDU(np.ones(shape) if shape else None)))


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (1, 1), (3, 1, 200)])
def test_one_line_of_pixels_is_a_spectrum_and_not_an_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"is one line of .* as of a spectrum"):
        decode(write_file(fits.PrimaryHDU(np.ones(shape, np.float32))))


def test_a_truncated_file_is_an_error() -> None:
    data = image(galaxy())
    end = 2880 + 40 * 60 * 8
    for size in range(0, end, 497):
        with pytest.raises(ImageError):
            decode(data[:size])


@pytest.mark.skipif(not REAL.exists(), reason="the real FITS cut-outs (shared/data/fits) are not here")
def test_real_cut_outs_show_a_bright_galaxy_in_the_middle_of_a_dark_sky() -> None:
    files = sorted(REAL.glob("*.fits"))
    assert files
    for file in files:
        pixels = decode(file.read_bytes())
        height, width, _ = pixels.shape
        middle = pixels[height // 2 - 5 : height // 2 + 5, width // 2 - 5 : width // 2 + 5]
        assert middle.mean() > 0.4, file.name
        assert np.median(pixels) < 0.25, file.name
        assert not np.array_equal(pixels[..., 0], pixels[..., 2]), file.name
