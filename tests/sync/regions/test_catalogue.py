"""Catalogues: ellipses equal those of astropy's `regions`, for every program's conventions; columns answer controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from regions import EllipsePixelRegion, EllipseSkyRegion, PixCoord

from sync.geometry.shapes import Ellipse
from sync.regions import catalogue
from sync.regions.catalogue import Columns
from sync.regions.marks import Canvas, Mark, RegionsError
from sync.regions.shapes import ellipse_pixels

NONE = Columns({})
SEXTRACTOR = """\
#   1 NUMBER                 Running object number
#   2 X_IMAGE                Object position along x                                    [pixel]
#   3 Y_IMAGE                Object position along y                                    [pixel]
#   4 A_IMAGE                Profile RMS along major axis                               [pixel]
#   5 B_IMAGE                Profile RMS along minor axis                               [pixel]
#   6 THETA_IMAGE            Position angle (CCW/x)                                     [deg]
#   7 KRON_RADIUS            Kron apertures in units of A or B
         1    31.2000    21.1000      4.100     1.700   35.00      3.50
         2    31.2000    21.1000      4.100     1.700   35.00      0.00
"""


def pixels(mark: Mark, canvas: Canvas) -> np.ndarray:
    shape = mark.draw(canvas).shape
    assert isinstance(shape, Ellipse)
    return ellipse_pixels(shape, canvas.size).to_mask(canvas.size)


def astropy_pixels(canvas: Canvas, x: float, y: float, a: float, b: float, angle: float) -> np.ndarray:
    """Return the mask of astropy's ellipse; `x` and `y` count from 0 at the centre of the lower left pixel."""
    region = EllipsePixelRegion(PixCoord(x, y), 2 * a, 2 * b, angle * u.deg)
    return (region.to_mask(mode="center").to_image(canvas.size[::-1]) > 0)[::-1]


def test_sextractor_counts_from_one_and_kron_multiplies_both_axes(tmp_path: Path, canvas: Canvas) -> None:
    (tmp_path / "galaxy.cat").write_text(SEXTRACTOR)
    (image,), problems = catalogue.read(tmp_path / "galaxy.cat", NONE)
    assert problems == []
    assert image.names == ("galaxy.cat",)
    with_kron, without = image.marks
    assert np.array_equal(pixels(with_kron, canvas), astropy_pixels(canvas, 30.2, 20.1, 4.1 * 3.5, 1.7 * 3.5, 35))
    assert np.array_equal(pixels(without, canvas), astropy_pixels(canvas, 30.2, 20.1, 4.1, 1.7, 35))


def test_photutils_counts_from_zero(tmp_path: Path, canvas: Canvas) -> None:
    row = {"xcentroid": [30.2], "ycentroid": [20.1], "semimajor_sigma": [9.3] * u.pix, "semiminor_sigma": [4.2] * u.pix}
    Table(row | {"orientation": [np.radians(35)] * u.rad, "label": [1]}).write(tmp_path / "galaxy_cat.ecsv")
    (image,), _ = catalogue.read(tmp_path / "galaxy_cat.ecsv", NONE)
    assert np.array_equal(pixels(image.marks[0], canvas), astropy_pixels(canvas, 30.2, 20.1, 9.3, 4.2, 35))


@pytest.mark.parametrize(
    "axes",
    [
        {"A_WORLD": 3.1 / 3600, "B_WORLD": 1.4 / 3600, "THETA_J2000": 25.0},
        {"A_WORLD": 3.1 * u.arcsec, "B_WORLD": 1.4 * u.arcsec, "THETA_SKY": 25 * u.deg},
        {"a_arcsec": 3.1, "b_arcsec": 1.4, "pa": 25.0},
        {"semi_major": 3.1 * u.arcsec, "semi_minor": 1.4 * u.arcsec, "position_angle": 25 * u.deg},
    ],
)
def test_ellipses_on_the_sky_are_those_of_astropy(tmp_path: Path, canvas: Canvas, axes: dict[str, object]) -> None:
    columns = {"ALPHA_J2000": 150.0003, "DELTA_J2000": 2.0002} | axes
    table = Table({name: u.Quantity([value]) if isinstance(value, u.Quantity) else [value] for name, value in columns.items()})
    table.write(tmp_path / "c.fits")
    (image,), problems = catalogue.read(tmp_path / "c.fits", NONE)
    assert (problems, image.by_place) == ([], True)
    assert canvas.sky is not None
    place = SkyCoord(150.0003, 2.0002, unit="deg")
    # `regions` counts the angle of the width, which is the minor axis here, from the longitude.
    region = EllipseSkyRegion(place, 2.8 * u.arcsec, 6.2 * u.arcsec, 25 * u.deg).to_pixel(canvas.sky.wcs)
    expected = (region.to_mask(mode="center").to_image(canvas.size[::-1]) > 0)[::-1]
    assert np.array_equal(pixels(image.marks[0], canvas), expected)


def test_rows_without_an_ellipse_are_named(tmp_path: Path) -> None:
    columns = {"X_IMAGE": [1.0, np.nan, 3], "Y_IMAGE": [1.0, 2, 3], "A_IMAGE": [1.0, 2, -1], "B_IMAGE": [1.0, 1, 1]}
    Table(columns).write(tmp_path / "c.fits")
    (image,), problems = catalogue.read(tmp_path / "c.fits", NONE)
    assert [mark.name for mark in image.marks] == ["row 1"]
    assert [name for name, _ in problems] == ["row 2", "row 3"]


def test_columns_answer_controls_and_missing_values_do_not(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("filename,kind,z\na.fits,Spiral,0.5\nb.fits,,\nc.fits,Smooth,2\n")
    images, problems = catalogue.read(tmp_path / "c.csv", Columns({"class": "kind", "redshift": "z"}))
    assert problems == []
    answers = {image.names[0]: [(answer.control, answer.value) for answer in image.answers] for image in images}
    assert answers == {
        "a.fits": [("class", "Spiral"), ("redshift", 0.5)],
        "c.fits": [("class", "Smooth"), ("redshift", 2)],
    }


def test_a_column_named_like_a_control_has_its_answers(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("filename,Morphology,z\na.fits,Spiral,0.5\n")
    (image,), _ = catalogue.read(tmp_path / "c.csv", Columns({}, answering=frozenset({"morphology", "redshift"})))
    assert [(answer.control, answer.value) for answer in image.answers] == [("morphology", "Spiral")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", "neither ellipses"),
        ("ra,dec,a,b\n150,2,3,2\n", "no unit"),
        ("X_IMAGE,Y_IMAGE,A_IMAGE,B_IMAGE\nx,y,a,b\n", "does not hold numbers"),
        ("", ""),
    ],
)
def test_a_catalogue_with_nothing_to_import_is_rejected(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(RegionsError, match=reason):
        catalogue.read(tmp_path / "c.csv", NONE)


def test_a_table_in_pixels_belongs_to_the_image_of_its_name(tmp_path: Path) -> None:
    rows = fits.BinTableHDU(Table({name: [3.0] for name in ("X_IMAGE", "Y_IMAGE", "A_IMAGE", "B_IMAGE")}))
    rows.writeto(tmp_path / "galaxy.fits")
    (image,), _ = catalogue.read(tmp_path / "galaxy.fits", NONE)
    assert (image.names, image.by_place) == (("galaxy.fits",), False)


def test_one_of_several_tables_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    file = tmp_path / "two.fits"
    stars, galaxies = Table({"filename": ["a.png"], "mood": ["Star"]}), Table({"filename": ["a.png"], "mood": ["Spiral"]})
    tables = [fits.BinTableHDU(stars, name="STARS"), fits.BinTableHDU(galaxies, name="GALAXIES")]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(file)
    mood = Columns({}, answering=frozenset({"mood"}))
    with pytest.raises(RegionsError, match="several tables: choose one with --catalogue-table"):
        catalogue.read(file, mood)
    for table in ("GALAXIES", "2"):
        (image,), _ = catalogue.read(file, replace(mood, table=table))
        assert "Spiral" in str(image)
