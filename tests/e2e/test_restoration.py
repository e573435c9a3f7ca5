"""`galaxyloop import --restore` and the config restoration on Label Studio's page.

`GALAXYLOOP_SCREENSHOTS=1` makes this test write docs/images/configs/restoration.png.
"""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage
from skimage.data import hubble_deep_field
from typer.testing import CliRunner

from backend.cli.app import app
from backend.heads.structure.psf import gaussian_psf
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse
from sync.labelling.reading import read_region
from tests.e2e.browser import open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PICTURE = Path(__file__).parents[2] / "docs/images/configs/restoration.png"
GALAXY = (slice(344, 456), slice(67, 179))
"""A spiral of the Hubble deep field: rows, columns."""
FWHM_PX, NOISE = 6.0, 1.2
STORE = "Htx.annotationStore.selected"


@pytest.fixture
def observation(tmp_path: Path) -> Path:
    """Return a FITS file of the spiral as a telescope on the ground sees it; its PSF is psf.fits in the same folder."""
    scene = ndimage.zoom(np.asarray(hubble_deep_field())[GALAXY].mean(axis=-1), 2, order=3)
    psf = gaussian_psf(FWHM_PX)
    blurred_scene = ndimage.convolve(scene, psf.pixels, mode="nearest")
    image = blurred_scene + np.random.default_rng(1).normal(0, NOISE, blurred_scene.shape)
    fits.writeto(tmp_path / "psf.fits", psf.pixels)
    fits.writeto(tmp_path / "spiral.fits", image[::-1].astype(np.float32))
    return tmp_path / "spiral.fits"


def test_annotators_compare_the_restored_with_the_observed_image(
    label_studio: tuple[str, str],
    client: LabelStudioClient,
    observation: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio[0])
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio[1])
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    config = files("labeling_configs").joinpath("restoration.xml").read_text()
    project = create_project(client, "Restored galaxies", config)
    words = ["import", str(project), str(observation), "--restore", "--psf", str(observation.with_name("psf.fits"))]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    (task,) = read_tasks(client, project)
    (reference,) = task.data["restored"]
    assert reference.startswith("/data/upload/")
    assert (task.data["restored_by"], task.data["restored_psf"]) == ("galaxyloop-base", "given")
    assert task.data["restored_share"] == 1.0  # for the screenshot: by the hash of the file, half of the pictures have less
    verdict = parse(config).control("verdict")
    assert verdict is not None
    result = CliRunner().invoke(app, ["prelabel", str(project)])
    assert result.exit_code == 0, result.output

    with open_page(client.url, size=(1500, 720), patience_ms=90_000) as page:
        page.goto(f"{client.url}/projects/{project}/data?task={task.id}", wait_until="domcontentloaded")
        page.wait_for_function(f"window.Htx && {STORE} && {STORE}.objects.filter(o => o.imageIsLoaded).length == 2")
        outlines = page.evaluate(f"{STORE}.serializeAnnotation()")
        assert len(outlines) > 2
        assert {(region["from_name"], region["to_name"]) for region in outlines} == {("outline", "image")}
        page.get_by_text(re.compile("^Better")).click()  # its key has no effect before the page has its hotkeys
        page.wait_for_function(f"{STORE}.serializeAnnotation().length == {len(outlines) + 1}")
        (region,) = (other for other in page.evaluate(f"{STORE}.serializeAnnotation()") if other["from_name"] == "verdict")
        assert read_region(region, verdict) == ("Better",)
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)
        picture = page.locator(".lsf-editor").screenshot(animations="disabled")
    target = PICTURE if os.environ.get("GALAXYLOOP_SCREENSHOTS") == "1" else tmp_path / PICTURE.name
    target.write_bytes(picture)
