"""Imports of bad spectra on the command line, and a task of Label Studio whose image is missing: what is predicted and shown.

`GALAXYLOOP_SCREENSHOTS=1` makes this test write `docs/images/without-image.png`.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image
from playwright.sync_api import Page
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.heads.feature_blocks import COLUMNS, SPECTRUM, Block
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Regression
from backend.images.store import StoredImage, image_key
from backend.prediction.factory import PredictorFactory
from backend.prediction.image_features import ImageFeatures
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import ProjectHeads
from sync.errors.images import ImageError
from sync.files.cache import MemoryCache
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import push
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse
from sync.spectra.features import measure_spectrum
from sync.spectra.spectrum import Spectrum
from tests.e2e.browser import open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PICTURES = Path(__file__).parents[2] / "docs/images"
CONFIG = files("labeling_configs").joinpath("redshift.xml").read_text()
PATIENCE_MS = 180_000
STORE = "Htx.annotationStore.selected"
REDSHIFT = 0.12
GONE = "/data/upload/1/gone.png"


def spectrum_of(redshift: float, *, seed: int = 0) -> Spectrum:
    """Return a spectrum with the break at 4000 Angstrom and lines in emission."""
    wavelength = np.asarray(np.geomspace(3800, 9200, 3800), np.float64)
    rest_wavelength = wavelength / (1 + redshift)
    flux = 1 + 0.6 / (1 + np.exp(-(rest_wavelength - 3980) / 8)) + 0.1 * np.sin(rest_wavelength / 400)
    for centre, height in ((3728.5, 0.8), (4862.7, 0.5), (5008.2, 0.9), (6564.6, 2.0), (6585.3, 0.7), (6725.5, 0.5)):
        flux += height * np.exp(-0.5 * ((rest_wavelength - centre) / 3) ** 2)
    return Spectrum(wavelength, flux + np.random.default_rng(seed).normal(0, 0.05, len(flux)), np.full(len(flux), 0.05))


def columns_of(redshift: float) -> dict[str, float]:
    slopes = {"u": 9.0, "g": 6.0, "r": 3.0, "i": 2.0, "z": 1.5}
    return {f"mag_{band}": round(17 + slope * redshift, 3) for band, slope in slopes.items()}


def lines_of(*columns: np.ndarray, header: str) -> bytes:
    return "\n".join([header, *(",".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True))]).encode()


def fits_table(**columns: np.ndarray) -> bytes:
    content = io.BytesIO()
    Table(columns).write(content, format="fits")
    return content.getvalue()


def spectra() -> dict[str, tuple[bytes, str]]:
    """Return files of spectra by name, and the reason why a file is refused; empty for one that is read."""
    spectrum = spectrum_of(REDSHIFT)
    wave, flux, ones = spectrum.wavelength, spectrum.flux, np.ones(len(spectrum.flux))
    words = "\n".join(["wavelength,flux", *(f"{at:.2f},bright" for at in wave)]).encode()
    return {
        "good.csv": (lines_of(wave, flux, 0.05 * ones, header="wavelength,flux,error"), ""),
        "descending.csv": (lines_of(wave[::-1], flux[::-1], header="wavelength,flux"), ""),
        "nanometres.csv.gz": (gzip.compress(lines_of(wave / 10, flux, header="wavelength,flux")), ""),
        "logarithm.csv": (lines_of(np.log10(wave), flux, header="loglam,flux"), ""),
        "without.csv": (lines_of(flux, header="flux"), "has no wavelengths"),
        "words.csv": (words, "holds text"),
        "two.csv": (lines_of(wave[:2], flux[:2], header="wavelength,flux"), "2 pixels with a wavelength and a flux"),
        "empty.csv": (b"", "is empty"),
        "negative.fits": (fits_table(loglam=np.log10(wave), flux=-flux, ivar=ones), "above zero in 0% of its pixels"),
        "zero.fits": (fits_table(loglam=np.log10(wave), flux=0 * flux, ivar=ones), "zero everywhere"),
        "nan.fits": (fits_table(loglam=np.log10(wave), flux=np.nan * flux, ivar=ones), "0 pixels with a wavelength"),
        "ivar.fits": (fits_table(loglam=np.log10(wave), flux=flux, ivar=0 * ones), "0 pixels with a wavelength"),
    }


class OneImage:
    """An image source with one image, whatever the reference, but for `GONE`."""

    def __init__(self, content: bytes) -> None:
        self.image = StoredImage(image_key(content), lambda: content, 10**7)

    def open(self, reference: str) -> StoredImage:
        if reference == GONE:
            raise ImageError(f"image {reference!r} got HTTP 404 instead of 200")
        return self.image


def train(factory: PredictorFactory) -> Regression:
    """Fit a head to sixty galaxies with equal images; columns and spectra tell the redshift."""
    rng = np.random.default_rng(1)
    values = rng.uniform(0.02, 0.3, 60)
    blocks = []
    for seed, value in enumerate(values):
        columns = {name: magnitude + float(rng.normal(0, 0.1)) for name, magnitude in columns_of(float(value)).items()}
        blocks.append({COLUMNS: Block(columns), SPECTRUM: Block(measure_spectrum(spectrum_of(float(value), seed=seed)))})
    (features,) = factory.extractor.extract_features([""], embed=True)
    assert isinstance(features, ImageFeatures)
    assert features.embedding is not None
    embeddings = features.embedding + rng.normal(0, 1e-3, (60, len(features.embedding)))
    head = Regression.fit(HeadInputs(embeddings.astype(np.float32), tuple(blocks)), values, control="redshift", relative=True)
    return Regression(head.table, head.experts, head.relative, head.dimension, factory.shipped_encoder)


@pytest.fixture(scope="module")
def page(label_studio: tuple[str, str]) -> Iterator[Page]:
    with open_page(label_studio[0], size=(1400, 800), patience_ms=PATIENCE_MS) as logged_in:
        yield logged_in


@pytest.fixture
def run(label_studio: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio[0])
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio[1])
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_bad_spectra_and_a_missing_image(
    run: Callable[..., Result], page: Page, client: LabelStudioClient, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "spectra").mkdir()
    rows = ["id," + ",".join(columns_of(REDSHIFT))]
    content = io.BytesIO()
    for number, (name, (spectrum, _)) in enumerate(spectra().items()):
        stem = name.partition(".")[0]
        pixels = np.random.default_rng(number).integers(0, 60, (96, 96, 3)).astype(np.uint8)
        pixels[40:56, 40:56] = 250
        Image.fromarray(pixels).save(tmp_path / "images" / f"{stem}.png")
        (tmp_path / "spectra" / name).write_bytes(spectrum)
        rows.append(f"{stem}," + ",".join(map(str, columns_of(REDSHIFT).values())))
    (tmp_path / "galaxies.csv").write_text("\n".join(rows))
    Image.fromarray(pixels).save(content, "PNG")
    project = create_project(client, "Spectra", CONFIG)

    result = run(
        *("import", project, tmp_path / "images", "--table", tmp_path / "galaxies.csv"),
        *("--key", "id", "--spectra", tmp_path / "spectra"),
    )
    output = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "Traceback" not in output
    assert "8 without a spectrum" in output
    tasks = {str(task.data["filename"]).partition(".")[0]: task for task in read_tasks(client, project)}
    for name, (_, reason) in spectra().items():
        data = tasks[name.partition(".")[0]].data
        assert ("spectrum" in data) == (not reason), name
        assert reason in data.get("spectrum_problem", ""), name
        assert reason in output, name

    source = OneImage(content.getvalue())
    factory = PredictorFactory(source, MemoryCache(max_bytes=10**8), None, data_dir=tmp_path / "data")
    head = train(factory)
    predictor = factory.build(parse(CONFIG), ProjectHeads({"redshift": head}), version="redshifts")
    for name, (_, reason) in spectra().items():
        task = tasks[name.partition(".")[0]]
        for reference in (task.data["image"], GONE):
            (prediction,) = predictor.predict([PredictionTask(task.id, {**task.data, "image": reference})])
            (region,) = prediction.result
            assert region["value"]["number"] == pytest.approx(REDSHIFT, abs=0.04), name
            text = region["meta"]["text"][0]
            assert (SPECTRUM in region["meta"]["used"]) == (not reason), text
            assert reason in text
            if reference == GONE:
                assert "image" not in region["meta"]["used"]
                assert "not used: image: image '/data/upload/1/gone.png' got HTTP 404 instead of 200" in text

    task = tasks["good"]
    client.send("PATCH", f"/api/tasks/{task.id}/", json={"data": {**task.data, "image": GONE}})
    (prediction,) = predictor.predict([PredictionTask(task.id, {**task.data, "image": GONE})])
    push(client, project, [prediction.as_json() | {"task": task.id}])
    client.send("PATCH", f"/api/projects/{project}/", json={"model_version": prediction.model_version})
    page.goto(f"{client.url}/projects/{project}/data?task={task.id}", wait_until="domcontentloaded")
    page.wait_for_function(f"window.Htx && {STORE} && {STORE}.serializeAnnotation().length > 0")
    (region,) = page.evaluate(f"{STORE}.serializeAnnotation()")
    assert region["value"]["number"] == prediction.result[0]["value"]["number"]
    page.wait_for_function("[...document.querySelectorAll('.lsf-editor img')].some(image => image.naturalWidth > 400)")
    page.mouse.move(0, 0)
    folder = PICTURES if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path
    content = io.BytesIO(page.locator(".lsf-editor").screenshot(animations="disabled"))
    screenshot = Image.open(content).convert("RGB")
    small = screenshot.resize((900, round(screenshot.height * 900 / screenshot.width)), Image.Resampling.LANCZOS)
    small.quantize(64, dither=Image.Dither.NONE).save(folder / "without-image.png", "PNG", optimize=True)
