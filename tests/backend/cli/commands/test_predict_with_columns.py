"""`galaxyloop predict` with the columns of a table and spectra, also for images that cannot be read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from backend.heads.feature_blocks import COLUMNS, SPECTRUM, Block, FeatureBlocks
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Regression
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from sync.labelling.config import parse
from sync.spectra.features import measure_spectrum
from sync.spectra.spectrum import Spectrum

pytestmark = pytest.mark.slow  # imports scikit-learn

Run = Callable[..., Result]
CONFIG = """<View><Image name="image" value="$image"/>
<Number name="metallicity" toName="image"/>
<RectangleLabels name="box" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""
WAVELENGTH = np.asarray(np.geomspace(3800, 9200, 800), np.float64)


def spectrum_of(slope: float) -> Spectrum:
    return Spectrum(WAVELENGTH, 1 + slope * (WAVELENGTH - 6000) / 6000)


@pytest.fixture
def project(run: Run, open_services: Callable[..., Services]) -> Services:
    """Return services in the folder of `run`; the numbers of project 7 follow from a column and the slope of the spectrum."""
    rng = np.random.default_rng(0)
    values = rng.uniform(8, 9, 60)
    blocks: list[FeatureBlocks] = [
        {
            COLUMNS: Block({"colour": float(value + rng.normal(0, 0.1))}),
            SPECTRUM: Block(measure_spectrum(spectrum_of(float(value - 8.5)))),
        }
        for value in values
    ]
    embeddings = rng.normal(size=(60, 1280)).astype(np.float32)
    head = Regression.fit(HeadInputs(embeddings, tuple(blocks)), values, control="metallicity")
    services = open_services(data_dir=Path("galaxyloop-data"))
    services.registry.register_project(7, label_config=CONFIG, extra_params=None)
    with services.registry.create_version(7, label_config=CONFIG, fingerprint="f", learned_from=60) as (folder, number):
        ProjectHeads({"metallicity": head}).save(folder, parse(CONFIG))
    services.registry.promote(7, number)
    return services


@pytest.fixture
def inputs(run: Run, png: Callable[..., bytes]) -> None:
    """Write three images, of which one cannot be read, a table, and spectra."""
    Path("stamps").mkdir()
    for name in "ab":
        Path(f"stamps/{name}.png").write_bytes(png(spots=((100, 50, 9),)))
    Path("stamps/broken.png").write_bytes(b"not an image")
    Path("galaxies.csv").write_text("id,colour\na,8.2\nb,\nbroken,8.8\n")
    Path("spectra").mkdir()
    rows = [f"{at:.3f},{flux:.5f}" for at, flux in zip(WAVELENGTH, spectrum_of(0.2).flux, strict=True)]
    Path("spectra/b.csv").write_text("\n".join(["wavelength,flux", *rows]))
    Path("spectra/broken.csv").write_text("wavelength,flux\n4000,1\n4001,1\n")


OPTIONS = ("--table", "galaxies.csv", "--key", "id", "--spectra", "spectra", "--project", 7)


@pytest.mark.usefixtures("project", "inputs")
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


@pytest.mark.usefixtures("project", "inputs")
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


@pytest.mark.usefixtures("project", "inputs")
def test_a_table_that_fits_no_image_is_a_wrong_call(run: Run) -> None:
    for words, reason in ((("--key", "name"), "no column 'name'"), (("--spectra", "nothing"), "no folder of spectra nothing")):
        result = run("predict", "stamps", "--table", "galaxies.csv", "--key", "id", "--project", 7, *words, "--output", "o.csv")
        assert result.exit_code == 2
        assert reason in " ".join(result.stderr.split())
        assert not Path("o.csv").exists()
