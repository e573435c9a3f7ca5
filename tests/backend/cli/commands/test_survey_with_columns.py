"""`galaxyloop survey` with catalogue columns and spectra: of Parquet rows, or of a table and a folder beside the images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as dataset
import pyarrow.parquet as parquet
import pytest
from typer.testing import Result

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("metallicity_project", "galaxies")]

Run = Callable[..., Result]


def rows() -> dict[str, dict[str, Any]]:
    """Return the rows of the survey, by the last part of the id without suffix."""
    table = dataset.dataset("out").to_table().to_pylist()
    return {row["id"].rpartition("/")[2].partition(".")[0]: row for row in table}


def write_parquet(**columns: Any) -> None:
    """Write the images of the folder `stamps` with further columns; the galaxies are a, b and one whose image is broken."""
    names = ("a", "b", "broken")
    images = [Path(f"stamps/{name}.png").read_bytes() for name in names]
    parquet.write_table(pa.table({"id": names, "image": images, **columns}), "galaxies.parquet")


def test_the_columns_and_spectra_of_parquet_rows_are_used(run: Run) -> None:
    spectra = [None, Path("spectra/b.csv").read_bytes(), Path("spectra/broken.csv").read_bytes()]
    write_parquet(colour=pa.array([8.2, -99.9, 8.8], pa.float32()), spectrum=spectra)
    result = run("survey", "galaxies.parquet", "--output", "out", "--project", 7)
    assert result.exit_code == 1, result.output  # one image is broken
    assert "1 of them unreadable" in result.stdout
    a, b, broken = (rows()[name] for name in ("a", "b", "broken"))
    assert a["metallicity"]["value"] == pytest.approx(8.2, abs=0.2)
    assert "columns" in a["inputs"]["metallicity"]
    assert a["missing"]["metallicity"] == "not used: spectrum: the task has none"
    assert b["metallicity"]["value"] == pytest.approx(8.7, abs=0.2)
    assert "spectrum" in b["inputs"]["metallicity"]
    assert "colour: -99.9 marks a missing value" in b["missing"]["metallicity"]
    assert broken["error"].startswith("the image starts with")
    assert broken["inputs"]["metallicity"] == ["columns"]
    assert broken["metallicity"]["value"] == pytest.approx(8.8, abs=0.2)
    assert "2 pixels with a wavelength and a flux" in broken["missing"]["metallicity"]
    assert broken["box"] is broken["embedding"] is broken["width"] is None
    assert broken["version"] == a["version"]


def test_a_table_and_a_folder_of_spectra_are_joined_to_the_images(run: Run) -> None:
    Path("galaxies.csv").write_text("id,colour\na,8.2\nbroken,8.8\n")
    words = ("survey", "stamps", "--output", "out", "--project", 7, "--table", "galaxies.csv", "--key", "id")
    result = run(*words, "--spectra", "spectra")
    assert result.exit_code == 1, result.output
    a, b, broken = (rows()[name] for name in ("a", "b", "broken"))
    assert a["missing"]["metallicity"] == "not used: spectrum: there is no spectrum of this galaxy in the folder"
    assert b["error"] == "no row of " + str(Path("galaxies.csv").absolute()) + " matches this image"
    assert b["metallicity"] is None
    assert broken["metallicity"]["value"] == pytest.approx(8.8, abs=0.2)

    refusal = run(*words)
    assert "out holds the parts of another run: its spectra is" in " ".join(refusal.stderr.split())
    Path("galaxies.csv").write_text("id,colour\na,8.3\nbroken,8.8\n")
    refusal = run(*words, "--spectra", "spectra")
    assert "out holds the parts of another run: its content of the table is" in " ".join(refusal.stderr.split())


def test_a_bad_table_or_folder_is_a_sentence(run: Run) -> None:
    words = ("survey", "stamps", "--output", "out", "--project", 7)
    for more, code, reason in (
        (("--table", "galaxies.csv"), 1, "has no column 'filename'"),
        (("--table", "galaxies.csv", "--key", "id", "--spectra", "nothing"), 2, "there is no folder of spectra nothing"),
    ):
        result = run(*words, *more)
        assert result.exit_code == code, result.output
        assert reason in " ".join(result.stderr.split())
        assert not list(Path("out").glob("part-*"))


def test_rows_that_name_their_spectra_need_the_folder(run: Run) -> None:
    write_parquet(colour=[8.2, None, None], spectrum=["b.csv", "b.csv", ""], mass=np.zeros(3), notes=["x", "y", "z"])
    run("survey", "galaxies.parquet", "--output", "out", "--project", 7)
    reason = "the column spectrum names b.csv, but no folder of spectra is given with --spectra"
    assert rows()["a"]["missing"]["metallicity"] == f"not used: spectrum: {reason}"
    assert rows()["broken"]["inputs"] is None
    assert rows()["broken"]["error"].startswith("the image starts with")
    run("survey", "galaxies.parquet", "--output", "again", "--project", 7, "--spectra", "spectra")
    (first, *_) = dataset.dataset("again").to_table().to_pylist()
    assert "spectrum" in first["inputs"]["metallicity"]


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_joins_the_same_columns_and_spectra(run: Run) -> None:
    words = ("survey", "stamps", "--project", 7, "--table", "galaxies.csv", "--key", "id", "--spectra", "spectra", "--output")
    for output, engine in (("here", "local"), ("there", "ray")):
        assert run(*words, output, "--engine", engine).exit_code == 1  # one image is broken
    tables = [dataset.dataset(output).to_table(columns=["id", "error", "inputs", "missing"]) for output in ("here", "there")]
    assert tables[0].to_pylist() == tables[1].to_pylist()
    result = run(*words[:-5], "--table", "galaxies.csv", "--key", "name", "--output", "bad", "--engine", "ray")
    assert result.exit_code == 1
    assert "has no column 'name'" in " ".join(result.stderr.split())
