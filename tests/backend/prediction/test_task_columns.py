from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from backend.prediction.task_blocks import TaskBlocks
from backend.prediction.task_columns import read_columns
from sync.errors.images import ImageError


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("mag_u", 99.0, "99 marks a missing value"),
        ("mag_u", -99.0, "-99 marks a missing value"),
        ("err_u", 99.9, "99.9 marks a missing value"),
        ("z", 99, "99 marks a missing value"),
        ("velocity", -9999, "-9999 marks a missing value"),
        ("mag_u", None, "no value"),
        ("mag_u", "19.2", "text"),
        ("survey", "SDSS", "text"),
        ("mag_u", math.nan, "not finite"),
        ("counts", 10**400, "not finite"),
    ],
)
def test_a_value_that_is_no_measurement_is_missing_with_a_reason(name: str, value: object, reason: str) -> None:
    block = read_columns({name: value})
    assert (dict(block.values), dict(block.missing)) == ({}, {name: reason})


@pytest.mark.parametrize("name", ["ra", "dec", "catalogue_ra", "objid", "id_zcosmos", "specObjID", "plate", "mjd"])
def test_positions_and_identifiers_are_no_features(name: str) -> None:
    block = read_columns({name: 12.5})
    assert not block.values
    assert not block.missing


def test_keys_that_an_import_writes_are_no_features() -> None:
    page = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
    table = page.partition("## What a task contains")[2].partition("| any other key")[0]
    keys = [key for row in table.splitlines() for key in re.findall(r"`([a-z_]+)`", row.split("|")[1] if "|" in row else "")]
    assert {"pixel_scale_arcsec", "restored_share", "wcs"} < set(keys)
    block = read_columns(dict.fromkeys(keys, 0.5))
    assert (block.values, block.missing) == ({}, {})


def test_numbers_of_a_catalogue_are_features() -> None:
    data = {"mag_u": 19.5, "area": 99, "velocity": 9.9e3, "secure": True, "wcs": {"CRVAL1": 1.0}, "list": [1]}
    assert read_columns(data).values == {"mag_u": 19.5, "area": 99.0, "velocity": 9.9e3, "secure": 1.0}


def test_a_block_that_cannot_be_read_has_the_reason() -> None:
    def fail(data: object) -> object:
        raise ImageError("the spectrum has no wavelengths")

    blocks = TaskBlocks({"spectrum": fail}).read({"mag_u": 19.5})  # type: ignore[dict-item]
    assert blocks["columns"].values == {"mag_u": 19.5}
    assert blocks["spectrum"].missing == {"": "the spectrum has no wavelengths"}
    assert set(TaskBlocks({"spectrum": fail}).read({}, only={"columns"})) == {"columns"}  # type: ignore[dict-item]
