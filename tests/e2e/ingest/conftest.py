"""Fixtures of imports into the real Label Studio: a project, the command, the backend's fetching of an image, image files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from typer.testing import CliRunner, Result

from backend.cli.app import app
from sync.images.decode import decode
from sync.images.fetch import Fetcher
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/></Choices>
</View>
"""


@pytest.fixture
def project(client: LabelStudioClient) -> int:
    return create_project(client, "Imported galaxies", CONFIG)


@pytest.fixture
def run(
    label_studio: tuple[str, str], label_studio_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Return a function that runs `galaxyloop import`."""
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio[0])
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio[1])
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GALAXYLOOP_LOCAL_FILES_DOCUMENT_ROOT", str(label_studio_data / "local-files"))
    return lambda *words: CliRunner().invoke(app, ["import", *(str(word) for word in words)])


@pytest.fixture
def shape_of(client: LabelStudioClient) -> Callable[..., tuple[int, ...]]:
    """Return a function that fetches an image as the backend does and returns its shape."""

    def fetch_shape(reference: str, *hosts: str) -> tuple[int, ...]:
        allowed_hosts = frozenset(hosts)
        fetcher = Fetcher(label_studio_url=client.url, authorization=client.authorization, allowed_hosts=allowed_hosts)
        try:
            return decode(fetcher.fetch(reference)).shape
        finally:
            fetcher.close()

    return fetch_shape


@pytest.fixture(scope="session")
def noise() -> Callable[..., Any]:
    """Return a function that makes a sky of noise, shape (24, 32) by default."""

    def make(seed: int, shape: tuple[int, ...] = (24, 32)) -> Any:
        return np.random.default_rng(seed).normal(10, 2, shape).astype(np.float32)

    return make


@pytest.fixture
def image_folder(tmp_path: Path, noise: Callable[..., Any]) -> Path:
    """Return a folder with a PNG, a JPEG, a TIFF of floats, a FITS file, a copy of the PNG, and two broken files."""
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    grey = Image.fromarray((noise(1) * 10).clip(0, 255).astype(np.uint8))
    grey.save(folder / "a.png")
    grey.save(folder / "below" / "copy of a.png")
    grey.save(folder / "b.jpg")
    Image.fromarray(noise(2)).save(folder / "c.tif")
    fits.PrimaryHDU(noise(3), fits.Header({"BUNIT": "nJy", "FILTER": "r"})).writeto(folder / "d.fits")
    (folder / "e.jpg").write_bytes((folder / "b.jpg").read_bytes()[:200])
    (folder / "f.fits").write_text("no image")
    return folder


@pytest.fixture
def make_images(tmp_path: Path, noise: Callable[..., Any]) -> Callable[[int], Path]:
    """Return a function that makes a folder of `n` different small images."""

    def make(count: int) -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(count):
            Image.fromarray(noise(number, (8, 8)).clip(0, 255).astype(np.uint8)).save(folder / f"{number:03d}.png")
        return folder

    return make
