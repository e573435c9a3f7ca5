"""Positions by UCD, COOSYS, SkyCoord, unit and name, compared with astropy's own conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time

from sync.importing.inputs.catalogue import Position, has_positions, open_catalogue, positions, rows
from sync.importing.inputs.item import InputError

DATA = Path(__file__).parent / "data"
PLACES = SkyCoord([10.5, 200.0], [-0.2, 5.0], unit="deg")


def agree(places: list[Position | None], expected: SkyCoord) -> None:
    assert None not in places
    values = SkyCoord([place.ra for place in places if place], [place.dec for place in places if place], unit="deg")
    assert values.separation(expected.icrs).arcsec.max() < 1e-5


def table_of(longitude: Any, latitude: Any, names: tuple[str, str]) -> Table:
    return Table([longitude, latitude], names=names)


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "parquet"])
@pytest.mark.parametrize("frame", ["icrs", "galactic", "fk4", "barycentricmeanecliptic", "supergalactic"])
def test_a_column_of_coordinates_is_the_position(tmp_path: Path, suffix: str, frame: str) -> None:
    file = tmp_path / f"table.{suffix}"
    QTable({"id": [1, 2], "coord": PLACES.transform_to(frame)}).write(file)
    table = open_catalogue(file)
    agree(positions(table), PLACES)
    agree(positions(table, ra="coord"), PLACES)


def test_coordinates_that_another_astropy_wrote_are_read() -> None:
    agree(positions(open_catalogue(DATA / "sc.ecsv")), PLACES)


def test_columns_of_a_votable_have_their_names_not_their_ids() -> None:
    table = open_catalogue(DATA / "id.vot")
    assert table.colnames == ["ra", "dec", "redshift"]
    agree(positions(table), PLACES[:1])


def test_coordinates_become_numbers() -> None:
    table = QTable({"coord": PLACES, "far": SkyCoord([1, 2], [3, 4], [5, 6], unit=("deg", "deg", "Mpc"), frame="galactic")})
    first = next(rows(table)).columns
    assert first == {"coord": {"ra": 10.5, "dec": -0.2}, "far": {"l": 1.0, "b": 3.0, "distance": 5.0}}


def test_a_frame_that_needs_place_and_time_is_rejected_without_download() -> None:
    frame = AltAz(obstime=Time("2024-01-01"), location=EarthLocation.from_geodetic(0, 0))
    table = QTable({"coord": SkyCoord([10.0] * units.deg, [45.0] * units.deg, frame=frame)})
    with pytest.raises(InputError, match="the column 'coord' has positions in the frame 'altaz'"):
        positions(table)


@pytest.mark.parametrize(
    ("names", "frame"),
    [
        (("GLON", "GLAT"), "galactic"),
        (("_Glon", "_Glat"), "galactic"),
        (("l", "b"), "galactic"),
        (("RAB1950", "DEB1950"), "fk4"),
        (("RA (B1950)", "Dec (B1950)"), "fk4"),
        (("SGL", "SGB"), "supergalactic"),
        (("elon", "elat"), "barycentricmeanecliptic"),
        (("R.A.", "Dec."), "icrs"),
        (("RAICRS", "DEICRS"), "icrs"),
        (("_RA.icrs", "_DE.icrs"), "icrs"),
        (("RA [deg]", "DEC [deg]"), "icrs"),
        (("Right Ascension (J2000)", "Declination (J2000)"), "icrs"),
        (("TARGET_RA", "TARGET_DEC"), "icrs"),
        (("ra", "DEJ2000"), "icrs"),
    ],
    ids=str,
)
def test_the_name_determines_the_frame(names: tuple[str, str], frame: str) -> None:
    places = PLACES.transform_to(frame).spherical
    agree(positions(table_of(places.lon.deg, places.lat.deg, names)), PLACES)


def test_luminosity_and_a_blue_magnitude_are_not_a_position() -> None:
    assert not has_positions(table_of([1.0], [2.0], ("L", "B")))


@pytest.mark.parametrize("unit", [units.rad, units.arcsec, units.arcmin, units.hourangle, units.hour, units.mas], ids=str)
@pytest.mark.parametrize("suffix", ["fits", "ecsv", "vot", "parquet"])
def test_the_unit_of_a_column_holds_in_every_format(tmp_path: Path, suffix: str, unit: units.UnitBase) -> None:
    if unit == units.hourangle and suffix in ("fits", "vot"):
        pytest.skip("the format has no such unit")
    hours = unit in (units.hour, units.hourangle)
    longitude = PLACES.ra.hour * unit if hours else PLACES.ra.to(unit)
    latitude = PLACES.dec.to(units.deg if hours else unit)
    file = tmp_path / f"table.{suffix}"
    table = Table({"coord_ra": Column(longitude.value, unit=unit), "coord_dec": Column(latitude.value, unit=latitude.unit)})
    table.write(file, format="votable" if suffix == "vot" else None)
    agree(positions(open_catalogue(file)), PLACES)


def test_the_unit_may_be_part_of_the_name() -> None:
    agree(positions(table_of(PLACES.ra.rad, PLACES.dec.rad, ("ra_rad", "dec_rad"))), PLACES)
    agree(positions(table_of(PLACES.ra.hour, PLACES.dec.deg, ("RA (hours)", "Dec (deg)"))), PLACES)


@pytest.mark.parametrize("ra", ["10:00:24.0", "10 00 24.0", "10h00m24.0s", "150d06m00s", "150,1", " 150.1 "])
@pytest.mark.parametrize("dec", ["-02:12:00", "-02 12 00", "-2d12m00s", "-2,2", "-2.2"])
def test_texts_of_all_kinds_are_angles(ra: str, dec: str) -> None:
    (place,) = positions(table_of([ra], [dec], ("ra", "dec")))
    assert place == Position(pytest.approx(150.1), pytest.approx(-2.2))  # type: ignore[arg-type]


def test_sexagesimal_texts_in_a_column_of_degrees_are_degrees() -> None:
    table = Table({"ra": Column(["150:06:00"], unit="deg"), "dec": ["-02:12:00"]})
    assert positions(table) == [Position(pytest.approx(150.1), pytest.approx(-2.2))]  # type: ignore[arg-type]


def test_an_angle_has_no_thousands() -> None:
    assert positions(table_of(["1.234,5", "1,234.5"], ["0", "0"], ("ra", "dec"))) == [None, None]


def test_the_columns_of_the_cds_standard_are_put_together() -> None:
    table = Table(
        {"RAh": [10, 10], "RAm": [0, 0], "RAs": [24.0, 24.0], "DE-": ["-", ""], "DEd": [0, 2], "DEm": [12, 12], "DEs": [0, 0]}
    )
    first, second = positions(table)
    assert first == Position(pytest.approx(150.1), pytest.approx(-0.2))  # type: ignore[arg-type]
    assert second == Position(pytest.approx(150.1), pytest.approx(2.2))  # type: ignore[arg-type]


def test_masked_coordinates_have_no_position() -> None:
    table = Table({"ra": MaskedColumn([1.0, 2.0], mask=[True, False]), "dec": [0.0, 0.0]})
    assert positions(table) == [None, Position(2.0, 0.0)]
    assert positions(QTable({"coord": SkyCoord([np.nan, 2.0], [0.0, 0.0], unit="deg")})) == [None, Position(2.0, 0.0)]


def test_arrays_of_one_value_are_values() -> None:
    assert positions(table_of(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]), ("ra", "dec")))[1] == Position(2.0, 4.0)
