"""Export of a project as a data set: each format has one module with a function `write`.

`writer(name).write(records, folder, dataset=...)` writes an iterable of records into an empty folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
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
    """Interface of a format's module."""

    def write(self, records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
        """Write the records of `dataset` into `folder`."""


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
"""Maps the name of a format to its module. `writer` imports the module on demand, since some need the extra `export`."""

WHOLE_IMAGE = "image"
"""The kind of an answer about a whole image; the other kinds are those of `DrawnObject.kind`."""

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
"""Maps the name of a format to the kinds of annotations that it can represent."""

KEEPS_ALL_CONTROLS = frozenset({"json"})
"""Formats that keep the regions of every control of Label Studio, including controls that the export does not read."""

ON_SKY = frozenset({"ds9", "ecsv", "fits", "fits-table", "moc", "votable"})
"""Formats that contain sky coordinates. For the others the export reads no WCS, which saves 2 ms per task."""

WITH_IMAGES = frozenset({"coco", "parquet", "yolo"})
"""Formats that contain the image files."""

WITHOUT_PIXELS = frozenset({"json"})
"""Formats that keep regions as Label Studio stores them, in percent of the image size."""

_PACKAGES = {
    "crowdkit": "crowd-kit",
    "mocpy": "mocpy",
    "pyarrow": "pyarrow",
    "pycocotools": "pycocotools",
    "regions": "regions",
    "yaml": "pyyaml",
}
"""Packages of the extra `export`: name of the module, and name of the distribution."""


def missing_packages() -> list[str]:
    """Return the names of the packages of the extra `export` that are not installed."""
    return [package for module, package in _PACKAGES.items() if find_spec(module) is None]


def writer(name: str) -> Writer:
    """Import and return the module of a format.

    Raises
    ------
    KeyError
        If `name` is not a key of `FORMATS`.
    ImportError
        If a package that the format needs is not installed.
    """
    return cast(Writer, import_module(FORMATS[name]))
