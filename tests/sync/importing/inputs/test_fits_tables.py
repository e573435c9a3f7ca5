"""FITS tables: LDAC, one of several, types of values, frames of the header, and headers that claim too much."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, FK4NoETerms, Galactic, SkyCoord
from astropy.io import fits
from astropy.table import Table

from sync.importing.inputs.catalogue import Position, open_catalogue, positions, rows
from sync.importing.inputs.item import InputError

DATA = Path(__file__).parent / "data"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.fits"


def table_hdu(name: str, count: int = 1) -> fits.BinTableHDU:
    return fits.BinTableHDU(Table({"ra": np.arange(count) + 10.5, "dec": np.zeros(count)}), name=name)


def test_the_objects_of_sextractors_ldac_are_read() -> None:
    assert positions(open_catalogue(DATA / "ldac.fits")) == [Position(10.5, -0.2)]


def test_one_of_several_tables_is_chosen_by_name_or_number(file: Path) -> None:
    image = fits.ImageHDU(np.zeros((4, 4)), name="SCI")
    image_hdu = fits.CompImageHDU(np.zeros((40, 40), dtype=np.int16), name="MASK")
    hdus = [fits.PrimaryHDU(), table_hdu("OBJECTS", 2), image, image_hdu, table_hdu("STARS", 3), table_hdu("EMPTY", 0)]
    fits.HDUList(hdus).writeto(file)
    with pytest.raises(InputError, match=r"several tables: choose one .*: 1 OBJECTS \(2 rows\), 4 STARS \(3 rows\), 5 EMPTY"):
        open_catalogue(file)
    assert [len(open_catalogue(file, table=name)) for name in ("objects", "STARS", "4", " 1 ")] == [2, 3, 3, 2]
    for name in ("2", "SCI", "9"):
        with pytest.raises(InputError, match=f"has no table '{name}': it has 1 OBJECTS"):
            open_catalogue(file, table=name)


def test_tables_of_one_name_are_chosen_by_number(file: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), table_hdu("CAT"), table_hdu("CAT", 2)]).writeto(file)
    with pytest.raises(InputError, match="several tables named 'cat': choose one by its number"):
        open_catalogue(file, table="cat")
    assert len(open_catalogue(file, table="2")) == 2


def test_the_only_table_that_has_rows_is_read(file: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), table_hdu("EMPTY", 0), table_hdu("CAT")]).writeto(file)
    assert positions(open_catalogue(file)) == [Position(10.5, 0.0)]


def test_missing_scaled_and_padded_values_equal_those_of_astropy(file: Path) -> None:
    columns = [
        fits.Column("ra", "D", array=[10.5, 11.5]),
        fits.Column("dec", "D", array=[-0.2, 0.3]),
        fits.Column("n", "J", null=-99, array=[-99, 7]),
        fits.Column("flux", "I", array=[2, 4]),
        fits.Column("count", "J", bzero=2**31, array=np.array([1, 3_000_000_000], dtype=np.uint32)),
        fits.Column("name", "8A", array=["M 51", ""]),
        fits.Column("mags", "2E", array=[[1.5, 2.5], [3.5, np.nan]]),
        fits.Column("peaks", "PJ()", array=np.array([np.array([1, 2]), np.array([], dtype=int)], dtype=object)),
        fits.Column("is_red", "L", array=[True, False]),
        fits.Column("id", "K", array=[1237648720693755918, 5]),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["TSCAL4"], hdu.header["TZERO4"] = 0.5, 10.0
    hdu.writeto(file)
    first, second = (row.columns for row in rows(open_catalogue(file), columns=[column.name for column in columns[2:]]))
    assert first == {
        "n": None, "flux": 11.0, "count": 1, "name": "M 51", "mags": [1.5, 2.5], "peaks": [1, 2], "is_red": True,
        "id": "1237648720693755918",
    }  # fmt: skip
    assert second == {
        "n": 7, "flux": 12.0, "count": 3_000_000_000, "name": "", "mags": [3.5, None], "peaks": [], "is_red": False, "id": "5"
    }  # fmt: skip


def test_a_table_of_ascii_is_read(file: Path) -> None:
    columns = [fits.Column("ra", "F10.4", ascii=True, array=[10.5]), fits.Column("dec", "F10.4", ascii=True, array=[-0.2])]
    fits.TableHDU.from_columns(columns).writeto(file)
    assert positions(open_catalogue(file)) == [Position(10.5, -0.2)]


def test_a_packed_file_is_read_under_any_name(file: Path, tmp_path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), table_hdu("CAT")]).writeto(file)
    for name in ("table.fits.gz", "table.cat"):
        (tmp_path / name).write_bytes(gzip.compress(file.read_bytes()))
        assert positions(open_catalogue(tmp_path / name)) == [Position(10.5, 0.0)]


def test_an_image_alone_is_rejected(file: Path) -> None:
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(file)
    with pytest.raises(InputError, match="has no table, only images"):
        open_catalogue(file)


@pytest.mark.parametrize(
    ("card", "value"), [("NAXIS2", 10**12), ("NAXIS1", 10**12), ("PCOUNT", 10**12), ("NAXIS2", 10**6), ("NAXIS2", 2**62)]
)
def test_a_table_that_claims_more_than_the_file_is_rejected(file: Path, card: str, value: int) -> None:
    fits.HDUList([fits.PrimaryHDU(), table_hdu("CAT")]).writeto(file)
    content = bytearray(file.read_bytes())
    place = content.index(f"{card:8}= ".encode())
    content[place : place + 30] = f"{card:8}= {value:>20}".encode()
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"it is damaged, copy it again|has no table") as error:
        open_catalogue(file)
    assert "\n" not in str(error.value)


def test_a_grouping_table_is_a_table_whose_locations_are_only_texts(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.fits"
    fits.HDUList([fits.PrimaryHDU(), table_hdu("CAT", 5)]).writeto(other)
    members = Table({"MEMBER_XTENSION": ["BINTABLE"], "MEMBER_LOCATION": [f"file://{other}"], "ra": [1.0], "dec": [2.0]})
    group = fits.BinTableHDU(members, name="GROUPING")
    fits.HDUList([fits.PrimaryHDU(), group]).writeto(file)
    assert positions(open_catalogue(file)) == [Position(1.0, 2.0)]


def test_no_extension_is_read_from_a_name(file: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), table_hdu("CAT")]).writeto(file)
    with pytest.raises(InputError, match=r"cannot be read as a catalogue: .*No such file"):
        open_catalogue(file.with_name("table.fits[CAT]"))


def positions_with(header: dict[str, Any], file: Path, *, names: tuple[str, str] = ("RA", "DEC")) -> Position:
    hdu = fits.BinTableHDU(Table([[100.5], [-0.25]], names=names))
    hdu.header.update(header)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    (position,) = positions(open_catalogue(file))
    assert position is not None
    return position


@pytest.mark.parametrize(
    ("header", "frame"),
    [
        ({"RADESYS": "FK4"}, FK4()),
        ({"RADECSYS": "FK4", "EQUINOX": 1975.0}, FK4(equinox="B1975")),
        ({"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0}, FK4NoETerms()),
        ({"RADESYS": "B1950"}, FK4()),
        ({"EQUINOX": 1950.0}, FK4()),
        ({"EPOCH": 1950.0}, FK4()),
        ({"RADESYS": "fk5", "EQUINOX": "J1975.0"}, FK5(equinox="J1975")),
        ({"EQUINOX": 2000.0}, FK5()),
        ({"RADESYS": "GALACTIC"}, Galactic()),
        ({"RADESYS": "ICRS", "EQUINOX": 1950.0}, "icrs"),
        ({"EPOCH": 2015.5}, "icrs"),
        ({"EQUINOX": 0.0}, "icrs"),
        ({"RADESYS": " "}, "icrs"),
        ({}, "icrs"),
    ],
    ids=str,
)
def test_the_header_of_a_table_gives_the_frame_of_its_positions(file: Path, header: dict[str, Any], frame: Any) -> None:
    expected = SkyCoord(100.5, -0.25, unit="deg", frame=frame).icrs
    place = positions_with(header, file)
    assert SkyCoord(place.ra, place.dec, unit="deg").separation(expected).arcsec < 1e-6


@pytest.mark.parametrize(("names", "frame"), [(("RAJ2000", "DEJ2000"), "icrs"), (("GLON", "GLAT"), "galactic")])
def test_the_name_of_a_column_decides_before_the_header(file: Path, names: tuple[str, str], frame: str) -> None:
    place = positions_with({"RADESYS": "FK4"}, file, names=names)
    expected = SkyCoord(100.5, -0.25, unit="deg", frame=frame).icrs
    assert SkyCoord(place.ra, place.dec, unit="deg").separation(expected).arcsec < 1e-6


def test_a_galactic_header_belongs_to_the_galactic_columns(file: Path) -> None:
    hdu = fits.BinTableHDU(Table({"RA": [100.5], "DEC": [-0.25], "GLON": [1.0], "GLAT": [2.0]}))
    hdu.header["RADESYS"] = "GALACTIC"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    assert positions(open_catalogue(file)) == [Position(100.5, -0.25)]


def test_a_frame_that_cannot_be_converted_is_named(file: Path) -> None:
    with pytest.raises(InputError, match="the position in the column 'RA' is in the frame 'GAPPT', which cannot be converted"):
        positions_with({"RADESYS": "GAPPT"}, file)


def test_a_column_is_chosen_by_its_ucd(file: Path) -> None:
    ucds = {"TUCD1": "pos.eq.ra;meta.main", "TUCD2": "pos.eq.dec;meta.main"}
    assert positions_with(ucds, file, names=("x", "y")) == Position(100.5, -0.25)
