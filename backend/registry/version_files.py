"""A version's files on disk: written with a manifest of their checksums, and compared with it before use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["ARRAYS_NAME", "INDEX", "JSON_NAME", "find_damage", "write_manifest"]

INDEX = "heads.json"
"""Name of the file that maps each head of a version to its folder."""
JSON_NAME = "head.json"
ARRAYS_NAME = "head.safetensors"
MANIFEST = "version.json"


def write_manifest(folder: Path, **about: Any) -> None:
    """Write a version's manifest, with the SHA-256 of each of its files.

    Parameters
    ----------
    folder : Path
        Folder of the version.
    **about
        Further entries of the manifest.
    """
    files = {file.relative_to(folder).as_posix(): _checksum(file) for file in sorted(folder.rglob("*")) if file.is_file()}
    (folder / MANIFEST).write_text(json.dumps(about | {"files": files}, indent=1))


def find_damage(folder: Path) -> str:
    """Compare a version's files with its manifest.

    Returns
    -------
    str
        The damaged file and the damage; empty if there is none. A manifest of an earlier release has no checksums: then each
        file must exist and hold valid JSON or safetensors, according to its suffix.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files = dict(manifest["files"]) if "files" in manifest else dict.fromkeys(_list_expected(folder), "")
    except OSError as error:
        return f"{folder / MANIFEST} cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # the last: lists in lists, a thousand deep
        return f"{folder / MANIFEST} was changed after it was written"
    if INDEX not in files:
        return f"{folder / MANIFEST} was changed after it was written: it does not list {INDEX}"
    for name, checksum in files.items():
        try:
            intact = _checksum(folder / name) == checksum if checksum else _is_readable(folder / name)
        except OSError as error:
            return f"{folder / name} cannot be read: {error.strerror}"
        if not intact:
            return f"{folder / name} was changed after it was written"
    return ""


def _list_expected(folder: Path) -> list[str]:
    """Return the names of the files of a version that an earlier release wrote."""
    index = json.loads((folder / INDEX).read_bytes())
    heads = [entry["folder"] for entry in index.values()]
    return [INDEX, *(f"{head}/{name}" for head in heads for name in (JSON_NAME, ARRAYS_NAME))]


def _is_readable(file: Path) -> bool:
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays  # imports NumPy, which commands that list versions do not need

    content = file.read_bytes()
    try:
        json.loads(content) if file.suffix == ".json" else load_arrays(content)
    except (ValueError, SafetensorError, RecursionError):
        return False
    return True


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
