"""Positions of tasks on the sky: read if they are valid, otherwise reported, so that one bad task does not end an export."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from sync.errors.sky import SkyError
from sync.export.sky import Sky
from sync.geometry.shapes import Box

Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]
WCS_CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 20.5,
    "CRPIX2": 15.5,
    "CD1_1": -7e-5,
    "CD2_2": 7e-5,
}
SIZE = (40, 30)
POINT = np.array([[17.0, 8.0]])


@pytest.mark.parametrize(("system", "means"), [("ICRF", "ICRS"), ("J2000", "FK5"), ("icrs", "ICRS")])
def test_other_names_of_a_reference_system_are_read(system: str, means: str) -> None:
    sky, expected = (Sky.of_task({"wcs": {**WCS_CARDS, "RADESYS": name}}) for name in (system, means))
    assert (sky.positions(POINT, SIZE) == expected.positions(POINT, SIZE)).all()


@pytest.mark.parametrize(
    "more",
    [
        {"RADESYS": "GAPPT"},
        {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"},  # of the Sun
        {"CTYPE1": "MALN-TAN", "CTYPE2": "MALT-TAN"},  # of Mars
        {"CTYPE1": "TLON-TAN", "CTYPE2": "TLAT-TAN"},  # of the Earth
    ],
)
def test_a_frame_that_cannot_be_converted_to_icrs_is_rejected(more: dict[str, str]) -> None:
    with pytest.raises(SkyError, match="does not lead to ICRS"):
        Sky.of_task({"wcs": {**WCS_CARDS, **more}})


def test_numbers_written_as_texts_are_read_and_empty_ones_are_missing() -> None:
    sky = Sky.of_task({"ra": "150.5", "dec": " -2", "pixel_scale_arcsec": ""})
    assert (sky.centre, sky.scale_arcsec, sky.faults) == ((150.5, -2), None, ())
    assert Sky.of_task({"ra": "", "dec": "", "wcs": ""}).faults == ()


@pytest.mark.parametrize(
    "data", [{"ra": 400, "dec": 0}, {"ra": "12h", "dec": 0}, {"dec": "nan"}, {"ra": True}, {"pixel_scale_arcsec": -1}]
)
def test_an_invalid_number_is_a_fault_and_the_wcs_is_kept(data: dict[str, Any]) -> None:
    sky = Sky.of_task({**data, "wcs": WCS_CARDS})
    (fault,) = sky.faults
    assert "must be a number from" in fault
    assert sky.centre is None
    assert np.isfinite(sky.positions(POINT, SIZE)).all()


@pytest.mark.parametrize(("format", "more"), [("ecsv", {}), ("coco", {"fractions": {"train": 0.5, "test": 0.5}})])
def test_a_task_in_an_odd_frame_is_named_and_others_are_exported(
    run_export: Exported, task: Say, annotation: Say, region: Say, format: str, more: dict[str, Any]
) -> None:
    skies = [WCS_CARDS, {**WCS_CARDS, "RADESYS": "GAPPT"}, {**WCS_CARDS, "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}]
    tasks = [task(annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)), wcs=wcs) for wcs in skies]
    folder, summary = run_export(tasks, format, **more)
    assert (summary.tasks, summary.objects) == (3, 3)
    if format == "ecsv":
        with (folder / "problems.csv").open() as file:
            assert [row["task"] for row in csv.DictReader(file)] == ["2", "3"]
        assert np.isfinite(np.ma.filled(Table.read(folder / "objects.ecsv")["ra"], np.nan)).tolist() == [True, False, False]


def test_an_empty_position_next_to_a_wcs_is_not_a_fault(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    """As in a CSV file that Label Studio has imported."""
    note = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    folder, summary = run_export([task(note, wcs=WCS_CARDS, ra="", dec="")], "ecsv")
    assert summary.problems == 0
    (row,) = Table.read(folder / "objects.ecsv")
    assert np.isfinite([row["ra"], row["dec"], row["semi_major"]]).all()


@pytest.mark.parametrize("address", ["/data/upload/1/missing.fits", "/tasks/1/resolve/?fileuri=czM6Ly9za3kvbWlzc2luZy5maXRz"])
def test_the_task_data_give_the_position_if_the_file_is_missing(
    run_export: Exported, task: Say, annotation: Say, region: Say, address: str
) -> None:
    note = annotation(region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    folder, summary = run_export([task(note, image=address, wcs=WCS_CARDS)], "ecsv")
    assert summary.problems == ("missing" in address)  # its size is from the annotation; the other is a PNG here
    (row,) = Table.read(folder / "objects.ecsv")
    assert np.isfinite([row["ra"], row["dec"]]).all()
    assert "resolve" not in row["image"]
