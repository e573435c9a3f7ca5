"""The wheel: it contains every module and every data file of the packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("galaxyloop", "backend", "sync", "labeling_configs")
METADATA = ("pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.mark.slow
def test_a_wheel_contains_every_file_of_the_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in METADATA:
        shutil.copy(ROOT / file, source)
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], cwd=source, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("galaxyloop-*.whl")
    expected = {
        str(file.relative_to(source)) for package in PACKAGES for file in (source / package).rglob("*") if file.is_file()
    }
    contents = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert contents == expected
    assert {"backend/lvm/weights/encoder.safetensors", "backend/server/pages/templates/base.html", "sync/py.typed"} <= contents
