"""World coordinates of a task: numbers and texts from which astropy makes the same coordinates again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from sync.images.sky import sky_of

SIP = {"A_ORDER": 2, "A_2_0": 1e-5, "A_0_2": 0.0, "A_1_1": 0.0, "B_ORDER": 2, "B_0_2": 2e-5, "B_2_0": 0.0, "B_1_1": 0.0}


def header(*, ra: float = 150.0, dec: float = 2.0, turned_deg: float = 0.0, kind: str = "TAN", **more: object) -> Header:
    turn, scale = np.radians(turned_deg), 0.262 / 3600
    cards = {"NAXIS": 2, "NAXIS1": 40, "NAXIS2": 30, "CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}"}
    cards |= {"CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 11.0, "CRPIX2": 7.5}
    matrix = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    cards |= {f"CD{row + 1}_{column + 1}": float(matrix[row, column]) for row in range(2) for column in range(2)}
    return Header({**cards, **more})


@pytest.mark.slow
@given(ra=st.floats(0, 359.9), dec=st.floats(-88, 88), rotation=st.floats(0, 360))
def test_the_cards_survive_json_and_mean_the_same(ra: float, dec: float, rotation: float) -> None:
    before = header(ra=ra, dec=dec, turned_deg=rotation)
    after = Header(json.loads(json.dumps(sky_of(before)["wcs"], allow_nan=False)))
    corners = np.array([[0, 0], [39, 0], [0, 29], [39, 29]], dtype=float)
    assert WCS(after).wcs_pix2world(corners, 0) == pytest.approx(WCS(before).wcs_pix2world(corners, 0), abs=1e-9)
    assert (after["NAXIS1"], after["NAXIS2"], "CD1_1" in after, "PC1_1" in after) == (40, 30, True, False)


def test_distortions_are_kept() -> None:
    before = header(kind="TAN-SIP", **SIP)
    after = Header(sky_of(before)["wcs"])
    assert WCS(after).all_pix2world([[30, 20]], 0) == pytest.approx(WCS(before).all_pix2world([[30, 20]], 0), abs=1e-9)


def test_distortions_of_a_cube_are_kept() -> None:
    flat, cube = header(kind="TAN-SIP", **SIP), header(kind="TAN-SIP", **SIP, NAXIS3=2)
    cube["NAXIS"] = 3
    assert sky_of(cube) == sky_of(flat)


@pytest.mark.parametrize(("name", "frame"), [("J2000", "FK5"), ("ICRF", "ICRS"), ("fk5", "FK5")])
def test_other_names_of_a_frame_are_read(name: str, frame: str) -> None:
    sky = sky_of(header(RADESYS=name))
    assert sky["wcs"]["RADESYS"] == frame
    assert sky["ra"] == pytest.approx(150, abs=0.01)


def test_position_and_scale_are_those_of_the_centre() -> None:
    sky = sky_of(header(CRPIX1=20.5, CRPIX2=15.5))
    assert (sky["ra"], sky["dec"]) == (pytest.approx(150.0), pytest.approx(2.0))
    assert sky["pixel_scale_arcsec"] == pytest.approx(0.262)


def test_galactic_coordinates_give_an_equatorial_position() -> None:
    sky = sky_of(header(CRPIX1=20.5, CRPIX2=15.5, ra=0.0, dec=0.0, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"))
    assert (sky["ra"], sky["dec"]) == (pytest.approx(266.405, abs=1e-3), pytest.approx(-28.936, abs=1e-3))
    assert sky["wcs"]["CTYPE1"] == "GLON-TAN"


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
        {"CTYPE1": "WAVE"},
        {"CTYPE2": "DEC--XYZ"},
        {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"},
        {"CTYPE1": "MALN-CAR", "CTYPE2": "MALT-CAR"},
        {"RADESYS": "GAPPT"},
    ],
)
def test_an_image_without_sensible_coordinates_has_none(cards: dict[str, Any]) -> None:
    assert sky_of(header(**cards)).keys() <= {"sky_problem"}
