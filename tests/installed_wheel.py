"""Builds the wheel of the working copy, and installs it into a virtual environment of its own, as a user does.

The environment has no copy of the dependencies: it reads those of this environment, which saves 5 GB and minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["PACKAGES", "build_wheel", "install_wheel", "make_environment"]

ROOT = Path(__file__).parents[1]
PACKAGES = ("galaxyloop", "backend", "sync", "labeling_configs")
METADATA = ("pyproject.toml", "PACKAGE.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of the packages, `folder/source`, and return its path."""
    source = folder / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in METADATA:
        shutil.copy(ROOT / file, source)
    subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=source, check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("galaxyloop-*.whl")
    return wheel


def install_wheel(folder: Path) -> Path:
    """Build the wheel and install it into `folder/venv`; return the folder of the environment's programs."""
    wheel = build_wheel(folder)
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=300)
    programs = environment / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True, timeout=300)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    # A line with a path is appended to the search path, and is not read as a site folder: its files would add this checkout.
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def make_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a command outside of the checkout, with further variables."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
