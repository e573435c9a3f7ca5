"""Import, embedding and detection of a file with any content end with a value or with one sentence."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import ExtractionSettings
from backend.lvm.cropping import frame
from sync.errors.images import ImageError
from sync.images.decode import decode
from sync.images.display import display
from sync.images.stretches import STRETCHES

SHAPE = (24, 40)
GALAXY = 200 * np.exp(-np.hypot(*(np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([12, 20])[:, None, None])) / 4)
NASTY = ["NaN", "'NaN'", "'text'", "1E+400", "-1", "0", "1", "999999999", "T", "1.5", "", "'\x01'", "1D300", "(1, 2)", "- 5"]
CARDS = ["NAXIS1", "NAXIS2", "NAXIS", "BITPIX", "BSCALE", "BZERO", "BLANK", "BUNIT", "CTYPE1", "CRVAL1", "CD1_1", "CUNIT1"]
SIDES = st.integers(1, 60)
SHOWN = st.sampled_from(list(STRETCHES))


def files() -> dict[str, bytes]:
    files: dict[str, io.BytesIO] = {name: io.BytesIO() for name in ("fits", "rice", "png", "jpeg", "tiff")}
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CD1_1": -1e-4})
    header.update({"CD2_2": 1e-4, "BSCALE": 1.0, "BZERO": 0.0, "BLANK": -9, "BUNIT": "adu", "CUNIT1": "deg"})
    fits.PrimaryHDU(GALAXY.astype(np.int16), header).writeto(files["fits"], output_verify="ignore")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(GALAXY.astype(np.float32))]).writeto(files["rice"])
    Image.fromarray(GALAXY.astype(np.uint8)).save(files["png"], "PNG")
    Image.fromarray(GALAXY.astype(np.uint8)).save(files["jpeg"], "JPEG")
    tifffile.imwrite(files["tiff"], GALAXY.astype(np.float32))
    return {name: file.getvalue() for name, file in files.items()}


FILES = files()


def work_on(data: bytes, stretch: str) -> None:
    """Import, embed and predict one file."""
    try:
        display(data, stretch=stretch, max_pixels=10**6)
        pixels = decode(data, max_pixels=10**6)
    except ImageError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 (not every file raises)
        return
    assert np.isfinite(frame(pixels, side=32)).all()
    extract(pixels, settings=ExtractionSettings())


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_damaged_bytes_are_a_value_or_a_sentence(name: str, data: Any) -> None:
    file = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(0, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    work_on(bytes(file[: data.draw(st.integers(1, len(file)))] if data.draw(st.booleans()) else file), "lupton")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(CARDS), st.sampled_from(NASTY), min_size=1, max_size=3), st.sampled_from(list(STRETCHES))
)
def test_headers_that_claim_anything_are_a_value_or_a_sentence(cards: dict[str, str], stretch: str) -> None:
    file = FILES["fits"]
    for key, value in cards.items():
        card, start = f"{key:8}= {value:>20}".ljust(80).encode()[:80], file.find(key.ljust(8).encode())
        if start < 0:
            card, start = card + b"END".ljust(80), file.index(b"END".ljust(80))
        file = file[:start] + card + file[start + len(card) :]
    work_on(file, stretch)


@settings(max_examples=40, deadline=None)
@given(
    SIDES, SIDES, st.sampled_from([np.nan, np.inf, -np.inf, 0, 1e-310, 1e300, -1e300, 3e38]), st.sampled_from(list(STRETCHES))
)
def test_pixels_of_any_value_and_size_are_a_value_or_a_sentence(width: int, height: int, value: float, stretch: str) -> None:
    pixels = np.resize(GALAXY, (height, width)).astype(np.float64)
    pixels[:: 1 + height % 3, :: 1 + width % 2] = value
    file = io.BytesIO()
    fits.PrimaryHDU(pixels).writeto(file)
    work_on(file.getvalue(), stretch)
