"""The package `galaxyloop` exports names of `backend` and `sync`; importing it loads neither."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from skimage.data import hubble_deep_field

import galaxyloop
from backend.prediction.predictor import Predictor
from galaxyloop import export, prediction
from sync.export import run


def test_the_version_is_that_of_the_installed_package() -> None:
    assert galaxyloop.__version__ == version("galaxyloop")


def test_the_public_names_exist_in_the_code() -> None:
    assert prediction.Predictor is Predictor
    assert export.export is run.export


def test_each_public_name_exists() -> None:
    assert all(hasattr(galaxyloop, name) for name in galaxyloop.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = galaxyloop.nosuch


def test_importing_the_package_imports_no_code() -> None:
    script = "import sys, galaxyloop; print({'backend', 'sync', 'torch'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert process.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/api.md", "PACKAGE.md"])
def test_the_example_of_a_page_runs_as_it_is_written(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[-12:13, -12:13]
    psf = np.exp(-(x**2 + y**2) / 8)
    galaxy = hubble_deep_field()[400:528, 300:428].mean(axis=2)
    for name, values in (("m51", galaxy), ("galaxy", galaxy), ("psf", psf / psf.sum())):
        fits.PrimaryHDU(values.astype(np.float32)).writeto(f"{name}.fits")
    Path("galaxies").mkdir()
    Table({"task": [1], "class": ["Spiral"]}).write("galaxies/objects.ecsv")
    (example,) = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / page).read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, page, "exec"), names)
    assert isinstance(names["image"], galaxyloop.Image)
