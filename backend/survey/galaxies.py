"""The galaxies of a batch of a survey: decoded images, with the columns and spectra that tasks would have as data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.images.store import StoredImage, image_key
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.images.fits_extraction import pick_extension
from sync.importing.inputs.item import Item
from sync.importing.spectra import PROBLEM_KEY, SPECTRUM_KEY

__all__ = ["BatchImages", "SurveyGalaxy", "read_galaxy"]


@dataclass(frozen=True, slots=True)
class SurveyGalaxy:
    """A galaxy whose files are read.

    Attributes
    ----------
    name : str
    image : StoredImage or ImageError
        The decoded image, or the reason why it cannot be read.
    data : mapping
        What a task of the galaxy would have as data: columns, and the reference of the spectrum or the reason why it has none.
    spectrum : bytes or None
        Content of the file of the spectrum.
    """

    name: str
    image: StoredImage | ImageError
    data: Mapping[str, Any]
    spectrum: bytes | None

    @property
    def pixels(self) -> int:
        """Number of pixels of the image; 0 if it cannot be read."""
        return 0 if isinstance(self.image, ImageError) else self.image.pixels.shape[0] * self.image.pixels.shape[1]


def read_galaxy(item: Item, *, max_pixels: int, extension: str) -> SurveyGalaxy:
    """Read and decode the image of an item, and read its spectrum.

    Parameters
    ----------
    item : Item
    max_pixels : int
        Largest number of pixels of an image.
    extension : str
        Which image of a FITS file: see `pick_extension`.
    """
    image = attempt(partial(_decode, item, max_pixels, extension))
    data = dict(item.data)
    spectrum = None if item.read_spectrum is None else attempt(item.read_spectrum)
    if isinstance(spectrum, ImageError):
        data[PROBLEM_KEY] = str(spectrum)
        spectrum = None
    if spectrum is not None:
        data[SPECTRUM_KEY] = f"spectrum {hashlib.sha256(spectrum).hexdigest()}"
    return SurveyGalaxy(item.name, image, data, spectrum)


class BatchImages:
    """The images of one batch by number, and its spectra; an `ImageSource`."""

    def __init__(self) -> None:
        self._files: dict[str, StoredImage | ImageError] = {}

    def hold(self, galaxies: Sequence[SurveyGalaxy]) -> None:
        """Hold the files of a batch in place of those of the previous one: the image of galaxy 3 is `3`."""
        self._files = {str(number): galaxy.image for number, galaxy in enumerate(galaxies)}
        for galaxy in galaxies:
            if (content := galaxy.spectrum) is not None:
                self._files[galaxy.data[SPECTRUM_KEY]] = StoredImage(image_key(content), partial(_give, content), 0)

    def open(self, reference: str) -> StoredImage:
        """Open an image or the file of a spectrum.

        Raises
        ------
        ImageError
            If the image cannot be read.
        """
        file = self._files[reference]
        if isinstance(file, ImageError):
            raise file
        return file


def _decode(item: Item, max_pixels: int, extension: str) -> StoredImage:
    content = pick_extension(item.read(), extension)
    image = StoredImage(image_key(content), partial(_give, content), max_pixels)
    _ = image.pixels  # decodes here, in the prefetching thread; the image keeps its pixels
    return image


def _give(content: bytes) -> bytes:
    return content
