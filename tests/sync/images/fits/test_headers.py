from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

from sync.errors.images import ImageError
from sync.images.fits.headers import read_headers


def card(key: str, value: str) -> bytes:
    return f"{key:8}= {value:>20}".ljust(80).encode()


def header(**changes: str) -> bytes:
    cards = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "2", "NAXIS1": "4", "NAXIS2": "4"} | changes
    return (b"".join(card(*item) for item in cards.items()) + b"END").ljust(2880)


def compress_image(**changes: str) -> bytes:
    table = {"XTENSION": "'BINTABLE'", "NAXIS1": "8", "NAXIS2": "1", "PCOUNT": "0", "GCOUNT": "1", "TFIELDS": "1"}
    tiles = {"ZIMAGE": "T", "ZCMPTYPE": "'RICE_1'", "ZNAXIS": "2", "ZNAXIS1": "4", "ZNAXIS2": "4"}
    extension = header(**{"SIMPLE": "T"} | table | tiles | changes).replace(card("SIMPLE", "T"), b"", 1).ljust(2880)
    first = card("XTENSION", "'BINTABLE'")
    return header(NAXIS="0") + (first + extension.replace(first, b"", 1)).ljust(2880)[:2880] + bytes(2880)


def test_every_part_of_a_file_has_its_header() -> None:
    file = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    image = fits.CompImageHDU(np.ones((50, 50), dtype=np.int16), name="SCI")
    fits.HDUList([fits.PrimaryHDU(np.ones((3, 4))), table, image, fits.ImageHDU(np.ones(5), name="X")]).writeto(file)
    assert [header.get("EXTNAME") for header in read_headers(file.getvalue())] == [None, None, "SCI", "X"]


def test_bytes_after_the_last_part_are_ignored() -> None:
    assert len(read_headers(header() + bytes(2880) + b"junk")) == 1


def test_the_compressed_image_of_these_tests_is_accepted_unchanged() -> None:
    assert len(read_headers(compress_image())) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NAXIS", "99999999999"),
        ("NAXIS", "-1"),
        ("NAXIS", "T"),
        ("NAXIS", "2.0"),
        ("NAXIS1", "-4"),
        ("NAXIS2", "'four'"),
        ("BITPIX", "7"),
        ("PCOUNT", "-16"),
        ("TFIELDS", "1000000"),
    ],
)
def test_a_count_out_of_range_is_named(key: str, value: str) -> None:
    with pytest.raises(ImageError, match=f"has {key} = "):
        read_headers(header(**{key: value}) + bytes(2880))


@pytest.mark.parametrize("key", ["NAXIS", "NAXIS1", "BITPIX", "GCOUNT"])
def test_a_card_that_cannot_be_read_is_named(key: str) -> None:
    with pytest.raises(ImageError, match=f"has a card {key} that cannot be read"):
        read_headers(header(**{key: "'\x01'"}) + bytes(2880))


@pytest.mark.parametrize(
    ("key", "value"),
    [("ZNAXIS", "99999999999"), ("ZNAXIS1", "-1"), ("ZTILE1", "0"), ("ZTILE2", "-5"), ("NAXIS2", "200000")],
)
def test_a_count_of_tiles_out_of_range_is_named(key: str, value: str) -> None:
    with pytest.raises(ImageError, match=f"has {key} = "):
        read_headers(compress_image(**{"NAXIS1": "0", key: value}))


@pytest.mark.parametrize("blocksize", ["0", "-1", "1E400"])
def test_an_endless_rice_block_is_rejected(blocksize: str) -> None:
    with pytest.raises(ImageError, match="ZVAL1"):
        read_headers(compress_image(ZNAME1="'BLOCKSIZE'", ZVAL1=blocksize))


def test_a_truncated_file_is_rejected() -> None:
    for data in (header(), header() + bytes(15), header()[:2000]):
        with pytest.raises(ImageError, match="truncated"):
            read_headers(data)


def test_a_file_of_very_many_parts_is_rejected() -> None:
    extension = header(NAXIS="0").replace(card("SIMPLE", "T"), card("XTENSION", "'IMAGE   '"))
    with pytest.raises(ImageError, match="more than the 512 parts"):
        read_headers(header(NAXIS="0") + 600 * extension)
