"""The formats of files of regions, and detection of the format from a file's content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sync.errors.images import DAMAGE, ImageError
from sync.images.decode import kind_of, unpack
from sync.images.fits.headers import read_headers
from sync.regions import catalogue, coco, label_images, sky_regions, yolo
from sync.regions.files import MAX_BYTES, read_bytes
from sync.regions.marks import MarkedImage, Problem, RegionsError

__all__ = ["FORMATS", "SUFFIXES", "Reading", "format_of", "read"]

START_BYTES = 64 * 2**10
CATALOGUES = frozenset(
    {
        *(".csv", ".tsv", ".ecsv", ".vot", ".votable", ".vo", ".xml", ".parquet"),
        *(".cat", ".sex", ".asc", ".dat", ".ldac", ".tbl", ".mrt", ".ipac"),
    }
)
PACKED = frozenset({".gz", ".bz2", ".xz"})
SUFFIXES = CATALOGUES | PACKED | {".fits", ".fit", ".fts", ".fz", ".png", ".tif", ".tiff", ".reg", ".crtf", ".json"}
"""Suffixes of the files that are taken from folders and buckets; `.txt` would include notes about the data."""

Read = tuple[list[MarkedImage], list[Problem]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Options of the readers.

    Attributes
    ----------
    classes : mapping of int to str
        Class of each value of a label image.
    columns : Columns
        Columns of a catalogue.
    """

    classes: Mapping[int, str] = field(default_factory=dict)
    columns: catalogue.Columns = field(default_factory=lambda: catalogue.Columns({}))


FORMATS: dict[str, Callable[[Path, Reading], Read]] = {
    "labels": lambda file, reading: ([label_images.read(file, classes=reading.classes)], []),
    "ds9": lambda file, _: sky_regions.read(file),
    "coco": lambda file, _: coco.read(file),
    "yolo": lambda file, _: yolo.read(file),
    "catalogue": lambda file, reading: catalogue.read(file, reading.columns),
}


def read(file: Path, reading: Reading, *, format: str = "auto") -> Read:
    """Read a file or a folder of regions.

    Parameters
    ----------
    file : Path
    reading : Reading
    format : str
        A key of `FORMATS`, or ``auto``.

    Returns
    -------
    images : list of MarkedImage
    problems : list of (str, str)
        Name of each item that is left out, and the reason.

    Raises
    ------
    RegionsError
        If the whole file cannot be read.
    """
    try:
        return FORMATS[format_of(file) if format == "auto" else format](file, reading)
    except ModuleNotFoundError as error:
        raise RegionsError(f"the file needs {error.name}, which is not installed: pip install 'galaxyloop[import]'") from error
    except OSError as error:
        raise RegionsError(f"the file cannot be read: {error.strerror or error}") from error
    except RegionsError:
        raise
    except MemoryError as error:
        raise RegionsError("the file needs more memory than is available") from error
    except DAMAGE as error:  # a library failed on this file; the other files are still imported
        raise RegionsError(f"the file cannot be read ({type(error).__name__}: {error})") from error


def format_of(file: Path) -> str:
    """Return the format of a file or folder, a key of `FORMATS`. A file of no other format counts as ``ds9``.

    Raises
    ------
    RegionsError
        If a folder is not a YOLO data set, if the file is a single label file of YOLO, or if it cannot be read.
    """
    if file.is_dir():
        if yolo.is_folder(file):
            return "yolo"
        raise RegionsError("the folder has neither files of regions nor labels of YOLO (data.yaml, labels/**/*.txt)")
    inner = Path(file.stem) if file.suffix.lower() in PACKED else file
    if inner.suffix.lower() in CATALOGUES and not _start(file).startswith(b"SIMPLE"):
        return "catalogue"
    start = _start(file)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"\x1f\x8b", b"SIMPLE")):
        return _of_fits(file)
    if kind_of(start[:12]):
        return "labels"
    if text.startswith((b"{", b"[")):
        return "coco"
    if file.suffix.lower() == ".txt" and _are_numbers(text):
        raise RegionsError("the file looks like a label file of YOLO: name the folder of the data set, where data.yaml is")
    return "ds9"


def _of_fits(file: Path) -> str:
    """Return whether a FITS file is a label image, a catalogue or a table of regions, by its headers."""
    try:
        content = unpack(read_bytes(file, limit=MAX_BYTES))
        if kind_of(content[:12]) != "FITS":
            return "labels"
        headers = read_headers(content)
    except ImageError as error:
        raise RegionsError(str(error)) from error
    images = [header for header in headers if header.get("ZIMAGE", False) or _is_image(header)]
    if images:
        return "labels"
    columns = {str(value).strip().upper() for header in headers for key, value in header.items() if key.startswith("TTYPE")}
    return "ds9" if {"SHAPE", "X", "Y"} <= columns else "catalogue"


def _is_image(header: Mapping[str, object]) -> bool:
    axes = header.get("NAXIS")
    return header.get("XTENSION", "IMAGE").strip() == "IMAGE" and isinstance(axes, int) and axes >= 2  # type: ignore[attr-defined]


def _start(file: Path) -> bytes:
    try:
        if not file.is_file():
            return read_bytes(file)  # raises the error
        with file.open("rb") as stream:
            return stream.read(START_BYTES)
    except OSError as error:
        raise RegionsError(f"the file cannot be read: {error.strerror or error}") from error


def _are_numbers(text: bytes) -> bool:
    words = text.partition(b"\n")[0].split()
    return len(words) >= 5 and all(word.replace(b".", b"", 1).replace(b"-", b"").replace(b"e", b"").isdigit() for word in words)
