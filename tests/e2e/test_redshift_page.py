"""The config `redshift` on Label Studio's page: image, spectrum, catalogue columns, and a redshift predicted from all of them.

`GALAXYLOOP_SCREENSHOTS=1` makes this test write `docs/images/configs/redshift.png`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page
from skimage.data import hubble_deep_field

from backend.heads.feature_blocks import COLUMNS, SPECTRUM, Block
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Regression
from backend.images.store import StoredImage, image_key
from backend.prediction.factory import PredictorFactory
from backend.prediction.image_features import ImageFeatures
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import ProjectHeads
from sync.files.cache import MemoryCache
from sync.importing.importer import image_key_of, ingest
from sync.importing.inputs.item import Item
from sync.importing.spectra import attach_spectra
from sync.importing.storage.uploads import Uploads
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import push
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse
from sync.spectra.features import measure_spectrum
from sync.spectra.spectrum import Spectrum
from tests.e2e.browser import open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PICTURES = Path(__file__).parents[2] / "docs/images/configs"
CONFIG = files("labeling_configs").joinpath("redshift.xml").read_text()
PATIENCE_MS = 180_000
GALAXY = (slice(344, 456), slice(67, 179))
STORE = "Htx.annotationStore.selected"
REDSHIFT = 0.12


def spectrum_of(redshift: float, *, seed: int = 0) -> Spectrum:
    """Return a spectrum with the break at 4000 Angstrom and lines in emission."""
    wavelength = np.asarray(np.geomspace(3800, 9200, 3800), np.float64)
    rest_wavelength = wavelength / (1 + redshift)
    flux = 1 + 0.6 / (1 + np.exp(-(rest_wavelength - 3980) / 8)) + 0.1 * np.sin(rest_wavelength / 400)
    for centre, height in ((3728.5, 0.8), (4862.7, 0.5), (5008.2, 0.9), (6564.6, 2.0), (6585.3, 0.7), (6725.5, 0.5)):
        flux += height * np.exp(-0.5 * ((rest_wavelength - centre) / 3) ** 2)
    return Spectrum(
        wavelength,
        flux + np.random.default_rng(seed).normal(0, 0.05, len(rest_wavelength)),
        np.full(len(rest_wavelength), 0.05),
    )


@pytest.fixture(scope="module")
def page(label_studio: tuple[str, str]) -> Iterator[Page]:
    with open_page(label_studio[0], size=(1400, 800), patience_ms=PATIENCE_MS) as logged_in:
        yield logged_in


class OneImage:
    """An image source with one image, whatever the reference."""

    def __init__(self, content: bytes) -> None:
        self.image = StoredImage(image_key(content), lambda: content, 10**7)

    def open(self, reference: str) -> StoredImage:
        return self.image


def columns_of(redshift: float) -> dict[str, float]:
    slopes = {"u": 9.0, "g": 6.0, "r": 3.0, "i": 2.0, "z": 1.5}
    return {f"mag_{band}": round(17 + slope * redshift, 3) for band, slope in slopes.items()}


def train(factory: PredictorFactory, image: StoredImage) -> Regression:
    """Fit a head to sixty galaxies with equal images; columns and spectra tell the redshift."""
    rng = np.random.default_rng(1)
    values = rng.uniform(0.02, 0.3, 60)
    blocks = []
    for seed, value in enumerate(values):
        columns = {name: magnitude + float(rng.normal(0, 0.1)) for name, magnitude in columns_of(float(value)).items()}
        measurement = measure_spectrum(spectrum_of(float(value), seed=seed))
        blocks.append({COLUMNS: Block(columns), SPECTRUM: Block(measurement)})
    (features,) = factory.extractor.extract_features([""], embed=True)
    assert isinstance(features, ImageFeatures)
    assert features.embedding is not None
    embedding = features.embedding + rng.normal(0, 1e-3, (60, len(features.embedding)))
    head = Regression.fit(HeadInputs(embedding.astype(np.float32), tuple(blocks)), values, control="redshift", relative=True)
    return Regression(head.table, head.experts, head.relative, head.dimension, factory.shipped_encoder)


def test_a_task_opens_with_its_spectrum_and_a_predicted_redshift(page: Page, client: LabelStudioClient, tmp_path: Path) -> None:
    tile = Image.fromarray(np.asarray(hubble_deep_field())[GALAXY]).resize((448, 448), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    tile.save(content, "PNG")
    (tmp_path / "spectra").mkdir()
    spectrum = spectrum_of(REDSHIFT)
    rows = (f"{at:.3f},{flux:.5f},0.05" for at, flux in zip(spectrum.wavelength, spectrum.flux, strict=True))
    (tmp_path / "spectra" / "galaxy.csv").write_text("\n".join(["wavelength,flux,error", *rows]))
    project = create_project(client, "Redshifts", CONFIG)
    items = [Item(name, content.getvalue, filename=name, data=columns_of(REDSHIFT)) for name in ("galaxy.png",)]
    report = ingest(
        attach_spectra(items, tmp_path / "spectra"),
        client=client,
        project_id=project,
        storage=Uploads(client, project, science=tmp_path / "science"),
        image_key=image_key_of(CONFIG),
    )
    assert (report.imported_count, report.without_spectrum) == (1, {})
    (task,) = read_tasks(client, project)
    assert task.data["spectrum"].startswith("science/")
    assert task.data["spectrum_plot"][0].startswith("/data/upload/")

    source, cache = OneImage(content.getvalue()), MemoryCache(max_bytes=10**8)
    factory = PredictorFactory(source, cache, None, data_dir=tmp_path)
    head = train(factory, source.image)
    predictor = factory.build(parse(CONFIG), ProjectHeads({"redshift": head}), version="redshifts")
    (prediction,) = predictor.predict([PredictionTask(task.id, task.data)])
    (region,) = prediction.result
    assert region["value"]["number"] == pytest.approx(REDSHIFT, abs=0.02)
    assert SPECTRUM in region["meta"]["used"]
    push(client, project, [prediction.as_json() | {"task": task.id}])
    client.send("PATCH", f"/api/projects/{project}/", json={"model_version": prediction.model_version})

    page.goto(f"{client.url}/projects/{project}/data?task={task.id}", wait_until="domcontentloaded")
    page.wait_for_function(f"window.Htx && {STORE} && {STORE}.objects.every(object => object.imageIsLoaded !== false)")
    page.wait_for_function(f"{STORE}.serializeAnnotation().length > 0")
    (shown_region,) = page.evaluate(f"{STORE}.serializeAnnotation()")
    assert shown_region["value"]["number"] == region["value"]["number"]
    page.wait_for_function(
        "[...document.querySelectorAll('.lsf-editor img')].filter(one => one.naturalWidth > 400).length >= 2"
    )
    page.mouse.move(0, 0)
    screenshot = Image.open(io.BytesIO(page.locator(".lsf-editor").screenshot(animations="disabled"))).convert("RGB")
    folder = PICTURES if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    small = screenshot.resize((1000, round(screenshot.height * 1000 / screenshot.width)), Image.Resampling.LANCZOS)
    small.quantize(64, dither=Image.Dither.NONE).save(folder / "redshift.png", "PNG", optimize=True)
    assert (folder / "redshift.png").stat().st_size < 150_000
