"""A real FITS file in Label Studio: its galaxy opens with size, shape and brightness filled in, measured on the science values.

`GALAXYLOOP_SCREENSHOTS=1` makes this test write `docs/images/measured-structure.png`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from playwright.sync_api import Page
from scipy import ndimage
from typer.testing import CliRunner

from backend.cli.app import app
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from backend.settings import Settings
from sync.importing.importer import ingest
from sync.importing.inputs.item import Item
from sync.importing.storage.uploads import Uploads
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import push
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse
from tests.e2e.browser import open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PICTURE = Path(__file__).parents[2] / "docs/images/measured-structure.png"
PATIENCE_MS = 120_000
STORE = "Htx.annotationStore.selected"

SIDE, OVERSAMPLING = 161, 5
RE_PX, AXIS_RATIO, ANGLE_DEG, FLUX = 9.0, 0.55, 35.0, 60_000.0
SCALE_ARCSEC, ZERO_POINT, PSF_FWHM_PX = 0.25, 25.5, 3.2


def draw_galaxy() -> bytes:
    """Return a FITS file with an exponential disc (n = 1) through a Gaussian PSF, with sky, noise, WCS and MAGZERO."""
    side, step = SIDE * OVERSAMPLING, 1 / OVERSAMPLING
    place = np.arange(side) * step - (1 - step) / 2 - SIDE // 2
    turn = np.radians(ANGLE_DEG)
    along = place * np.cos(turn) + place[:, None] * np.sin(turn)
    across = (place[:, None] * np.cos(turn) - place * np.sin(turn)) / AXIS_RATIO
    light = np.exp(-1.678 * np.hypot(along, across) / RE_PX)
    light = ndimage.gaussian_filter(light, np.sqrt((PSF_FWHM_PX / 2.3548) ** 2 - 1 / 12) * OVERSAMPLING)
    pixels = FLUX * (light / light.sum()).reshape(SIDE, OVERSAMPLING, SIDE, OVERSAMPLING).sum(axis=(1, 3))
    noise = np.random.default_rng(5).standard_normal(pixels.shape)
    cards = {
        **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2},
        **{"CRPIX1": (SIDE + 1) / 2, "CRPIX2": (SIDE + 1) / 2},
        **{"CD1_1": -SCALE_ARCSEC / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SCALE_ARCSEC / 3600},
        **{"MAGZERO": ZERO_POINT, "PSF_FWHM": PSF_FWHM_PX * SCALE_ARCSEC, "FILTER": "r"},
    }
    content = io.BytesIO()
    fits.PrimaryHDU((pixels + 100 + 1.5 * noise).astype(np.float32), fits.Header(cards)).writeto(content)
    return content.getvalue()


@pytest.fixture(scope="module")
def page(label_studio: tuple[str, str]) -> Iterator[Page]:
    """Yield a browser page, logged in as the tests' user."""
    with open_page(label_studio[0], size=(1280, 1000), patience_ms=PATIENCE_MS) as logged_in:
        yield logged_in


@pytest.fixture
def settings(label_studio: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio[0])
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio[1])
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    return Settings()


def test_a_fits_file_opens_with_its_measurements_and_they_are_exported(
    page: Page, client: LabelStudioClient, settings: Settings, tmp_path: Path
) -> None:
    config = files("labeling_configs").joinpath("structure.xml").read_text()
    project = create_project(client, "Structure", config)
    storage = Uploads(client, project, science=settings.data_dir / "science")
    ingest([Item("disc.fits", draw_galaxy, filename="disc.fits")], client=client, project_id=project, storage=storage)
    (task,) = read_tasks(client, project)
    predictor = Services(settings).predictors.build(parse(config), ProjectHeads(), version="galaxyloop-base")
    (prediction,) = predictor.predict([PredictionTask(task.id, task.data)])
    push(client, project, [prediction.as_json() | {"task": task.id}])
    client.send("PATCH", f"/api/projects/{project}/", json={"model_version": "galaxyloop-base"})

    page.goto(f"{client.url}/projects/{project}/data?task={task.id}", wait_until="domcontentloaded")
    page.wait_for_function(f"window.Htx && {STORE} && {STORE}.objects[0].imageIsLoaded !== false")
    page.wait_for_function(f"{STORE}.serializeAnnotation().length > 0")
    region_by_name = {region["from_name"]: region for region in page.evaluate(f"{STORE}.serializeAnnotation()")}
    numbers = {name: region["value"].get("number") for name, region in region_by_name.items()}
    assert numbers["half_light_radius"] == pytest.approx(RE_PX * SCALE_ARCSEC, rel=0.05)
    assert numbers["sersic_index"] == pytest.approx(1.0, rel=0.1)
    assert numbers["axis_ratio"] == pytest.approx(AXIS_RATIO, abs=0.02)
    assert numbers["position_angle"] == pytest.approx(90 + ANGLE_DEG, abs=2)  # east is at the left
    assert numbers["magnitude"] == pytest.approx(ZERO_POINT - 2.5 * np.log10(FLUX), abs=0.03)
    assert region_by_name["magnitude"]["meta"]["psf"] == "header"
    fields = page.locator("input[type=number]")
    assert float(fields.first.input_value()) == numbers["half_light_radius"]

    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.mouse.move(0, 0)
    picture = PICTURE if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path / PICTURE.name
    page.locator(".lsf-editor").screenshot(path=picture, animations="disabled")

    fields.nth(1).fill("1.5")
    page.wait_for_function(f"{STORE}.serializeAnnotation().some(region => region.value.number === 1.5)")
    page.get_by_role("button", name="Submit").click()
    annotation = wait_for_annotation(client, task.id, page)
    regions = {region["from_name"]: region for region in annotation["result"]}
    assert regions["magnitude"]["meta"]["error"] > 0  # Label Studio keeps it
    assert regions["sersic_index"]["value"]["number"] == 1.5

    result = CliRunner().invoke(app, ["export", str(project), "--format", "ecsv", "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    table = Table.read(tmp_path / "out" / "objects.ecsv")
    (row,) = table[table["control"] == "outline"]
    assert row["re_arcsec"] == numbers["half_light_radius"]
    assert row["re_arcsec_err"] == pytest.approx(region_by_name["half_light_radius"]["meta"]["error"])
    assert row["sersic_n"] == 1.5
    assert row["sersic_n_err"] is np.ma.masked  # of a person's value no error is known
    assert (str(table["mag"].unit), table["mag"].meta["ucd"]) == ("mag", "phot.mag")


def wait_for_annotation(client: LabelStudioClient, task: int, page: Page) -> dict[str, Any]:
    """Return the submitted annotation of a task."""
    for _ in range(300):
        annotations = client.get(f"/api/tasks/{task}/annotations/")
        if annotations:
            return dict(annotations[0])
        page.wait_for_timeout(200)
    raise AssertionError("the annotation was not submitted")
