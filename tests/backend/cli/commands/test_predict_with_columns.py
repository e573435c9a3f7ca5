"""`galaxyloop predict` with the columns of a table and spectra, also for images that cannot be read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from typer.testing import Result

pytestmark = pytest.mark.slow  # imports scikit-learn

Run = Callable[..., Result]
OPTIONS = ("--table", "galaxies.csv", "--key", "id", "--spectra", "spectra", "--project", 7)


@pytest.mark.usefixtures("metallicity_project", "galaxies")
def test_tasks_are_predicted_from_columns_and_spectra(run: Run) -> None:
    result = run("predict", "stamps", *OPTIONS, "--output", "out.json")
    assert result.exit_code == 1, result.output
    assert "broken.png: predicted without its image: " in result.stderr
    tasks = {task["data"]["image"].rpartition("/")[2]: task for task in json.loads(Path("out.json").read_text())}
    assert set(tasks) == {"a.png", "b.png", "broken.png"}
    assert tasks["a.png"]["data"]["colour"] == 8.2
    numbers = {
        name: next(region for region in task["predictions"][0]["result"] if region["from_name"] == "metallicity")
        for name, task in tasks.items()
    }
    assert numbers["a.png"]["value"]["number"] == pytest.approx(8.2, abs=0.2)
    assert "columns" in numbers["a.png"]["meta"]["used"]
    assert "there is no spectrum of this galaxy in the folder" in numbers["a.png"]["meta"]["text"][0]
    assert "spectrum" in numbers["b.png"]["meta"]["used"]
    assert "columns" not in numbers["b.png"]["meta"]["used"]
    assert numbers["broken.png"]["meta"]["used"] == ["columns"]
    assert numbers["broken.png"]["value"]["number"] == pytest.approx(8.8, abs=0.2)
    assert "2 pixels with a wavelength and a flux" in numbers["broken.png"]["meta"]["text"][0]
    assert [region["from_name"] for region in tasks["broken.png"]["predictions"][0]["result"]] == ["metallicity"]


@pytest.mark.usefixtures("metallicity_project", "galaxies")
def test_a_table_has_the_row_of_an_unreadable_image(run: Run) -> None:
    Path("stamps/a.png").rename("stamps/c.png")  # the unreadable image is the first one that is written
    Path("stamps/broken.png").rename("stamps/a.png")
    Path("galaxies.csv").write_text("id,colour\nc,8.2\nb,8.4\na,8.8\n")
    result = run("predict", "stamps", "--table", "galaxies.csv", "--key", "id", "--project", 7, "--output", "out.csv", "--json")
    assert result.exit_code == 1, result.output
    summary = json.loads(result.stdout)
    assert summary["images"] == 3
    assert list(summary["without_image"]) == ["stamps/a.png"]
    assert summary["left_out"] == {}
    with Path("out.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert float(rows["stamps/a.png"]["metallicity:value"]) == pytest.approx(8.8, abs=0.2)
    assert rows["stamps/a.png"]["box:objects"] == rows["stamps/a.png"]["width"] == ""
    assert rows["stamps/b.png"]["box:objects"] == "1"
    assert rows["stamps/b.png"]["metallicity inputs"] == "catalogue columns"
    assert rows["stamps/b.png"]["metallicity missing"] == "not used: spectrum: the task has none"
    assert rows["stamps/a.png"]["metallicity missing"].startswith("not used: image: the image starts with")


@pytest.mark.usefixtures("metallicity_project", "galaxies")
def test_a_table_names_the_inputs_of_each_number(run: Run) -> None:
    Path("galaxies.csv").write_text("id,colour,spectrum\na,8.2,\nb,99999,b.csv\nbroken,,broken.csv\n")
    result = run("predict", "stamps", *OPTIONS, "--output", "out.csv")
    assert result.exit_code == 1, result.output
    with Path("out.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"stamps/a.png", "stamps/b.png"}
    assert "broken.png: the image starts with" in " ".join(result.stderr.split())
    a, b = rows["stamps/a.png"], rows["stamps/b.png"]
    assert "catalogue columns" in a["metallicity inputs"]
    assert "spectrum" not in a["metallicity inputs"]
    assert a["metallicity missing"] == "not used: spectrum: there is no spectrum of this galaxy in the folder"
    assert "spectrum" in b["metallicity inputs"]
    assert b["metallicity missing"] == "not used: catalogue columns (colour: 99999 marks a missing value)"
    assert not any(name.startswith("box inputs") for name in a)


@pytest.mark.usefixtures("metallicity_project", "galaxies")
def test_a_spectrum_that_a_table_names_needs_the_folder(run: Run) -> None:
    Path("galaxies.csv").write_text("id,colour,spectrum\na,8.2,spectra/b.csv\nb,8.4,\nbroken,8.8,\n")
    words = ("--table", "galaxies.csv", "--key", "id", "--project", 7)
    result = run("predict", "stamps", *words, "--output", "out.csv")
    assert result.exit_code == 1, result.output
    with Path("out.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    reason = "the column spectrum names spectra/b.csv, but no folder of spectra is given with --spectra"
    assert rows["stamps/a.png"]["metallicity missing"] == f"not used: spectrum: {reason}"


@pytest.mark.usefixtures("metallicity_project", "galaxies")
def test_rows_of_a_parquet_file_are_predicted_from_their_columns_and_spectra(run: Run) -> None:
    names = ("a", "b", "broken")
    images = [Path(f"stamps/{name}.png").read_bytes() for name in names]
    spectra = [None, Path("spectra/b.csv").read_bytes(), None]
    rows = pa.table({"id": names, "image": images, "colour": [8.2, None, 8.6], "spectrum": spectra})
    parquet.write_table(rows, "galaxies.parquet")
    for words, value_of_broken in (((), 8.6), (("--table", "galaxies.csv", "--key", "id"), 8.8)):
        result = run("predict", "galaxies.parquet", "--project", 7, "--output", "out.csv", *words)
        assert result.exit_code == 1, result.output
        with Path("out.csv").open(newline="") as file:
            predictions = {row["file"]: row for row in csv.DictReader(file)}
        assert list(predictions) == ["a", "b", "broken"]
        assert "catalogue columns" in predictions["a"]["metallicity inputs"]
        assert "spectrum" in predictions["b"]["metallicity inputs"]
        assert predictions["broken"]["metallicity inputs"] == "catalogue columns"
        assert float(predictions["broken"]["metallicity:value"]) == pytest.approx(value_of_broken, abs=0.2)
    result = run("predict", "galaxies.parquet", "--project", 7, "--output", "first.csv", "--limit", 2)
    assert result.exit_code == 0, result.output
    assert len(Path("first.csv").read_text().splitlines()) == 3


@pytest.mark.usefixtures("metallicity_project", "galaxies")
def test_a_table_that_fits_no_image_is_a_wrong_call(run: Run) -> None:
    for words, reason in ((("--key", "name"), "no column 'name'"), (("--spectra", "nothing"), "no folder of spectra nothing")):
        result = run("predict", "stamps", "--table", "galaxies.csv", "--key", "id", "--project", 7, *words, "--output", "o.csv")
        assert result.exit_code == 2
        assert reason in " ".join(result.stderr.split())
        assert not Path("o.csv").exists()
