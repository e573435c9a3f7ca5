"""Fixtures that run a command in the test's own folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.heads.classification.morphology import Morphology
from backend.heads.feature_blocks import COLUMNS, SPECTRUM, Block, FeatureBlocks
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Regression
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from sync.label_studio.client import LabelStudioClient
from sync.labelling.config import parse
from sync.spectra.features import measure_spectrum
from sync.spectra.spectrum import Spectrum

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Round"/><Choice value="Flat"/></Choices></View>"""
METALLICITY_CONFIG = """<View><Image name="image" value="$image"/>
<Number name="metallicity" toName="image"/>
<RectangleLabels name="box" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""
WAVELENGTH = np.asarray(np.geomspace(3800, 9200, 800), np.float64)


def spectrum_of(slope: float) -> Spectrum:
    return Spectrum(WAVELENGTH, 1 + slope * (WAVELENGTH - 6000) / 6000)


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for a missing Label Studio; the client's own tests cover the wait."""
    monkeypatch.setattr(LabelStudioClient, "__init__", partialmethod(LabelStudioClient.__init__, patience_s=0.1))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs `galaxyloop` in this test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "galaxyloop-data"))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def registry(run: Callable[..., Result], new_database: bytes) -> Path:
    """Create a registry without projects in the data folder of `run`; return its file."""
    file = Path("galaxyloop-data/galaxyloop.db").absolute()
    file.parent.mkdir()
    file.write_bytes(new_database)
    return file


@pytest.fixture
def run_rejected(run: Callable[..., Result]) -> Callable[..., str]:
    """Return a function that runs a command that must fail with one sentence, and returns the sentence."""

    def refuse(*words: str) -> str:
        result = run(*words)
        assert result.exit_code in (1, 2), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        (sentence,) = result.stderr.splitlines()
        assert sentence.startswith("galaxyloop: ")
        return str(sentence)

    return refuse


@pytest.fixture
def survey(run: Callable[..., Result], image_folder: Path) -> Callable[..., Result]:
    """Return a function that surveys the folder `image_folder` into the folder `out`, with further options."""
    return lambda *words: run("survey", "image_folder", "--output", "out", "--config", "morphology", *words)


@pytest.fixture
def many_images(tmp_path: Path, png: Callable[..., bytes]) -> str:
    """Return a Parquet file of 200 small images in row groups of 30."""
    contents = [png(size=(40, 40), spots=((20, 20, 4),), seed=number) for number in range(10)]
    table = pa.table({"id": [f"galaxy {number}" for number in range(200)], "image": contents * 20})
    parquet.write_table(table, tmp_path / "many.parquet", row_group_size=30)
    return "many.parquet"


@pytest.fixture
def trained_project(open_services: Callable[..., Services], embeddings: Callable[..., Any]) -> Services:
    """Return project 7 with a trained, live version 2, in the data folder of `run`."""
    services = open_services(data_dir=Path("galaxyloop-data"))
    services.registry.register_project(7, label_config=CONFIG, extra_params=None)
    vectors, targets = embeddings([0, 1] * 10, classes=2, dimension=1280)
    head = Morphology.fit(vectors, targets, classes=("Round", "Flat"), exclusive=True)
    with services.registry.create_version(7, label_config=CONFIG, fingerprint="f", learned_from=20) as (folder, number):
        ProjectHeads({"class": head}).save(folder, parse(CONFIG))
    services.registry.promote(7, number)
    return services


@pytest.fixture
def metallicity_project(run: Callable[..., Result], open_services: Callable[..., Services]) -> Services:
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
    registry = services.registry
    registry.register_project(7, label_config=METALLICITY_CONFIG, extra_params=None)
    version = registry.create_version(7, label_config=METALLICITY_CONFIG, fingerprint="f", learned_from=60)
    with version as (folder, number):
        ProjectHeads({"metallicity": head}).save(folder, parse(METALLICITY_CONFIG))
    registry.promote(7, number)
    return services


@pytest.fixture
def galaxies(run: Callable[..., Result], png: Callable[..., bytes]) -> None:
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
