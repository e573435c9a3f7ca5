"""Positions, angles and sizes equal those of astropy: projections, parity, rotation, order of axes, frames."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.export.drawn_objects import DrawnObject, Provenance
from sync.export.measures import measure
from sync.export.sky import Sky
from sync.geometry.shapes import Ellipse
from sync.sky.reader import read_sky
from sync.sky.task_cards import image_cards, task_cards

SIZE = (200, 160)
MADE = Provenance("human", "drawn", "", (1,), (1,), "2026-11-01T10:00:00Z")
FRAMES: list[dict[str, Any]] = [
    {"RADESYS": "ICRS"},
    {"RADESYS": "FK5", "EQUINOX": 2000.0},
    {"RADESYS": "FK5", "EQUINOX": 1975.5},
    {"EQUINOX": 1950.0},
    {"RADESYS": "FK4", "EQUINOX": 1900.0},
    {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0},
    {"CTYPE1": "GLON", "CTYPE2": "GLAT"},
]
DISTORTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "-SIP": {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "A_1_1": -3e-6, "B_0_2": 2e-5, "B_1_1": 1e-6},
    "TPV": {"PV1_1": 1.0, "PV1_2": 1e-3, "PV1_4": 1e-3, "PV2_1": 1.0, "PV2_5": -2e-3},
}
projections = st.sampled_from(["TAN", "SIN", "ARC", "STG", "ZEA", "SFL", "CEA", "CAR", "AIT", "MOL"])


@st.composite
def headers(draw: st.DrawFn) -> dict[str, Any]:
    """Return the header of an image of 200 x 160 pixels of about an arcsecond, not at the border of its projection."""
    distortion = draw(st.sampled_from(list(DISTORTIONS)))
    code = "TAN" if distortion == "-SIP" else "TPV" if distortion == "TPV" else draw(projections)
    frame = dict(draw(st.sampled_from(FRAMES)))
    types = [frame.pop("CTYPE1", "RA"), frame.pop("CTYPE2", "DEC")]
    suffix = distortion if distortion == "-SIP" else ""
    names = [f"{kind:-<4}-{code}{suffix}" for kind in types]
    values = [
        draw(st.floats(0, 359.9)),
        draw(st.floats(-85, 85)) if code in ("TAN", "SIN", "ARC", "STG", "ZEA", "TPV") else 0.0,
    ]
    turn, scale = np.radians(draw(st.floats(0, 360))), draw(st.floats(0.1, 2)) / 3600
    parity, shape = draw(st.sampled_from([-1, 1])), draw(st.floats(0.8, 1.25))
    matrix = (
        scale * np.array([[parity * np.cos(turn), np.sin(turn)], [-parity * np.sin(turn), np.cos(turn)]]) @ np.diag([1, shape])
    )
    if draw(st.booleans()) and not distortion:
        names, values, matrix = names[::-1], values[::-1], matrix[::-1]
    cards: dict[str, Any] = {"NAXIS": 2, "NAXIS1": SIZE[0], "NAXIS2": SIZE[1], **frame, **DISTORTIONS[distortion]}
    for axis in range(2):
        cards |= {f"CTYPE{axis + 1}": names[axis], f"CRVAL{axis + 1}": values[axis], f"CUNIT{axis + 1}": "deg"}
        cards |= {f"CD{axis + 1}_{column + 1}": float(matrix[axis, column]) for column in range(2)}
    return cards | {"CRPIX1": draw(st.floats(-100, 300)), "CRPIX2": draw(st.floats(-100, 300))}


@settings(max_examples=40, deadline=None)
@given(cards=headers(), x=st.floats(0, 200), y=st.floats(0, 160))
def test_positions_and_their_inverse_equal_those_of_astropy(cards: dict[str, Any], x: float, y: float) -> None:
    sky, column, row = Sky.of_task({"wcs": cards}), x - 0.5, SIZE[1] - y - 0.5
    expected = WCS(Header(cards)).pixel_to_world(column, row).icrs
    (place,) = sky.positions(np.array([[x, y]]), SIZE)
    assert 0 <= place[0] < 360
    assert SkyCoord(*place, unit="deg").separation(expected).arcsec < 1e-6
    assert sky.celestial is not None
    assert sky.celestial.pixels(np.array([place]))[0] == pytest.approx((column, row), abs=1e-3)  # precision for TPV in wcslib


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(cards=headers())
def test_the_cards_of_a_task_survive_json_and_mean_the_same(cards: dict[str, Any]) -> None:
    before = read_sky(cards)
    task_wcs, problems = task_cards(before)
    after = read_sky(json.loads(json.dumps(task_wcs, allow_nan=False)))
    columns, rows = np.array([0.0, 199, 0, 199, 31]), np.array([0.0, 0, 159, 159, 77])
    places = SkyCoord(before.positions(columns, rows), unit="deg")
    assert problems == ()
    assert places.separation(SkyCoord(after.positions(columns, rows), unit="deg")).arcsec.max() < 1e-6
    assert places.separation(WCS(Header(task_wcs)).pixel_to_world(columns, rows).icrs).arcsec.max() < 1e-6
    half = read_sky(image_cards(before, (100, 80)))
    positions = SkyCoord(half.positions((columns + 0.5) / 2 - 0.5, (rows + 0.5) / 2 - 0.5), unit="deg")
    assert places.separation(positions).arcsec.max() < 1e-6


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(cards=headers(), x=st.floats(40, 160), y=st.floats(40, 120), rotation=st.floats(0, 179))
def test_angles_and_sizes_equal_those_of_astropy(cards: dict[str, Any], x: float, y: float, rotation: float) -> None:
    """Compared with the ellipse that astropy's linear map at its centre gives on the sky."""
    ellipse = Ellipse(x, y, 8.0, 3.0, rotation)
    (measures,) = measure([DrawnObject("a", "control", "Galaxy", ellipse, SIZE, None, MADE, {})], Sky.of_task({"wcs": cards}))
    wcs = WCS(Header(cards))
    centre, step = np.array([x - 0.5, SIZE[1] - y - 0.5]), 0.05
    moves = step * np.array([[1, 0], [-1, 0], [0, -1], [0, 1]])  # right, left, down and up on the display
    middle = wcs.pixel_to_world(*centre).icrs
    east, north = (
        axis.to_value(units.arcsec) for axis in middle.spherical_offsets_to(wcs.pixel_to_world(*(centre + moves).T).icrs)
    )
    jacobian = np.array([[east[0] - east[1], east[2] - east[3]], [north[0] - north[1], north[2] - north[3]]]) / (2 * step)
    turn = np.radians(rotation)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([8.0, 3.0])
    left, (major, minor), _ = np.linalg.svd(jacobian @ axes)
    assert (measures.semi_major_arcsec, measures.semi_minor_arcsec) == pytest.approx((major, minor), rel=1e-6)
    assert measures.area_arcsec2 == pytest.approx(np.pi * 24 * abs(np.linalg.det(jacobian)), rel=1e-6)
    if major > 1.05 * minor:
        angle = np.degrees(np.arctan2(left[0, 0], left[1, 0]))
        assert abs((measures.position_angle - angle + 90) % 180 - 90) < 1e-4
