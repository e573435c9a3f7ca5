"""Distortions: applied as in astropy, lookup tables from the same file; omitted parts are listed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import astropy
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable

from sync.images.display import display
from sync.images.sky import sky_of
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.mosaics import Mosaics
from sync.sky.reader import read_sky
from sync.sky.tables import MAX_TABLE_VALUES
from sync.sky.task_cards import task_cards

SIDE = 64
PUBLIC = Path(astropy.__file__).parent / "wcs/tests/data"
COLUMNS, ROWS = (axis.ravel().astype(float) for axis in np.meshgrid([0, 20, 31.5, 63], [0, 40, 63]))
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "B_0_2": 1e-4}


def tangent(**more: Any) -> fits.Header:
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 10.0, "CRPIX1": 32.5, "CRPIX2": 32.5}
    return fits.Header({**cards, "CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-4, **more})


def file_with_tables(*, pixels: float = 0.8) -> bytes:
    """Return an exposure whose distortion is in two lookup tables, as in Hubble's."""
    wcs = WCS(tangent())
    for axis, sign in ((1, 1), (2, -1)):
        values = (sign * pixels * np.linspace(0, 1, 16) ** 2).reshape(4, 4).astype(np.float32)
        setattr(wcs, f"cpdis{axis}", DistortionLookupTable(values, (1, 1), (1, 1), (21, 21)))
    parts = wcs.to_fits(relax=True)
    y, x = np.indices((SIDE, SIDE))
    image = np.exp(-((x - 40) ** 2 + (y - 20) ** 2) / 8).astype(np.float32)
    science = fits.ImageHDU(image, parts[0].header, name="SCI")
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), science, *parts[1:]]).writeto(content)
    return content.getvalue()


def separation(place: np.ndarray, expected: SkyCoord) -> float:
    return float(SkyCoord(place, unit="deg").separation(expected).arcsec.max())


def test_lookup_tables_are_read_from_the_file() -> None:
    with fits.open(io.BytesIO(file_with_tables())) as file:
        sky = read_sky(file["SCI"].header, file)
        expected = WCS(file["SCI"].header, fobj=file).pixel_to_world(COLUMNS, ROWS).icrs
        assert sky.omissions == ()
        assert separation(sky.positions(COLUMNS, ROWS), expected) < 1e-6
        plain = read_sky(file["SCI"].header)
    assert separation(plain.positions(COLUMNS, ROWS), expected) > 0.1
    assert plain.omissions == (
        "the distortion CPDIS1 is left out: its lookup table WCSDVARR,1 is in another extension of the file",
    )


def test_a_task_contains_tables_as_a_polynomial_and_its_deviation() -> None:
    content = file_with_tables()
    data = display(content, stretch="lupton").data
    with fits.open(io.BytesIO(content)) as file:
        wcs = WCS(file["SCI"].header, fobj=file)
        middle, expected = wcs.pixel_to_world(31.5, 31.5).icrs, wcs.pixel_to_world(COLUMNS, ROWS).icrs
    assert SkyCoord(data["ra"], data["dec"], unit="deg").separation(middle).arcsec < 1e-6
    assert data["sky_problem"].startswith("a polynomial replaces the distortion and deviates by at most ")
    error_arcsec = float(data["sky_problem"].split(" at most ")[1].split()[0])
    cards = json.loads(json.dumps(data["wcs"], allow_nan=False))
    assert separation(read_sky(cards).positions(COLUMNS, ROWS), expected) <= 2 * error_arcsec < 0.1
    assert WCS(fits.Header(cards)).pixel_to_world(COLUMNS, ROWS).separation(expected).arcsec.max() <= 2 * error_arcsec


def test_a_mosaic_with_tables_is_cut_at_the_right_place(tmp_path: Path) -> None:
    file = tmp_path / "exposure.fits"
    file.write_bytes(file_with_tables())
    with fits.open(file) as hdus:
        star = WCS(hdus["SCI"].header, fobj=hdus).pixel_to_world(40, 20).icrs
    with (
        Mosaics([f"r={file}"]) as mosaics,
        fits.open(io.BytesIO(mosaics.cut(Position(star.ra.deg, star.dec.deg), fov_arcsec=7))) as cut,
    ):
        (plane,) = cut[0].data
        y, x = np.unravel_index(plane.argmax(), plane.shape)
        assert WCS(cut[0].header, naxis=2).pixel_to_world(x, y).separation(star).arcsec < 1e-3


def test_a_cut_out_keeps_what_is_left_out_of_the_distortion(tmp_path: Path) -> None:
    file_name = tmp_path / "whole.fits"
    file_name.write_bytes(file_with_tables())
    bare = tmp_path / "bare.fits"
    with fits.open(file_name) as hdus:
        fits.HDUList([hdus[0], hdus["SCI"]]).writeto(bare)
    problems = {}
    for name, words in {"fitted": [f"r={file_name}"], "bare": [f"r={bare}"], "both": [f"g={file_name}", f"r={bare}"]}.items():
        with Mosaics(words) as mosaics:
            problems[name] = display(mosaics.cut(Position(10.0, 10.0), fov_arcsec=20), stretch="lupton").data["sky_problem"]
    assert problems["fitted"].startswith("a polynomial replaces the distortion and deviates by at most ")
    assert problems["bare"] == "the distortion CPDIS1 is left out: its lookup table WCSDVARR,1 is not in the file"
    assert problems["both"] == f"{problems['fitted']}; {problems['bare']}"


@pytest.mark.parametrize("side", [2, 9])
def test_the_smallest_cut_out_of_a_mosaic_with_tables_has_a_position(tmp_path: Path, side: int) -> None:
    file = tmp_path / "exposure.fits"
    file.write_bytes(file_with_tables())
    with Mosaics([f"r={file}"]) as mosaics:
        assert fits.getdata(io.BytesIO(mosaics.cut(Position(10.0, 10.0), fov_arcsec=0.36))).shape == (1, 1, 1)
        data = display(mosaics.cut(Position(10.0, 10.0), fov_arcsec=0.36 * side), stretch="lupton").data
    assert SkyCoord(data["ra"], data["dec"], unit="deg").separation(SkyCoord(10, 10, unit="deg")).arcsec < 0.36


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"DP1.EXTVER": 7.0}, "WCSDVARR,7 is not in the file"),
        ({"CPDIS1": "POLYNOMIAL"}, "astropy reads lookup tables alone"),
    ],
)
def test_a_missing_lookup_table_is_named_and_the_rest_is_read(change: dict[str, Any], reason: str) -> None:
    with fits.open(io.BytesIO(file_with_tables())) as file:
        header = file["SCI"].header
        for name, value in change.items():
            header[name] = value
        sky = read_sky(header, file)
    assert reason in sky.omissions[0]
    assert np.isfinite(sky.positions(COLUMNS, ROWS)).all()


def test_a_lookup_table_that_is_too_large_is_omitted() -> None:
    huge = fits.ImageHDU(name="WCSDVARR")
    with fits.open(io.BytesIO(file_with_tables())) as file:
        header = file["SCI"].header
        huge.header.update({"NAXIS": 2})
        huge.header.insert("NAXIS", ("NAXIS1", MAX_TABLE_VALUES), after=True)
        huge.header.insert("NAXIS1", ("NAXIS2", 1000), after=True)
        sky = read_sky(header, fits.HDUList([fits.PrimaryHDU(), huge]))
    assert "WCSDVARR,1" in sky.omissions[0]


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", **SIP},
        {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV1_4": 0.5, "PV2_1": 1.0, "PV2_6": -0.5},
        {"CTYPE1": "RA---ZPN", "CTYPE2": "DEC--ZPN", "PV2_1": 1.0, "PV2_3": 40.0},
    ],
)
def test_cubes_keep_their_distortions(cards: dict[str, Any]) -> None:
    flat, third = tangent(**cards), {"CTYPE3": "FREQ", "CRVAL3": 1e9, "CDELT3": 1e6, "CRPIX3": 1.0, "CD3_3": 1e6}
    cube = tangent(**cards, **third, NAXIS=3, NAXIS1=SIDE, NAXIS2=SIDE, NAXIS3=3)
    expected = WCS(flat).pixel_to_world(COLUMNS, ROWS).icrs
    assert WCS(tangent()).pixel_to_world(COLUMNS, ROWS).separation(expected).arcsec.max() > 3e-6
    assert separation(read_sky(cube).positions(COLUMNS, ROWS), expected) < 1e-6
    task_wcs, problems = task_cards(read_sky(cube))
    assert problems == ()
    assert separation(read_sky(task_wcs).positions(COLUMNS, ROWS), expected) < 1e-6
    assert sky_of(cube)["wcs"] == task_wcs


def test_half_a_sip_polynomial_is_named_and_the_rest_is_read() -> None:
    sky = read_sky(tangent(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, A_2_0=1e-4))
    assert sky.omissions[0].startswith("the distortion A_ORDER is left out: ")
    assert separation(sky.positions(COLUMNS, ROWS), WCS(tangent()).pixel_to_world(COLUMNS, ROWS)) < 1e-6


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "x", True])
def test_an_invalid_coefficient_is_named_and_omitted(value: Any) -> None:
    sky = read_sky({**tangent(NAXIS=2, NAXIS1=SIDE, NAXIS2=SIDE, **SIP), "A_2_0": value})
    assert "A_2_0" in sky.omissions[0]
    json.dumps(task_cards(sky)[0], allow_nan=False)


def test_polynomials_of_iraf_are_read_or_their_absence_is_named() -> None:
    numbers = "3. 4. 4. 2. -0.2 0.2 -0.2 0.2 0.001 0.002 0.003 0.004 0.001 0.002 0.003 0.001 0.002 0.001"
    header = tangent(NAXIS=2, NAXIS1=SIDE, NAXIS2=SIDE, CTYPE1="RA---TNX", CTYPE2="DEC--TNX")
    assert "the header has no WAT cards" in read_sky(header).omissions[0]
    header["WAT0_001"] = "system=image"
    for axis, text in ((1, f'wtype=tnx axtype=ra lngcor = "{numbers} "'), (2, f'wtype=tnx axtype=dec latcor = "{numbers} "')):
        for start in range(0, len(text), 68):
            header[f"WAT{axis}_{start // 68 + 1:03d}"] = text[start : start + 68]
    rewritten_header = fits.Header.fromstring(header.tostring())
    expected = WCS(rewritten_header).pixel_to_world(COLUMNS, ROWS)
    sky = read_sky(rewritten_header)
    assert sky.omissions == ()
    assert separation(sky.positions(COLUMNS, ROWS), expected) < 1e-6
    cards = json.loads(json.dumps(task_cards(sky)[0]))
    assert separation(read_sky(cards).positions(COLUMNS, ROWS), expected) < 1e-6


@pytest.mark.parametrize(
    "name", ["dss.14.29.56-62.41.05.fits.gz", "dist_lookup.fits.gz", "j94f05bgq_flt.fits", "siponly.hdr", "tpvonly.hdr"]
)
def test_public_files_of_astropy_are_read_as_astropy_reads_them(name: str) -> None:
    if name.endswith(".hdr"):
        text = (PUBLIC / name).read_text()
        header = fits.Header.fromstring(text, sep="\n" if "\n" in text[:81] else "")
        parts = fits.HDUList([fits.PrimaryHDU(header=header)])
    else:
        parts = fits.open(PUBLIC / name)
    with parts:
        part = next(part for part in parts if "CTYPE1" in part.header)
        expected = WCS(part.header, fobj=parts).celestial.pixel_to_world(COLUMNS, ROWS).icrs
        sky = read_sky(part.header, parts)
    assert sky.omissions == ()
    assert separation(sky.positions(COLUMNS, ROWS), expected) < 1e-6
