"""Checks of this machine: a writable data folder with enough free space, and undamaged model files."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from backend.doctor.report import Check, report_failure, report_success

__all__ = ["MODELS", "check_data_folder", "check_models"]

NEEDED_BYTES = 2**30
"""Free space for some versions; the cache stores nothing new if the disk is full."""
PACKAGE = Path(__file__).parents[1]
MODELS = Path(__file__).with_name("models.sha256")
"""List of the shipped model files in the format of `sha256sum`, which `sha256sum --check` reads."""


def check_data_folder(folder: Path) -> Check:
    """Check that a file can be written into the data folder, and that the folder has enough free space."""
    name = "data folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"galaxyloop doctor")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = error.strerror
        return report_failure(
            name, f"{folder} cannot be written ({reason}): let galaxyloop write there, or set GALAXYLOOP_DATA_DIR"
        )
    if free < NEEDED_BYTES:
        return report_failure(
            name, f"{folder} has {free / 2**30:.1f} GiB free: make room for {NEEDED_BYTES / 2**30:.0f} GiB or more"
        )
    return report_success(name, f"{folder} can be written and has {free / 2**30:.0f} GiB free")


def check_models(package: Path = PACKAGE, checksums: Path = MODELS) -> Check:
    """Compare the shipped model files with their SHA-256.

    Parameters
    ----------
    package : Path
        Folder that the paths in the list are relative to.
    checksums : Path
        List of SHA-256 digests and paths.
    """
    name = "model files"
    lines = [line.split(maxsplit=1) for line in checksums.read_text().splitlines()]
    damaged_files = [file for digest, file in lines if _digest(package / file) != digest]
    if damaged_files:
        return report_failure(
            name, f"missing or changed since the release: {', '.join(damaged_files)}; install galaxyloop again"
        )
    return report_success(name, f"{len(lines)} files are unchanged")


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
