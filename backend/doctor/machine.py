"""What this machine must have: a data folder with room, and the model files as they were shipped."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from backend.doctor.report import Check, failed, passed

__all__ = ["MODELS", "check_data_folder", "check_models"]

NEEDED_BYTES = 2**30
"""Some versions, and a cache that shrinks when it must."""
PACKAGE = Path(__file__).parents[1]
MODELS = Path(__file__).with_name("models.sha256")
"""As sha256sum writes it, in this package's folder: what `sha256sum --check` reads."""


def check_data_folder(folder: Path) -> Check:
    """Write a file into the data folder, and see how much room it has."""
    name = "data folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"galaxyloop doctor")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        reason = error.strerror
        return failed(name, f"{folder} cannot be written ({reason}): let galaxyloop write there, or set GALAXYLOOP_DATA_DIR")
    if free < NEEDED_BYTES:
        return failed(name, f"{folder} has {free / 2**30:.1f} GiB free: make room for {NEEDED_BYTES / 2**30:.0f} GiB or more")
    return passed(name, f"{folder} can be written and has {free / 2**30:.0f} GiB free")


def check_models(package: Path = PACKAGE, listed: Path = MODELS) -> Check:
    """Compare the shipped model files with their SHA-256.

    Parameters
    ----------
    package : Path
        Folder that the names in the list start from.
    listed : Path
        The list.
    """
    name = "model files"
    lines = [line.split(maxsplit=1) for line in listed.read_text().splitlines()]
    wrong = [file for digest, file in lines if _digest(package / file) != digest]
    if wrong:
        return failed(name, f"missing or not as they were shipped: {', '.join(wrong)}; install galaxyloop again")
    return passed(name, f"{len(lines)} files are as they were shipped")


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
