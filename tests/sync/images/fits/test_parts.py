"""Which parts of a FITS file are images of the sky, and which of these are bands of one image."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from sync.errors.images import ImageError
from sync.images.decode import decode
from sync.images.fits.choice import choose
from sync.images.fits.headers import read_headers
from sync.images.fits.parts import parts_of
from sync.images.fits.reader import read_bands
from sync.images.fits_extraction import pick_extension, split_images

RNG = np.random.default_rng(0)


def sky(ra: float, *, scale: float = 1e-4) -> fits.Header:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, 2]
    wcs.wcs.crpix = [8, 8]
    wcs.wcs.cdelt = [-scale, scale]
    return wcs.to_header()


def image(name: str = "", version: int = 1, *, ra: float | None = 10.0, shape: Any = (16, 16), **cards: Any) -> fits.ImageHDU:
    header = fits.Header() if ra is None else sky(ra)
    header.update(cards)
    values = RNG.normal(100, 5, shape).astype(np.float32)
    return fits.ImageHDU(values, header, name=name or None, ver=version)


def file_of(*hdus: Any, **cards: Any) -> bytes:
    file = io.BytesIO()
    primary = () if isinstance(hdus[0], fits.PrimaryHDU) else (fits.PrimaryHDU(header=fits.Header(cards)),)
    fits.HDUList([*primary, *hdus]).writeto(file)
    return file.getvalue()


def images(data: bytes) -> list[list[str]]:
    return [[part.word for part in bands] for bands in choose(parts_of(read_headers(data))).images]


TABLE = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))], name="EVENTS")


@pytest.mark.parametrize(
    "hdus",
    [
        [image("SCI", 1), image("ERR", 1), image("SCI", 2, ra=10.01)],
        [image("SCI", 1, ra=None), image("DQ", 1, ra=None), image("SCI", 2, ra=None)],  # raw: no coordinates
        [image("SCI", 1), image("SCI", 2)],  # two exposures of one position
        [image("CCD1", ra=None), image("CCD2", ra=None)],
        [image("N4", ra=None), image("S30", ra=None)],
        [image("SCI1", ra=None), image("ERR1", ra=None), image("SCI2", ra=None)],
        [image("CHIP_A", ra=None), image("CHIP_B", ra=None)],
        [image(ra=None), image(ra=None, shape=(20, 20))],
        [image("WIN1.CHIP1.OUT1", ra=None), image("WIN1.CHIP2.OUT1", ra=None)],
        [image(ra=None, DETSEC="[1:16,1:16]"), image(ra=None, DETSEC="[17:32,1:16]")],
        [image(FILTER="r"), image(FILTER="r", ra=10.0)],
        [image("A"), image("B", ra=10.5)],
        [image("A", ra=359.9999), image("B", ra=0.0105)],
        [image("SCI", 1), image("SCI", 2, ra=10.2, shape=(12, 20))],
        [fits.PrimaryHDU(np.ones((16, 16)), sky(10)), image(ra=10.2)],
        [image("3-1-E.SCI"), TABLE, image("3-1-E.FLG"), image("3-2-E.SCI", ra=10.3)],
    ],
)
def test_detectors_and_exposures_are_separate_images(hdus: list[Any]) -> None:
    data = file_of(*hdus)
    assert len(images(data)) == 2
    with pytest.raises(ImageError, match=r"2 images that are not bands of one image.*--extension"):
        decode(data)
    words, files = zip(*split_images(data), strict=True)
    assert len(set(words)) == len(set(files)) == 2
    for word, content in zip(words, files, strict=True):
        assert np.array_equal(decode(content), decode(pick_extension(data, word)))


@pytest.mark.parametrize("chips", [4, 60])
def test_every_detector_of_an_exposure_is_found(chips: int) -> None:
    data = file_of(*(image("SCI", number + 1, ra=10 + number / 10, shape=(16, 16 + number)) for number in range(chips)))
    assert images(data) == [[f"SCI,{number + 1}"] for number in range(chips)]


@pytest.mark.parametrize(
    "hdus",
    [
        [image("g"), image("r"), image("i")],
        [image("g"), image("r", ra=None), image("i", ra=None)],
        [image("g", ra=None), image("r", ra=None), image("i", ra=None)],
        [image(FILTER="g"), image(FILTER="r"), image(FILTER="i")],
        [image("SCI", 1, FILTER="F435W"), image("SCI", 2, FILTER="F606W"), image("SCI", 3, FILTER="F814W")],
        [image("F115W", DETECTOR="NRCA1"), image("F200W", FILTER="F200W"), image("F444W", FILTER="F444W")],
        [image(ra=None), image(ra=None), image(ra=None)],
        [image("g"), image("r", ra=10.0 + 2e-5), image("i")],  # a fifth of a pixel away
        [image("g"), image("IVAR_g"), image("r"), image("G-MASK"), image("i"), image("PSF_i"), TABLE, image("MODEL")],
        [image("W1", ra=None), image("W2", ra=None), image("W3", ra=None)],
    ],
)
def test_bands_of_one_field_are_one_image(hdus: list[Any]) -> None:
    data = file_of(*hdus)
    assert [len(bands) for bands in images(data)] == [3]
    assert split_images(data) == [("", data)]
    assert len(read_bands(data, max_pixels=10**6).planes) == 3


def test_each_detector_keeps_its_bands() -> None:
    data = file_of(*(image(f"{band}{chip}", ra=10 + chip, FILTER=band) for chip in (1, 2) for band in "gri"))
    assert images(data) == [["G1,1", "R1,1", "I1,1"], ["G2,1", "R2,1", "I2,1"]]
    for _, content in split_images(data):
        assert read_bands(content, max_pixels=10**6).names == ("g", "r", "i")


def test_omitted_extensions_are_named_with_the_reason() -> None:
    data = file_of(image("SCI"), image("ERR"), image("WHT"), TABLE, image("PREVIEW", shape=(5, 5)))
    left_out = choose(parts_of(read_headers(data))).left_out
    assert [(part.word, reason.split()[0:2]) for part, reason in left_out] == [
        ("ERR,1", ["a", "mask,"]),
        ("WHT,1", ["a", "mask,"]),
        ("EVENTS,1", ["a", "table"]),
        ("PREVIEW,1", ["a", "mask,"]),
    ]


@pytest.mark.parametrize(("word", "number"), [("1", 1), ("sci,1", 1), ("SCI, 2", 3), ("err", 2), ("ERR,1", 2), ("3", 3)])
def test_an_extension_is_named_by_number_name_or_name_and_version(word: str, number: int) -> None:
    hdus = [image("SCI", 1), image("ERR", 1), image("SCI", 2, ra=10.01)]
    part = pick_extension(file_of(*hdus), word)
    bands = read_bands(part, max_pixels=10**6)
    assert np.array_equal(bands.planes[0], hdus[number - 1].data)


@pytest.mark.parametrize("word", ["SCI,3", "7", "VAR", "EVENTS", "4", "-1", ",", "0"])
def test_a_missing_extension_is_named_with_the_existing_ones(word: str) -> None:
    data = file_of(image("SCI", 1), image("ERR", 1), image("SCI", 2, ra=10.01), TABLE)
    with pytest.raises(ImageError, match=r"its images are 1 \(SCI,1 of 16x16\), 2 \(ERR,1"):
        pick_extension(data, word)


def test_a_name_of_several_detectors_needs_a_version() -> None:
    data = file_of(image("SCI", 1), image("ERR", 1), image("SCI", 2, ra=10.01))
    with pytest.raises(ImageError, match="such as --extension SCI,1"):
        decode(pick_extension(data, "SCI"))


def test_selecting_the_default_image_returns_the_same_file() -> None:
    for data in (file_of(image("SCI"), image("DQ"), TABLE), file_of(fits.PrimaryHDU(np.ones((4, 4))))):
        word = images(data)[0][0]
        assert pick_extension(data, word) == data


def test_lookup_tables_are_copied_with_a_detector() -> None:
    data = file_of(image("SCI", 1), image("SCI", 2, ra=11), image("WCSDVARR", 1, ra=None, shape=(4, 4)), TABLE)
    for _, content in split_images(data):
        assert [hdu.name for hdu in fits.open(io.BytesIO(content))] == ["PRIMARY", "SCI", "WCSDVARR"]


def test_the_primary_header_is_copied_with_a_detector() -> None:
    primary = fits.PrimaryHDU(np.ones((16, 16), np.int16), sky(10))
    primary.header["FILTER"] = "F606W"
    data = file_of(primary, image(ra=11))
    (_, first), (_, second) = split_images(data)
    assert fits.open(io.BytesIO(first))[0].data.shape == (16, 16)
    second_file = fits.open(io.BytesIO(second))
    assert (second_file[0].data, second_file[0].header["FILTER"]) == (None, "F606W")


@pytest.mark.parametrize("codec", ["PLIO_1", "HCOMPRESS_1", "RICE_1"])
def test_science_is_read_for_any_compression_of_its_mask(codec: str) -> None:
    science = fits.CompImageHDU(RNG.normal(100, 5, (32, 32)).astype(np.float32), name="SCI", compression_type="RICE_1")
    mask = fits.CompImageHDU(np.ones((32, 32), np.int16), name="DQ", compression_type=codec)
    data = file_of(science, mask)
    assert decode(data).shape == (32, 32, 3)
    if codec != "RICE_1":
        with pytest.raises(ImageError, match=codec):
            decode(pick_extension(data, "DQ"))


def test_a_compressed_detector_is_extracted_byte_by_byte() -> None:
    hdus = [
        fits.CompImageHDU(RNG.integers(0, 99, (32, 32), dtype=np.int32), sky(10 + n), name="IM" + str(n + 1)) for n in range(3)
    ]
    data = file_of(*hdus)
    for (word, content), hdu in zip(split_images(data), hdus, strict=True):
        assert word == f"{hdu.name},1"
        assert np.array_equal(read_bands(content, max_pixels=10**6).planes[0], hdu.data)


def test_a_single_image_is_displayed_under_any_name() -> None:
    assert decode(file_of(image("WHT"), TABLE)).shape == (16, 16, 3)
    with pytest.raises(ImageError, match=r"only masks, weights or models .*--extension WHT,1"):
        decode(file_of(image("WHT"), image("DQ")))


def test_a_file_that_is_not_fits_has_no_extensions() -> None:
    assert pick_extension(b"\x89PNG\r\n\x1a\n...", "SCI") == b"\x89PNG\r\n\x1a\n..."
    assert split_images(b"no image") == [("", b"no image")]


def test_a_version_that_cannot_be_read_costs_nothing() -> None:
    card = b"EXTVER  =                    3"
    data = file_of(image("SCI", 3)).replace(card, b"EXTVER  = '\x01'".ljust(len(card)))
    (part,) = (part for part in parts_of(read_headers(data)) if part.is_image)
    assert (part.name, part.version) == ("SCI", 1)
    assert decode(data, max_pixels=10**6).shape == (16, 16, 3)
