"""The package `galaxyloop` exports names of `backend` and `sync`; importing it loads neither."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

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
