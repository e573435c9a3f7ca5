"""Verdicts on restored pictures, in a real Label Studio, decide how the next pictures of the project are drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from backend.cli.app import app
from backend.jobs.lease import hold_lease
from backend.loop.cycle import run_cycle
from backend.loop.session import ProjectSession
from backend.registry.records import RESTORED_PICTURES
from backend.services import Services
from backend.settings import Settings
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import attach_backend, create_project
from sync.label_studio.tasks import Task, read_tasks

pytestmark = pytest.mark.timeout(900)

IMAGES, LATER, SIDE = 100, 12, 40
CONFIG = """<View><Image name="image" value="$image"/><Image name="restored" value="$restored"/>
<Choices name="verdict" toName="image" choice="single">
<Choice value="Better"/><Choice value="No better"/><Choice value="Wrong"/></Choices></View>"""


@pytest.fixture
def settings(
    label_studio: tuple[str, str],
    label_studio_data: Path,
    recording_backend: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio[0])
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio[1])
    monkeypatch.setenv("GALAXYLOOP_BACKEND_URL", recording_backend.url)
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GALAXYLOOP_LOCAL_FILES_DOCUMENT_ROOT", str(label_studio_data / "local-files"))
    return Settings()


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Return FITS files of different galaxies, far apart on the sky, with the seeing in their headers."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE)) - SIDE // 2
    paths = []
    for number in range(IMAGES + LATER):
        light = rng.uniform(10, 40) * np.exp(-np.hypot(rows, columns) / rng.uniform(2, 4))
        cards = {
            **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": SIDE / 2, "CRPIX2": SIDE / 2, "FWHM": 3.0},
            **{"CRVAL1": 10.0 + number, "CRVAL2": 5.0, "CDELT1": -1e-4, "CDELT2": 1e-4},
        }
        image = (light + rng.normal(100, 1, light.shape)).astype(np.float32)
        paths.append(tmp_path / f"galaxy-{number:03d}.fits")
        fits.writeto(paths[-1], image, fits.Header(cards))
    return paths


def invoke(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def verdict(task: Task) -> list[dict[str, Any]]:
    """Return the annotation of an annotator who accepts the pictures with half of the correction, and few others."""
    accepts = task.data["restored_share"] == 0.5 or task.id % 5 == 0
    region = {"id": "v", "from_name": "verdict", "to_name": "image", "type": "choices"}
    return [region | {"value": {"choices": ["Better" if accepts else "Wrong"]}}]


def test_pictures_of_two_images_cannot_be_uploaded(settings: Settings, client: LabelStudioClient, images: list[Path]) -> None:
    project = create_project(client, "Two images", CONFIG)
    result = CliRunner().invoke(app, ["import", str(project), str(images[0]), "--restore"])
    assert result.exit_code == 2
    assert 'show the restored one with valueList="$restored", or use --storage local or s3' in " ".join(result.stderr.split())
    assert read_tasks(client, project) == []


def test_the_share_that_annotators_accept_goes_live_and_can_be_rolled_back(
    settings: Settings, client: LabelStudioClient, images: list[Path]
) -> None:
    project = create_project(client, "Judged restorations", CONFIG)
    words = ["--restore", "--storage", "local"]
    invoke("import", str(project), *map(str, images[:IMAGES]), *words)
    tasks = read_tasks(client, project)
    assert {task.data["restored_share"] for task in tasks} == {1.0, 0.5, 0.0}
    assert {(task.data["restored_by"], task.data["restored_psf"]) for task in tasks} == {("galaxyloop-base", "header")}
    for task in tasks:
        client.send("POST", f"/api/tasks/{task.id}/annotations/", json={"result": verdict(task)})

    services = Services(settings)
    record = services.registry.register_project(project, label_config=CONFIG, extra_params={"audit": 0.5})
    attach_backend(client, project, url=settings.public_url, title=record.live_name)
    session = ProjectSession(services.label_studio, project)
    with hold_lease(services.engine, project, seconds=300) as lease:
        assert lease is not None
        run_cycle(services, session, lease)
    version = services.registry.version(project, services.registry.project(project).live_version)
    assert version.heads[RESTORED_PICTURES] == version.number
    assert "restored pictures is better (+" in version.evidence["reason"]
    assert version.evidence["controls"][RESTORED_PICTURES]["shares"]["candidate"] == 0.5
    history = json.loads(invoke("versions", str(project), "--json"))
    assert "restored pictures is better (+" in history[-1]["evidence"]["reason"]

    invoke("import", str(project), *map(str, images[IMAGES : IMAGES + LATER // 2]), *words)
    new = read_tasks(client, project)[IMAGES:]
    assert {task.data["restored_by"] for task in new} == {version.name}
    assert any(task.data["restored_share"] == 0.5 for task in new)
    invoke("restore", str(images[0]), "--project", str(project), "--output", str(settings.data_dir / "out.fits"))
    assert "0.5 of the correction" in "".join(fits.getheader(settings.data_dir / "out.fits")["HISTORY"])

    invoke("rollback", str(project), history[0]["name"])
    invoke("import", str(project), *map(str, images[IMAGES + LATER // 2 :]), *words)
    assert {task.data["restored_by"] for task in read_tasks(client, project)[-LATER // 2 :]} == {"galaxyloop-base"}
