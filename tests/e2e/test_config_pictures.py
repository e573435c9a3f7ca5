"""Every shipped config on Label Studio's page, with the backend's predictions.

`GALAXYLOOP_SCREENSHOTS=1` makes this test write the images of docs/configs.md, `docs/images/configs/*.png`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page
from skimage.data import hubble_deep_field
from typer.testing import CliRunner

from backend.cli.app import app
from sync.importing.importer import ingest
from sync.importing.inputs.item import Item
from sync.importing.storage.uploads import Uploads
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import push
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse
from sync.labelling.reading import read_region
from tests.e2e.browser import open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PICTURES = Path(__file__).parents[2] / "docs/images/configs"
LARGEST_BYTES = 150_000
WIDTH_PX = 760
PATIENCE_MS = 90_000
NOT_HERE = {"redshift.xml", "restoration.xml"}
"""tests/e2e/test_redshift_page.py and test_restoration.py show them with their second image."""
SHIPPED = sorted({path.name for path in files("labeling_configs").iterdir() if path.name.endswith(".xml")} - NOT_HERE)
GALAXY = (slice(344, 456), slice(67, 179))
"""A spiral of the Hubble deep field with its neighbours: rows, columns."""
SHOWN_PX = 560
STORE = "Htx.annotationStore.selected"


@pytest.fixture(scope="module")
def page(label_studio: tuple[str, str]) -> Iterator[Page]:
    """Yield a browser page, logged in as the tests' user."""
    with open_page(label_studio[0], size=(1200, 720), patience_ms=PATIENCE_MS) as logged_in:
        yield logged_in


@pytest.fixture(scope="module")
def galaxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("galaxy") / "hubble-deep-field.png"
    tile = Image.fromarray(np.asarray(hubble_deep_field())[GALAXY])
    tile.resize((SHOWN_PX, SHOWN_PX), Image.Resampling.BICUBIC).save(file)
    return file


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_config_opens_with_all_predictions(
    page: Page, client: LabelStudioClient, galaxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path))
    config, stem = files("labeling_configs").joinpath(name).read_text(), name.removesuffix(".xml")
    project = create_project(client, f"Config {stem}"[:50], config)
    item = Item("galaxy", galaxy.read_bytes, filename=galaxy.name, data={"redshift": 0.299, "mag_r": 20.4})
    ingest([item], client=client, project_id=project, storage=Uploads(client, project, science=tmp_path / "science"))
    (task,) = read_tasks(client, project)
    output = tmp_path / "tasks.json"
    result = CliRunner().invoke(app, ["predict", str(galaxy), "--config", stem, "--output", str(output)])
    assert result.exit_code == 0, result.output
    (prediction,) = json.loads(output.read_text())[0]["predictions"]
    push(client, project, [prediction | {"task": task.id}])
    client.send("PATCH", f"/api/projects/{project}/", json={"model_version": prediction["model_version"]})

    page.goto(f"{client.url}/projects/{project}/data?task={task.id}", wait_until="domcontentloaded")
    page.wait_for_function(f"window.Htx && {STORE} && {STORE}.objects[0].imageIsLoaded !== false")
    page.wait_for_function(f"{STORE}.serializeAnnotation().length > 0")
    regions = page.evaluate(f"{STORE}.serializeAnnotation()")
    assert sorted(region["from_name"] for region in regions) == sorted(region["from_name"] for region in prediction["result"])
    assert {region["from_name"] for region in regions} <= {control.name for control in parse(config).controls}
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.mouse.move(0, 0)
    screenshot = compact(page.locator(".lsf-editor").screenshot(animations="disabled"))
    assert len(screenshot) <= LARGEST_BYTES
    folder = PICTURES if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.png").write_bytes(screenshot)


def test_clicked_stars_are_read_as_a_rating(page: Page, client: LabelStudioClient, galaxy: Path, tmp_path: Path) -> None:
    config = files("labeling_configs").joinpath("interest.xml").read_text()
    project = create_project(client, "Stars", config)
    item = Item("galaxy", galaxy.read_bytes, filename=galaxy.name)
    ingest([item], client=client, project_id=project, storage=Uploads(client, project, science=tmp_path / "science"))
    (task,) = read_tasks(client, project)
    control = parse(config).control("interest")
    assert control is not None
    page.goto(f"{client.url}/projects/{project}/data?task={task.id}", wait_until="domcontentloaded")
    stars = page.locator(".ant-rate-star")
    stars.nth(3).click()
    page.wait_for_function(f"{STORE}.serializeAnnotation().length == 1")
    (region,) = page.evaluate(f"{STORE}.serializeAnnotation()")
    assert read_region(region, control) == 4
    stars.nth(3).click()  # clears the rating
    page.wait_for_function(f"{STORE}.serializeAnnotation().length == 0")


def compact(screenshot: bytes) -> bytes:
    """Reduce the size and the number of colours of a screenshot."""
    regions = Image.open(io.BytesIO(screenshot)).convert("RGB")
    regions = regions.resize((WIDTH_PX, round(regions.height * WIDTH_PX / regions.width)), Image.Resampling.LANCZOS)
    for colours in (256, 128, 64, 32):
        file = io.BytesIO()
        regions.quantize(colours, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if len(file.getvalue()) <= LARGEST_BYTES:
            break
    return file.getvalue()
