"""Positions and angles on the sky, for a galaxy with a known position and angle."""

from __future__ import annotations

import csv
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from sync.errors.sky import SkyError
from sync.export.drawn_objects import DrawnObject, Provenance, Shape
from sync.export.measures import measure
from sync.export.sky import NOWHERE, Sky
from sync.geometry.corners import ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Size
from sync.images.fits.headers import read_headers
from sync.images.fits.reader import read_fits
from sync.images.sky import sky_of
from sync.sky.reader import read_sky

SCALE_ARCSEC = 0.262
CUT_OUTS = Path(__file__).parents[4] / "shared" / "data" / "fits"
MADE = Provenance("human", "drawn", "", (1,), (1,), "2026-11-01T10:00:00Z")


def cards(*, turn: float = 0.0, ra: float = 150.0, dec: float = 2.0, size: Size = (200, 160)) -> dict[str, Any]:
    """Return the header of a tangent projection with north up and east left, rotated by `turn` degrees."""
    pixel = SCALE_ARCSEC / 3600
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": size[0] / 2 + 0.5,
        "CRPIX2": size[1] / 2 + 0.5,
        "CD1_1": -pixel * cosine,
        "CD1_2": pixel * sine,
        "CD2_1": pixel * sine,
        "CD2_2": pixel * cosine,
        "NAXIS1": size[0],
        "NAXIS2": size[1],
    }


def cards_without_size(**more: Any) -> dict[str, Any]:
    return {key: value for key, value in cards(**more).items() if not key.startswith("NAXIS")}


def object_of(shape: Shape, size: Size = (200, 160)) -> DrawnObject:
    return DrawnObject("a", "control", "Galaxy", shape, size, None, MADE, {})


def test_a_star_of_a_fits_file_is_at_its_displayed_position() -> None:
    """In a real file, the pixel at the star's astropy WCS position is bright at the same position of the displayed image."""
    header = fits.Header(cards(turn=25))
    where = SkyCoord(150.003, 2.002, unit="deg")
    column, row = (round(float(number)) for number in WCS(header).world_to_pixel(where))
    data = np.zeros((160, 200), dtype=np.float32)
    data[row, column] = 1000
    content = BytesIO()
    fits.PrimaryHDU(data, header=fits.Header(cards_without_size(turn=25))).writeto(content)
    pixels = read_fits(content.getvalue(), max_pixels=10**6)
    y, x = np.unravel_index(pixels.sum(axis=2).argmax(), pixels.shape[:2])
    place = Sky.of_task({}, read_sky(header)).positions(np.array([[x + 0.5, y + 0.5]]), (200, 160))[0]
    expected = np.array(WCS(header).pixel_to_world_values(column, row))
    assert place == pytest.approx(expected, abs=1e-9)
    assert SkyCoord(*place, unit="deg").separation(where).arcsec < SCALE_ARCSEC


def test_the_galaxy_of_a_real_cut_out_has_its_catalogue_position() -> None:
    if not CUT_OUTS.is_dir():
        pytest.skip(f"no cut-outs at {CUT_OUTS}")
    with (CUT_OUTS / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["ra_deg"]]
    assert rows
    for row in rows:
        header = next(header for header in read_headers((CUT_OUTS / row["file"]).read_bytes()) if "CTYPE1" in header)
        sky, size = Sky.of_task({}, read_sky(header)), (int(row["px"]), int(row["px"]))
        middle = np.array([[size[0] / 2, size[1] / 2]])
        place = SkyCoord(*sky.positions(middle, size)[0], unit="deg")
        catalogue_position = SkyCoord(float(row["ra_deg"]), float(row["dec_deg"]), unit="deg")
        scale = float(row["arcsec_per_px"])
        assert place.separation(catalogue_position).arcsec < scale, row["file"]
        assert np.hypot(*sky.steps(middle, size)[0]) == pytest.approx([scale, scale], rel=1e-3)


def test_the_imported_header_gives_the_same_positions() -> None:
    header = fits.Header({"NAXIS": 2, **cards(turn=25)})
    points = np.array([[0.0, 0.0], [200.0, 160.0], [17.5, 91.0]])
    sky_of_task = Sky.of_task(sky_of(header))
    assert sky_of_task.positions(points, (200, 160)) == pytest.approx(
        Sky.of_task({}, read_sky(header)).positions(points, (200, 160)), abs=1e-9
    )
    assert sky_of_task.centre == pytest.approx((150, 2), abs=1e-9)


@pytest.mark.slow
@given(
    angle=st.floats(0, 179),
    turn=st.floats(-180, 180),
    ra=st.floats(0, 359.9),
    dec=st.floats(-80, 80),
)
def test_the_position_angle_is_that_of_a_simulated_galaxy(angle: float, turn: float, ra: float, dec: float) -> None:
    header = cards(turn=turn, ra=ra, dec=dec)
    wcs = WCS(fits.Header(header))
    centre = SkyCoord(ra, dec, unit="deg")
    tip = centre.directional_offset_by(angle * units.deg, 8 * SCALE_ARCSEC * units.arcsec)
    x0, y0 = wcs.world_to_pixel(centre)
    x1, y1 = wcs.world_to_pixel(tip)
    # On the display: x as in FITS except for the half pixel, y from the top.
    rotation = float(np.degrees(np.arctan2(-(y1 - y0), x1 - x0)))
    ellipse = Ellipse(float(x0) + 0.5, 160 - (float(y0) + 0.5), 8.0, 3.0, rotation % 360)
    (measures,) = measure([object_of(ellipse)], Sky.of_task({"wcs": header}))
    assert abs((measures.position_angle - angle + 90) % 180 - 90) < 0.01
    assert measures.semi_major_arcsec == pytest.approx(8 * SCALE_ARCSEC, rel=1e-4)
    assert measures.axis_ratio == pytest.approx(3 / 8, rel=1e-4)
    assert (measures.ra, measures.dec) == pytest.approx((ra, dec), abs=1e-6) or abs(measures.ra - ra) > 359


@pytest.mark.parametrize(("rotation", "angle"), [(0, 90), (90, 0), (45, 45), (135, 135)])
def test_position_angles_grow_towards_east(rotation: float, angle: float) -> None:
    (measures,) = measure([object_of(Ellipse(100, 80, 20, 8, rotation))], Sky.of_task({"wcs": cards()}))
    # Label Studio rotates clockwise: at 45 degrees the long axis points down right and up left, which is north-east.
    assert measures.position_angle == pytest.approx(angle, abs=1e-3)


def test_a_mask_is_measured_like_the_ellipse_that_it_fills() -> None:
    ellipse = Ellipse(90.3, 71.8, 30, 12, 33)
    mask = Footprint.of_polygon(ellipse_corners(ellipse), (200, 160))
    first, second = measure([object_of(ellipse), object_of(mask)], Sky.of_task({"wcs": cards(turn=70)}))
    assert (second.ra, second.dec) == pytest.approx((first.ra, first.dec), abs=1e-5)
    assert second.semi_major_arcsec == pytest.approx(first.semi_major_arcsec, rel=0.01)
    assert second.axis_ratio == pytest.approx(first.axis_ratio, abs=0.01)
    assert second.position_angle == pytest.approx(first.position_angle, abs=0.5)
    assert second.area_px == mask.area
    assert second.area_arcsec2 == pytest.approx(mask.area * SCALE_ARCSEC**2, rel=1e-4)


def test_an_image_displayed_at_half_size_has_the_same_positions() -> None:
    sky = Sky.of_task({"wcs": cards(turn=10)})
    positions = sky.positions(np.array([[120.0, 50.0]]), (200, 160))
    half = sky.positions(np.array([[60.0, 25.0]]), (100, 80))
    assert half == pytest.approx(positions, abs=1e-10)
    header = sky.header((100, 80))
    assert header is not None
    assert WCS(header).pixel_to_world_values(59.5, 80 - 25.5) == pytest.approx(
        tuple(sky.positions(np.array([[60.0, 25.0]]), (100, 80))[0]), abs=1e-8
    )


def test_galactic_coordinates_are_converted_to_icrs() -> None:
    header = {**cards(), "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 30.0, "CRVAL2": 40.0}
    place = Sky.of_task({"wcs": header}).positions(np.array([[100.0, 80.0]]), (200, 160))[0]
    icrs = SkyCoord(30, 40, unit="deg", frame="galactic").icrs
    assert place == pytest.approx((icrs.ra.deg, icrs.dec.deg), abs=1e-8)


def test_without_a_wcs_only_pixel_measures_are_known() -> None:
    (measures,) = measure([object_of(Ellipse(100, 80, 20, 8, 45))], NOWHERE)
    assert (measures.semi_major_px, measures.axis_ratio) == pytest.approx((20, 0.4))
    assert np.isnan(
        [measures.ra, measures.dec, measures.semi_major_arcsec, measures.position_angle, measures.area_arcsec2]
    ).all()


def test_a_pixel_scale_alone_gives_sizes_but_no_angle() -> None:
    (measures,) = measure([object_of(Ellipse(100, 80, 20, 8, 45))], Sky.of_task({"pixel_scale_arcsec": 0.5}))
    assert measures.semi_major_arcsec == pytest.approx(10)
    assert np.isnan([measures.ra, measures.position_angle]).all()


def test_points_and_upright_boxes_have_no_angle() -> None:
    point, box = measure([object_of(Point(3, 4)), object_of(Box(10, 10, 40, 20))], Sky.of_task({"wcs": cards()}))
    assert np.isnan([point.semi_major_px, point.position_angle, box.position_angle]).all()
    assert box.semi_major_arcsec == pytest.approx(20 * SCALE_ARCSEC, rel=1e-4)
    assert np.isfinite([point.ra, point.dec]).all()


@pytest.mark.parametrize(
    "data",
    [
        {"wcs": "no object"},
        {"wcs": {"CTYPE1": "WAVE"}},
        {"wcs": {"CTYPE1": ["a list"]}},
        {"wcs": {**cards(), "CD1_1": "nonsense"}},
    ],
)
def test_invalid_sky_coordinates_give_one_sentence(data: dict[str, Any]) -> None:
    with pytest.raises(SkyError) as error:
        Sky.of_task(data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("code", ["CAR", "AIT", "MOL", "HPX", "TSC", "CSC", "QSC", "ZEA", "SIN", "STG"])
@pytest.mark.parametrize("ra", [0.0, 180.0])
def test_the_circle_around_a_map_contains_each_position_of_it(code: str, ra: float) -> None:
    size = (240, 200)
    scale = 3.0 if code in ("ZEA", "STG", "HPX", "TSC", "CSC", "QSC") else 1.8
    shift = 0.5 if code != "TSC" else 70.5  # the middle of the image lies off the faces of the cube
    cards = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", "CRVAL1": ra, "CRVAL2": 0.0, "CRPIX1": 120 + shift}
    cards |= {"CRPIX2": 100 + shift, "CDELT1": -scale, "CDELT2": scale, "NAXIS1": size[0], "NAXIS2": size[1]}
    sky = Sky.of_task({"wcs": cards})
    circle = sky.circle(size)
    assert circle is not None
    x, y = np.random.default_rng(0).uniform(0, size, (5000, 2)).T
    places = sky.positions(np.stack([x, y], axis=1), size)
    places = places[np.isfinite(places).all(axis=1)]
    distances = SkyCoord(*circle[0], unit="deg").separation(SkyCoord(places, unit="deg"))
    assert len(places) > 300
    assert distances.arcsec.max() <= circle[1]


@pytest.mark.parametrize("scale", [0.3 / 3600, 0.05])
@pytest.mark.parametrize("dec", [0.0, 89.0, -60.0])
def test_the_circle_around_an_image_is_that_of_its_corners(scale: float, dec: float) -> None:
    size = (240, 200)
    place = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 0.0, "CRVAL2": dec, "CRPIX1": 120.5, "CRPIX2": 100.5}
    sky = Sky.of_task({"wcs": {**place, "CDELT1": -scale, "CDELT2": scale, "NAXIS1": size[0], "NAXIS2": size[1]}})
    circle = sky.circle(size)
    assert circle is not None
    assert circle[1] == pytest.approx(np.hypot(120, 100) * scale * 3600, rel=0.15)
    corners = sky.positions(np.array([[0.0, 0.0], [240.0, 200.0]]), size)
    distances = SkyCoord(*circle[0], unit="deg").separation(SkyCoord(corners, unit="deg"))
    assert distances.arcsec.max() <= circle[1] * (1 + 1e-6)
