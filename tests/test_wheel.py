"""The wheel contains every file of the packages, and works outside of the checkout in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import hubble_deep_field

import galaxyloop
from tests.installed_wheel import PACKAGES, build_wheel, make_environment

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_a_wheel_contains_every_file_of_the_packages(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    source = tmp_path / "source"
    expected = {
        str(file.relative_to(source)) for package in PACKAGES for file in (source / package).rglob("*") if file.is_file()
    }
    contents = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert contents == expected
    assert {"backend/lvm/weights/encoder.safetensors", "backend/server/pages/templates/base.html", "sync/py.typed"} <= contents


@pytest.fixture
def run(installed_wheel: Path, tmp_path: Path) -> Run:
    """Return a function that runs the installed `galaxyloop` in an empty folder with an image of a galaxy."""
    Image.fromarray(hubble_deep_field()[400:528, 300:428]).save(tmp_path / "galaxy.png")
    environment = make_environment(GALAXYLOOP_DATA_DIR=str(tmp_path / "data"))

    def run_command(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(installed_wheel / "galaxyloop"), *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run_command


@pytest.mark.slow
def test_the_installed_package_is_that_of_the_wheel(installed_wheel: Path, tmp_path: Path, run: Run) -> None:
    code = "import galaxyloop, backend, sync; print(galaxyloop.__file__, backend.__file__, sync.__file__, sep='\\n')"
    process = subprocess.run(
        [str(installed_wheel / "python"), "-c", code],
        cwd=tmp_path, env=make_environment(), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert all(Path(file).is_relative_to(installed_wheel.parent) for file in process.stdout.split())
    assert run("--version").stdout == f"galaxyloop {galaxyloop.__version__}\n"


@pytest.mark.slow
def test_the_installed_commands_work(run: Run, tmp_path: Path) -> None:
    result = run("predict", "galaxy.png", "--config", "everything", "--output", "tasks.json")
    assert result.returncode == 0, result.stderr
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert task["predictions"][0]["result"]
    result = run("segment", "galaxy.png", "--point", "64,64", "--output", "mask.png")
    assert result.returncode == 0, result.stderr
    with Image.open(tmp_path / "mask.png") as mask:
        assert np.asarray(mask).any()
    status = run("status", "--json")
    assert status.returncode == 2
    assert "there is no data folder" in status.stderr
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "galaxyloop.db").touch()  # an empty database, which is migrated
    status = run("status", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["projects"] == []
    demo = run("demo", "--label-studio", "no-such-program")  # tests/e2e/test_demo.py runs the demo of this wheel
    assert demo.returncode == 1
    assert "Label Studio is not installed at no-such-program" in demo.stderr
