"""Headers of archives: positions equal those of astropy, or one sentence gives the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import astropy
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from sync.errors.sky import NoSkyError, SkyError
from sync.sky.reader import find_sky, read_sky

TANGENT: dict[str, Any] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 48.5,
    "CRPIX2": 48.5,
    "CD1_1": -1e-4,
    "CD1_2": 2e-5,
    "CD2_1": 2e-5,
    "CD2_2": 1e-4,
}
PIXELS = np.array([[0.0, 0.0], [95.0, 0.0], [0.0, 95.0], [95.0, 95.0], [47.5, 47.5]])
ARCSEC = 1 / 3600


def header(**more: Any) -> fits.Header:
    """Return a header of 96 x 96 pixels; a card with None is removed."""
    cards = {"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": 96, "NAXIS2": 96, **TANGENT, **more}
    return fits.Header({key: value for key, value in cards.items() if value is not None})


def assert_same_places(mine: fits.Header, reference: fits.Header) -> None:
    places = SkyCoord(read_sky(mine).positions(*PIXELS.T), unit="deg")
    expected = WCS(reference).pixel_to_world(*PIXELS.T).icrs
    assert places.separation(expected).arcsec.max() < 1e-6


def with_raw_card(card: str, **more: Any) -> fits.Header:
    """Return a header with a card of the given 80 characters, which astropy may be unable to parse."""
    return fits.Header.fromstring(header(**more).tostring(endcard=False, padding=False) + card.ljust(80))


@pytest.mark.parametrize(
    "card",
    [
        "CONTINUE  12345",
        "DUSTA   =                  NaN",
        "EXPTIME = 1.0.0",
        "BROKEN  = 'no end",
        "OBJECT  = 'a' 'b' / c",
        "\x7f= 3",
    ],
)
def test_an_invalid_card_that_is_not_needed_is_ignored(card: str) -> None:
    assert_same_places(with_raw_card(card), header())


def test_exponents_of_fortran_are_numbers() -> None:
    raw = with_raw_card("CRVAL1  =              1.5D+02", CRVAL1=None)
    assert_same_places(raw, header())


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({"CRVAL1": "10:00:00"}, "CRVAL1 must be a number, not '10:00:00'"),
        ({"CRVAL2": None}, "CRVAL2 is missing or empty"),
        ({"CRVAL1": fits.card.UNDEFINED}, "CRVAL1 is missing or empty"),
        ({"CRPIX1": "middle"}, "CRPIX1 must be a number, not 'middle'"),
        ({"CD1_1": "x"}, "CD1_1 must be a number, not 'x'"),
        ({"CD1_1": None, "CD1_2": None, "CD2_1": None, "CD2_2": None}, "gives a pixel no size"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "."),
        ({"CTYPE2": None}, "has no celestial axes"),
        ({"CTYPE2": "DEC--XYZ"}, "."),
        ({"CRVAL2": 95.0}, "."),
        ({"CUNIT1": "furlong"}, "CUNIT1 must be a unit of angles such as deg, arcsec or rad, not 'furlong'"),
        ({"CUNIT1": 3}, "CUNIT1 must be a unit of angles"),
        ({"RADESYS": "GAPPT"}, "RADESYS = 'GAPPT' does not lead to ICRS"),
        ({"EQUINOX": "soon"}, "EQUINOX must be a year such as 2000.0, not 'soon'"),
        ({"EQUINOX": 1e300}, "."),
        ({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}, "not that of the Sun"),
        ({"CTYPE1": "MALN-CAR", "CTYPE2": "MALT-CAR"}, "does not lead to ICRS"),
        ({"CTYPE1": "TLON-TAN", "CTYPE2": "TLAT-TAN"}, "does not lead to ICRS"),
        ({"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"}, "in a table"),
        ({"PV2_1": "x"}, "PV2_1 must be a number"),
        ({"CRVAL1": 10**400}, "CRVAL1 must be a number"),
    ],
)
def test_the_reason_for_a_missing_position_is_one_sentence(cards: dict[str, Any], reason: str) -> None:
    valid = {key: value for key, value in cards.items() if value != 10**400}
    if valid == cards:
        sky, message = find_sky(header(**cards))
    else:
        sky, message = find_sky({**TANGENT, **cards})
    assert sky is None
    assert reason in message or (reason == "." and message)
    assert "\n" not in message


def test_nan_gives_no_position() -> None:
    with pytest.raises(SkyError, match="CRVAL1 must be a number"):
        read_sky(with_raw_card("CRVAL1  = NaN", CRVAL1=None))


@pytest.mark.parametrize(
    "types", [{"CTYPE1": None, "CTYPE2": None}, {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, {"CTYPE1": "WAVE", "CTYPE2": ""}]
)
def test_an_image_without_celestial_axes_has_no_problem(types: dict[str, Any]) -> None:
    with pytest.raises(NoSkyError):
        read_sky(header(**types))


@pytest.mark.parametrize(
    ("unit", "degrees"),
    [
        *[(unit, 1.0) for unit in ("deg", "Degrees", "DEGREE", "degree ", "degs")],
        *[(unit, ARCSEC) for unit in ("arcsec", "ARCSEC", "arcseconds", "asec")],
        *[(unit, 1 / 60) for unit in ("arcmin", "arcminutes")],
        *[(unit, 180 / np.pi) for unit in ("rad", "Radians")],
        ("mas", ARCSEC / 1000),
        ("uas", ARCSEC / 1e6),
        ("hourangle", 15.0),
    ],
)
def test_units_of_angles_are_read_in_all_spellings(unit: str, degrees: float) -> None:
    cards = {key: value / degrees for key, value in TANGENT.items() if key.startswith(("CRVAL", "CD"))}
    assert_same_places(header(**cards, CUNIT1=unit, CUNIT2=unit), header())


def test_declination_may_be_the_first_axis() -> None:
    swapped_header = header(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.0, CRVAL2=50.0)
    (place,) = read_sky(swapped_header).positions(47.5, 47.5)
    assert place == pytest.approx((50, 2), abs=1e-9)
    assert_same_places(swapped_header, swapped_header)


SPECTRAL = {"CTYPE": "FREQ", "CRVAL": "x", "CUNIT": "furlong", "CRPIX": 1.0}


@pytest.mark.parametrize("axes", [(1, 2), (2, 3), (1, 3), (3, 2)])
def test_the_axes_of_the_sky_are_found_among_others(axes: tuple[int, int]) -> None:
    cards: dict[str, Any] = {"NAXIS": 3, **{f"NAXIS{axis}": 96 for axis in (1, 2, 3)}}
    (other,) = {1, 2, 3} - set(axes)
    cards |= {f"{key}{other}": value for key, value in SPECTRAL.items()}
    for name in ("CTYPE", "CRVAL", "CRPIX"):
        cards |= {f"{name}{axis}": TANGENT[f"{name}{number}"] for number, axis in enumerate(axes, start=1)}
    cards |= {f"CD{axes[i]}_{axes[j]}": TANGENT[f"CD{i + 1}_{j + 1}"] for i in range(2) for j in range(2)}
    sky = read_sky(fits.Header(cards))
    assert (sky.axes.first, sky.axes.second, sky.axes.longitude) == (*sorted(axes), axes[0])
    columns, rows = PIXELS.T if axes[0] < axes[1] else PIXELS.T[::-1]
    places = SkyCoord(sky.positions(columns, rows), unit="deg")
    assert places.separation(WCS(header()).pixel_to_world(*PIXELS.T)).arcsec.max() < 1e-6


def test_a_position_that_depends_on_a_third_axis_is_rejected() -> None:
    with pytest.raises(SkyError, match="depends on axis 3 as well"):
        read_sky(header(CTYPE3="FREQ", CRVAL3=1.0, CRPIX3=1.0, CD1_3=1e-3, CD3_3=1.0))


@pytest.mark.parametrize("cards", [{"RADESYS": "ICRS", "EQUINOX": "soon"}, {"CDELT1": "x"}, {"LONPOLE": "x"}, {"RADESYS": " "}])
def test_cards_that_are_not_needed_may_be_invalid(cards: dict[str, Any]) -> None:
    assert_same_places(header(**cards), header())


@pytest.mark.slow
def test_the_projections_of_wcslib_are_read_as_astropy_reads_them() -> None:
    files = sorted((Path(astropy.__file__).parent / "wcs/tests/data/maps").glob("*.hdr"))
    assert len(files) > 20
    for file in files:
        header = fits.Header.fromstring(file.read_bytes().decode("ascii"))
        reference = WCS(header)
        columns, rows = np.meshgrid(np.linspace(0, 191, 5), np.linspace(0, 191, 5))
        places = SkyCoord(read_sky(header).positions(columns.ravel(), rows.ravel()), unit="deg")
        expected = reference.pixel_to_world(columns.ravel(), rows.ravel()).icrs
        assert places.separation(expected).arcsec.max() < 1e-6, file.name


@pytest.mark.parametrize("code", ["TAN", "SIN", "STG", "ZEA"])
def test_a_polynomial_without_its_suffix_is_applied_and_logged_nowhere(code: str, caplog: pytest.LogCaptureFixture) -> None:
    cards: dict[str, Any] = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", "CRVAL1": 150.0, "CRVAL2": 2.0}
    cards |= {"CRPIX1": 50.0, "CRPIX2": 40.0, "CD1_1": -1e-3, "CD2_2": 1e-3, "CD1_2": 0.0, "CD2_1": 0.0}
    cards |= {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "B_0_2": 2e-4, "NAXIS": 2, "NAXIS1": 100, "NAXIS2": 80}
    (place,) = read_sky(cards).positions(10, 70)
    assert not caplog.records
    cards_with_suffix = {"CTYPE1": f"RA---{code}-SIP", "CTYPE2": f"DEC--{code}-SIP"}
    assert place == pytest.approx(WCS(fits.Header(cards | cards_with_suffix)).all_pix2world([[10, 70]], 0)[0], abs=1e-9)
