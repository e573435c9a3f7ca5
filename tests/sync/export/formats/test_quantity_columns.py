"""Columns of physical quantities, such as a half-light radius, in every format with columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from sync.controls.number_meta import add_number_meta, predicted_error
from sync.geometry.shapes import Box

SIZE = (40, 30)
CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Number name="size" toName="image" predicted_values="re_arcsec"/>
  <Number name="q" toName="image"/>
  <Number name="clumps" toName="image"/>
  <RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels>
</View>
"""
FILES = {"ecsv": "objects.ecsv", "votable": "objects.vot", "fits-table": "objects.fits"}
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def config() -> Any:
    from sync.labelling.config import parse

    return parse(CONFIG)


@pytest.fixture
def tasks(task: Say, annotation: Say, region: Say) -> list[dict[str, Any]]:
    """Return a task whose size is as predicted and whose axis ratio a person changed, with two boxes."""
    size = add_number_meta(region("size", 1.25), error=0.05, text="1.25 ± 0.05 arcsec", origin={"psf": "header"})
    region_of_annotator = add_number_meta(region("q", 0.5), error=0.02, text="0.5 ± 0.02")
    region_of_annotator["value"]["number"] = 0.7
    region_of_annotator["meta"]["predicted"] = 0.5
    boxes = [region("boxes", Box(x, 10, 8, 8), label="Galaxy", size=SIZE) for x in (2, 16)]
    return [task(annotation(size, region_of_annotator, region("clumps", 3), *boxes))]


@pytest.mark.parametrize("format", FILES)
def test_quantities_have_columns_with_units_and_ucds(run_export: Exported, tasks: list[dict[str, Any]], format: str) -> None:
    folder, summary = run_export(tasks, format)
    table = Table.read(folder / FILES[format])
    assert summary.problems == 0
    assert table.colnames[-4:] == ["re_arcsec", "re_arcsec_err", "measured_axis_ratio", "measured_axis_ratio_err"]
    assert str(table["re_arcsec_err"].unit) == "arcsec"
    sizes = np.ma.filled(np.ma.asarray(table["re_arcsec"], float), np.nan)
    kinds = [str(kind) for kind in table["kind"]]
    values = [(kind, float(table["x"][row])) for row, kind in enumerate(kinds) if np.isfinite(sizes[row]) and kind == "box"]
    assert values == [("box", 20.0)]  # the box in the middle, not its neighbour
    assert np.isfinite(sizes).sum() == 2  # and the row of the answer
    errors = {name: np.ma.filled(np.ma.asarray(table[name], float), np.nan) for name in table.colnames[-3::2]}
    assert np.nanmax(errors["re_arcsec_err"]) == pytest.approx(0.05)
    assert np.isnan(errors["measured_axis_ratio_err"]).all()  # a person's value has no error of the measurement


def test_parquet_has_a_row_per_image_with_the_quantities(run_export: Exported, tasks: list[dict[str, Any]]) -> None:
    folder, _ = run_export(tasks, "parquet")
    (file,) = (folder / "data").glob("*.parquet")
    (row,) = pq.read_table(file).to_pylist()
    assert row["re_arcsec"] == 1.25
    assert row["re_arcsec_err"] == 0.05
    assert row["measured_axis_ratio"] == 0.7
    assert row["measured_axis_ratio_err"] is None
    card = (folder / "README.md").read_text()
    assert "| `size` | `re_arcsec` | arcsec | phys.angSize.smajAxis | half-light radius" in card


@pytest.mark.parametrize("meta", [None, {}, {"error": 0.1}, {"error": "1", "predicted": 2}, {"error": -1, "predicted": 2.0}])
def test_a_number_without_a_valid_error_has_none(meta: Any) -> None:
    assert predicted_error({"value": {"number": 2.0}, "meta": meta}) is None
