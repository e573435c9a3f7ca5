"""The image files of an export: threads fetch them in advance, and formats other than PNG and JPEG are converted to PNG."""

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

__all__ = ["FITS_SUFFIXES", "ImageFile", "ImageFiles", "basename", "convert_image", "exported_stem", "is_fits", "name_of"]

Item = TypeVar("Item")

AHEAD = 16
"""Number of images that are fetched in advance, and of threads."""

FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz")
LONGEST_NAME = 100

_SUFFIXES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}
_TURNED = (5, 6, 7, 8)
"""Exif orientations that swap width and height."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file of a data set.

    Attributes
    ----------
    content : bytes
        A whole PNG or JPEG file.
    suffix : str
        ``".png"`` or ``".jpg"``.
    size : (width, height)
        Pixels, after the Exif orientation.
    """

    content: bytes
    suffix: str
    size: Size


class ImageFiles:
    """Prefetches images in the order in which they are needed.

    Parameters
    ----------
    fetch : callable
        Returns the bytes of a reference, or raises `ImageError`. Called from several threads.
    max_pixels : int
        Largest number of pixels of an image that has to be decoded.
    """

    def __init__(self, fetch: Callable[[str], bytes], *, max_pixels: int) -> None:
        self.fetch = fetch
        self._max_pixels = max_pixels

    def prefetch(
        self, items: Iterable[Item], reference_of: Callable[[Item], str | None]
    ) -> Iterator[tuple[Item, ImageFile | ImageError | None]]:
        """Yield items in their order, each with its image.

        Parameters
        ----------
        items : iterable
        reference_of : callable
            Returns the reference of an item's image, or None if the image is not needed.

        Yields
        ------
        (item, ImageFile or ImageError or None)
            The error if the image cannot be read; None if it is not needed.
        """

        def fetch(request: tuple[Item, str | None]) -> tuple[Item, ImageFile | ImageError | None]:
            item, reference = request
            return item, None if reference is None else attempt(lambda: self._open(reference))

        references = ((item, reference_of(item)) for item in items)
        return prefetch(references, fetch, ahead=AHEAD, threads=AHEAD)

    def _open(self, reference: str) -> ImageFile:
        return convert_image(self.fetch(reference), max_pixels=self._max_pixels)


def convert_image(content: bytes, *, max_pixels: int) -> ImageFile:
    """Return an image file: a PNG or JPEG file unchanged, other formats such as FITS converted to PNG as they are displayed.

    Parameters
    ----------
    content : bytes
        Content of the file.
    max_pixels : int
        Largest number of pixels of an image that has to be decoded.

    Raises
    ------
    ImageError
        If the content is not an image, is damaged, or has more than `max_pixels`.
    """
    suffix = next((suffix for magic, suffix in _SUFFIXES.items() if content.startswith(magic)), None)
    if suffix is None:
        pixels = decode(content, max_pixels=max_pixels)
        return ImageFile(to_png(pixels), ".png", (pixels.shape[1], pixels.shape[0]))
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            width, height = image.size
            if image.getexif().get(274, 1) in _TURNED:
                width, height = height, width
    except DAMAGE as error:
        raise ImageError(f"the image is damaged ({type(error).__name__})") from error
    return ImageFile(content, suffix, (width, height))


def is_fits(reference: str) -> bool:
    """Return whether a reference has the suffix of a FITS file."""
    return basename(reference).lower().endswith(FITS_SUFFIXES)


def name_of(record: Record, suffix: str) -> str:
    """Return the file name of a record's image in a data set."""
    return exported_stem(record.task, record.image, record.reference) + suffix


def exported_stem(task: int, image: tuple[str, int] | None, reference: str) -> str:
    """Return the name, without a suffix, of the files of an image in a data set; it is unique in a project.

    Parameters
    ----------
    task : int
        Number of the task.
    image : (str, int) or None
        Name of the Image tag and number of the page; None where each task has one image.
    reference : str
        Reference of the image.
    """
    stem = re.sub(r"[^\w.-]", "_", PurePosixPath(basename(reference)).stem, flags=re.ASCII)[:LONGEST_NAME]
    place = ""
    if image is not None:
        to_name, page = image
        tag = re.sub(r"[^\w.-]", "_", to_name, flags=re.ASCII)[:LONGEST_NAME]
        place = f"-{tag}-{page}"
    return f"{task:06d}{place}" + (f"-{stem}" if stem else "")


def basename(reference: str) -> str:
    """Return the file name in a reference; empty if it contains none, such as a data URL."""
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
