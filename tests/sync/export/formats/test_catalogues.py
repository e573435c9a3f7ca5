"""The catalogue formats, read back by astropy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.io import fits, votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from sync.export.formats.fits_blocks import as_ascii
from sync.export.formats.rows import COLUMNS
from sync.geometry.shapes import Box, Ellipse, Mask, Point

SIZE = (40, 30)
FILES = {"ecsv": "objects.ecsv", "votable": "objects.vot", "fits-table": "objects.fits"}
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]

WCS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 20.5,
    "CRPIX2": 15.5,
    "CD1_1": -1e-4,
    "CD1_2": 0.0,
    "CD2_1": 0.0,
    "CD2_2": 1e-4,
    "NAXIS1": 40,
    "NAXIS2": 30,
}


def read(folder: Path, format: str) -> Table:
    return Table.read(folder / FILES[format])


def is_missing(value: Any) -> bool:
    return value is np.ma.masked or value == "" or (isinstance(value, float) and np.isnan(value))


@pytest.fixture
def tasks(task: Say, annotation: Say, region: Say, ragged_mask: Mask) -> list[dict[str, Any]]:
    """Return a task with a WCS and one without."""
    ellipse = region("ellipses", Ellipse(20, 15, 9, 4, 30), label="Galaxy", size=SIZE, score=0.75, origin="prediction")
    first = annotation(
        region("morphology", ["Spiral"]),
        region("features", ["Bar", "Ring"]),
        region("tree", [("Featured", "Arms")]),
        region("redshift", 0.125),
        ellipse,
        region("masks", ragged_mask, label="Arm", size=SIZE),
        by=4,
        parent_version="v0002",
    )
    second = annotation(
        region("boxes", Box(1.25, 2, 3, 4), label="Star", size=SIZE), region("points", Point(5, 6), label="Nucleus", size=SIZE)
    )
    return [task(first, wcs=WCS), task(second, image='galaxy é, "b" & <c>.png')]


@pytest.mark.parametrize("format", FILES)
def test_each_object_and_each_answer_has_a_row_with_the_documented_columns(
    run_export: Exported, tasks: list[dict[str, Any]], format: str
) -> None:
    folder, summary = run_export(tasks, format)
    table = read(folder, format)
    assert summary.problems == (1 if format == "fits-table" else 0)  # FITS tables store ASCII only
    assert table.colnames == [*(column.name for column in COLUMNS), "z_phot", "z_phot_err"]
    assert {name: table[name].unit for name in ("ra", "semi_major", "position_angle", "area", "x")} == {
        "ra": units.deg,
        "semi_major": units.arcsec,
        "position_angle": units.deg,
        "area": units.arcsec**2,
        "x": units.pix,
    }
    assert list(table["kind"]) == ["image", "image", "image", "image", "ellipse", "mask", "box", "keypoint"]
    classes = ["Spiral", "Bar|Ring", "Featured/Arms", None, "Galaxy", "Arm", "Star", "Nucleus"]
    assert [None if is_missing(value) else str(value) for value in table["class"]] == classes
    assert table["value"][3] == 0.125


@pytest.mark.parametrize("format", FILES)
def test_unknown_measures_are_missing(
    run_export: Exported, tasks: list[dict[str, Any]], ragged_mask: Mask, format: str
) -> None:
    folder, _ = run_export(tasks, format)
    table = read(folder, format)
    spiral, ellipse, mask, box = table[0], table[4], table[5], table[6]
    assert (spiral["ra"], spiral["dec"]) == pytest.approx((150, 2), abs=1e-9)
    assert (ellipse["semi_major"], ellipse["axis_ratio"]) == pytest.approx((9 * 0.36, 4 / 9), rel=1e-5)
    assert ellipse["position_angle"] == pytest.approx(60, abs=1e-3)
    assert ellipse["probability"] == 0.75
    assert mask["mask_area"] == ragged_mask.sum()
    assert mask["area"] == pytest.approx(ragged_mask.sum() * 0.36**2, rel=1e-5)
    assert [box[name] for name in ("box_x", "box_y", "box_width", "box_height")] == pytest.approx([1.25, 2, 3, 4], abs=1e-9)
    for name in ("ra", "dec", "semi_major", "position_angle", "mask_area", "value", "probability"):
        assert is_missing(box[name]), name
    assert box["semi_major_px"] == pytest.approx(2)
    assert is_missing(box["angle_px"])
    assert ellipse["angle_px"] == pytest.approx(30)


@pytest.mark.parametrize("format", FILES)
def test_each_row_has_its_provenance(run_export: Exported, tasks: list[dict[str, Any]], format: str) -> None:
    folder, _ = run_export(tasks, format)
    table = read(folder, format)
    names = ("made_by", "state", "version", "annotator", "time")
    assert [str(table[4][name]) for name in names] == ["model", "accepted", "v0002", "4", "2026-11-01T10:00:00Z"]
    assert [str(table[5][name]) for name in names[:2]] == ["human", "drawn"]
    assert is_missing(table[5]["version"])


@pytest.mark.parametrize("format", ["ecsv", "votable"])
def test_texts_survive_the_round_trip(run_export: Exported, tasks: list[dict[str, Any]], format: str) -> None:
    folder, _ = run_export(tasks, format)
    assert read(folder, format)["image"][6] == 'galaxy é, "b" & <c>.png'


def test_a_fits_table_is_valid_and_describes_its_columns(run_export: Exported, tasks: list[dict[str, Any]]) -> None:
    folder, _ = run_export(tasks, "fits-table")
    with fits.open(folder / "objects.fits") as file:
        file.verify("exception")
        header = file["OBJECTS"].header
        assert header["TCOMM11"].startswith("right ascension")
        assert (header["TUNIT11"], header["TUCD11"]) == ("deg", "pos.eq.ra;meta.main")
        assert file["OBJECTS"].data["image"][6] == 'galaxy \\xe9, "b" & <c>.png'


def test_a_rotated_shape_keeps_its_angle_without_a_wcs(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    """In degrees, clockwise from x to y (down), as in Label Studio."""
    regions = [
        region("ellipses", Ellipse(20, 15, 9, 4, 30), label="Galaxy", size=SIZE),
        region("ellipses", Ellipse(20, 15, 4, 9, 30), label="Galaxy", size=SIZE),
        region("boxes", Box(20, 5, 10, 4, 20), label="Star", size=SIZE),
    ]
    table = read(run_export([task(annotation(*regions))], "ecsv")[0], "ecsv")
    assert list(table["angle_px"]) == pytest.approx([30, 120, 20])
    assert all(is_missing(value) for value in table["position_angle"])


def test_a_votable_is_valid_with_ucds_and_a_frame(run_export: Exported, tasks: list[dict[str, Any]]) -> None:
    folder, _ = run_export(tasks, "votable")
    assert votable.validate(folder / "objects.vot", output=None)
    table = votable.parse_single_table(folder / "objects.vot")
    fields = {field.name: field for field in table.fields}
    for field in fields.values():
        check_ucd(field.ucd, check_controlled_vocabulary=True)
    assert (fields["ra"].ucd, fields["dec"].ucd) == ("pos.eq.ra;meta.main", "pos.eq.dec;meta.main")
    (system,) = votable.parse(folder / "objects.vot").iter_coosys()
    assert system.system == "ICRS"
    assert fields["ra"].ref == fields["dec"].ref == system.ID


@given(st.text())
def test_every_text_becomes_printable_ascii_of_the_same_meaning(text: str) -> None:
    ascii_text = as_ascii(text)
    assert ascii_text.isascii()
    assert ascii_text.isprintable()
    if text.isascii() and text.isprintable() and text == text.rstrip():
        assert ascii_text == text
