"""A data set out of a project: one module a format, each with the verb `write`.

`FORMATS[name].write(records, folder, dataset=...)` writes records, which arrive one by one, into an empty folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from sync.export.dataset import Dataset
from sync.export.records import Record

__all__ = [
    "FORMATS",
    "KEEPS_ALL_CONTROLS",
    "KINDS_OF_FORMAT",
    "ON_SKY",
    "WHOLE_IMAGE",
    "WITHOUT_PIXELS",
    "WITH_IMAGES",
    "Writer",
    "missing_packages",
    "writer",
]


class Writer(Protocol):
    """What a module of a format offers."""

    def write(self, records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
        """Write a data set."""


FORMATS = {
    "coco": "sync.export.formats.coco",
    "ds9": "sync.export.formats.ds9",
    "ecsv": "sync.export.formats.ecsv",
    "fits": "sync.export.formats.fits_masks",
    "fits-table": "sync.export.formats.fits_table",
    "json": "sync.export.formats.label_studio_json",
    "moc": "sync.export.formats.moc",
    "parquet": "sync.export.formats.parquet",
    "votable": "sync.export.formats.votable",
    "yolo": "sync.export.formats.yolo",
}
"""Name of a format to its module, which is imported when it is asked for: some need the extra `export`."""

WHOLE_IMAGE = "image"
"""The kind of what was said of a whole image, beside the kinds of `DrawnObject`."""

_EVERYTHING = frozenset({"box", "ellipse", "keypoint", "mask", "polygon", WHOLE_IMAGE})
KINDS_OF_FORMAT = {
    "coco": _EVERYTHING,
    "ds9": _EVERYTHING - {WHOLE_IMAGE},
    "ecsv": _EVERYTHING,
    "fits": _EVERYTHING - {WHOLE_IMAGE},
    "fits-table": _EVERYTHING,
    "json": _EVERYTHING,
    "moc": _EVERYTHING - {WHOLE_IMAGE, "keypoint"},
    "parquet": _EVERYTHING,
    "votable": _EVERYTHING,
    "yolo": _EVERYTHING - {WHOLE_IMAGE, "keypoint"},
}
"""Name of a format to the kinds of things that it has a place for."""

KEEPS_ALL_CONTROLS = frozenset({"json"})
"""Formats that keep the regions of every control of Label Studio, those that are not ours to read included."""

ON_SKY = frozenset({"ds9", "ecsv", "fits", "fits-table", "moc", "votable"})
"""Formats that say where things are on the sky; for the others no WCS is read, which takes 2 ms a task."""

WITH_IMAGES = frozenset({"coco", "parquet", "yolo"})
"""Formats that hold the image files."""

WITHOUT_PIXELS = frozenset({"json"})
"""Formats that keep regions as Label Studio has them, in percent of the picture."""

_PACKAGES = {
    "crowdkit": "crowd-kit",
    "mocpy": "mocpy",
    "pyarrow": "pyarrow",
    "pycocotools": "pycocotools",
    "regions": "regions",
    "yaml": "pyyaml",
}
"""What the extra `export` installs: modules, and what the registry calls them."""


def missing_packages() -> list[str]:
    """Name the packages of the extra `export` that are not installed."""
    return [package for module, package in _PACKAGES.items() if find_spec(module) is None]


def writer(name: str) -> Writer:
    """Return the module of a format.

    Raises
    ------
    KeyError
        If there is no such format.
    ImportError
        If what it needs is not installed.
    """
    return cast(Writer, import_module(FORMATS[name]))
