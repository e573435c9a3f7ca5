"""The images of an export: fetched a few ahead by threads, and turned into what every reader opens."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import Image

from sync.errors.failures import attempt
from sync.errors.images import DAMAGE, ImageError
from sync.export.storage_references import as_stored
from sync.files.prefetch import prefetch
from sync.geometry.shapes import Size
from sync.images.decode import decode
from sync.images.png import to_png

if TYPE_CHECKING:
    from sync.export.records import Record

__all__ = ["FITS_SUFFIXES", "Picture", "Pictures", "as_picture", "basename", "exported_stem", "is_fits", "name_of"]

Item = TypeVar("Item")

AHEAD = 16
"""Images held at once, and connections."""

FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz")
LONGEST_NAME = 100

_SUFFIXES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}
_TURNED = (5, 6, 7, 8)
"""Exif orientations that lie on their side."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file as it stands in a data set.

    Attributes
    ----------
    content : bytes
        A whole PNG or JPEG file.
    suffix : str
        ``".png"`` or ``".jpg"``.
    size : (width, height)
        Pixels, upright.
    """

    content: bytes
    suffix: str
    size: Size


class Pictures:
    """Fetches images in the order in which they are needed, some ahead.

    Parameters
    ----------
    fetch : callable
        From a reference to bytes; raises `ImageError`. Called from several threads.
    max_pixels : int
        Of an image.
    """

    def __init__(self, fetch: Callable[[str], bytes], *, max_pixels: int) -> None:
        self.fetch = fetch
        self._max_pixels = max_pixels

    def ahead(
        self, items: Iterable[Item], reference_of: Callable[[Item], str | None]
    ) -> Iterator[tuple[Item, Picture | ImageError | None]]:
        """Yield items in their order, each with its image, or with why it has none.

        Parameters
        ----------
        items : iterable
        reference_of : callable
            Gives the reference of an item's image; None where the image is not needed, and is not fetched.
        """

        def fetch(request: tuple[Item, str | None]) -> tuple[Item, Picture | ImageError | None]:
            item, reference = request
            return item, None if reference is None else attempt(lambda: self._open(reference))

        references = ((item, reference_of(item)) for item in items)
        return prefetch(references, fetch, ahead=AHEAD, threads=AHEAD)

    def _open(self, reference: str) -> Picture:
        return as_picture(self.fetch(reference), max_pixels=self._max_pixels)


def as_picture(content: bytes, *, max_pixels: int) -> Picture:
    """Keep a PNG or JPEG file byte by byte; write anything else, such as FITS, as PNG of what people saw.

    Raises
    ------
    ImageError
        If it is no image, damaged or too large.
    """
    suffix = next((suffix for magic, suffix in _SUFFIXES.items() if content.startswith(magic)), None)
    if suffix is None:
        pixels = decode(content, max_pixels=max_pixels)
        return Picture(to_png(pixels), ".png", (pixels.shape[1], pixels.shape[0]))
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            width, height = image.size
            if image.getexif().get(274, 1) in _TURNED:
                width, height = height, width
    except DAMAGE as error:
        raise ImageError(f"the image is damaged ({type(error).__name__})") from error
    return Picture(content, suffix, (width, height))


def is_fits(reference: str) -> bool:
    """Whether a reference names a FITS file."""
    return basename(reference).lower().endswith(FITS_SUFFIXES)


def name_of(record: Record, suffix: str) -> str:
    """Return the file name of a record's image in a data set."""
    return exported_stem(record.task, record.image, record.reference) + suffix


def exported_stem(task: int, image: tuple[str, int] | None, reference: str) -> str:
    """Return the name, without a suffix, that the files of an image have in a data set; it is unique in a project.

    Parameters
    ----------
    task : int
    image : (str, int) or None
        Name of the Image tag and number of the page, where tasks have several images.
    reference : str
        Of the image.
    """
    stem = re.sub(r"[^\w.-]", "_", PurePosixPath(basename(reference)).stem, flags=re.ASCII)[:LONGEST_NAME]
    place = ""
    if image is not None:
        to_name, page = image
        tag = re.sub(r"[^\w.-]", "_", to_name, flags=re.ASCII)[:LONGEST_NAME]
        place = f"-{tag}-{page}"
    return f"{task:06d}{place}" + (f"-{stem}" if stem else "")


def basename(reference: str) -> str:
    """Return the file name in a reference; empty where it names none."""
    reference = as_stored(reference)
    if reference[:5].lower() == "data:":
        return ""
    try:
        parts = urlsplit(reference)
    except ValueError:
        return ""
    query = parse_qs(parts.query)
    path = next((query[key][0] for key in ("d", "filepath") if query.get(key)), unquote(parts.path))
    return PurePosixPath(path).name
