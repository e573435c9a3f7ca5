"""Reading and drawing of items in threads that prefetch them for the import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.files.prefetch import prefetch
from sync.images.decode import unpack
from sync.images.display import DisplayedImage, content_id, display
from sync.images.fits_extraction import pick_extension, split_images
from sync.importing.inputs.item import Item
from sync.importing.spectra import SpectrumFile, SpectrumPlot, draw_reason, draw_spectrum_of

__all__ = ["Companion", "CompanionPicture", "Drawer", "DrawnImage", "Outcome", "draw_items"]

THREADS = 2
"""Items read and drawn at the same time: zlib, numpy and downloads release Python's lock."""


@dataclass(frozen=True, slots=True)
class CompanionPicture:
    """A second picture of an image, such as its restored image.

    Attributes
    ----------
    content : bytes
        A PNG file.
    data : mapping
        How it was made, for the data of the task.
    """

    content: bytes
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Companion:
    """A second picture of each image, such as its restored image.

    Attributes
    ----------
    key : str
        Key of the picture's reference in a task's data.
    draw : callable
        Draws the picture from the content of an image file.
    is_page : bool
        Whether the config shows it by `valueList`: the task then has a list of one reference.
    """

    key: str
    draw: Callable[[bytes], CompanionPicture]
    is_page: bool = False


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A drawn image, ready for storage.

    Attributes
    ----------
    item : Item
    content_id : str
    display_image : DisplayedImage
    extension : str
        Name of the image in a FITS file with several images; empty for other files.
    companion : CompanionPicture or None
    spectrum : SpectrumFile or None
        None if the item has none, or it cannot be read.
    plot : SpectrumPlot or None
        Plot of the spectrum, or of the reason why there is none; None if the import has no spectra.
    spectrum_problem : str
        Why the spectrum cannot be read, in one sentence.
    """

    item: Item
    content_id: str
    display_image: DisplayedImage
    extension: str = ""
    companion: CompanionPicture | None = None
    spectrum: SpectrumFile | None = None
    plot: SpectrumPlot | None = None
    spectrum_problem: str = ""

    @property
    def size(self) -> int:
        """Size of the displayed image, of its companion, of the science file and of the spectrum, bytes."""
        spectrum = (len(self.spectrum.content) if self.spectrum else 0) + (len(self.plot.content) if self.plot else 0)
        companion = len(self.companion.content) if self.companion else 0
        return len(self.display_image.image) + len(self.display_image.science or b"") + companion + spectrum


Outcome = DrawnImage | ImageError | None
"""A drawn image, the reason why there is none, or None for an image that the project already has."""


@dataclass(frozen=True, slots=True)
class Drawer:
    """Reads and draws items.

    Attributes
    ----------
    known_content : frozenset of str
        Content ids of the project; such images are not drawn.
    stretch : str
        A key of `STRETCHES`.
    extension : str
        Selects the image of a FITS file; see `pick_extension`.
    max_pixels : int
        Most pixels of an image.
    max_bytes : int
        Largest size of a displayed image, bytes.
    draw_companion : callable, optional
        Draws a second picture from the content of an image file; if it raises ImageError, the image is left out.
    """

    known_content: frozenset[str]
    stretch: str
    extension: str
    max_pixels: int
    max_bytes: int
    draw_companion: Callable[[bytes], CompanionPicture] | None = None

    def draw(self, item: Item) -> list[tuple[str, Outcome]]:
        """Read an item and draw its images; return each with its name for the list of failures."""
        if item.identity:
            return [(item.name, attempt(lambda: self._draw(item, "", None)))]
        images = attempt(lambda: split_images(pick_extension(unpack(item.read()), self.extension)))
        if isinstance(images, ImageError):
            return [(item.name, images)]
        return [
            (
                f"{item.name}[{extension}]" if extension else item.name,
                attempt(partial(self._draw, item, extension, content)),
            )
            for extension, content in images
        ]

    def _draw(self, item: Item, extension: str, content: bytes | None) -> DrawnImage | None:
        """Draw an image; an item with an identity (`content` is None) is read only if the project does not have it."""
        name = content_id(item.identity if content is None else content, stretch=self.stretch)
        if name in self.known_content:
            return None
        content = item.read() if content is None else content
        display_image = display(content, stretch=self.stretch, max_pixels=self.max_pixels)
        size = len(display_image.image)
        if size > self.max_bytes:
            raise ImageError(f"the image has {size} bytes, more than the {self.max_bytes} that can be stored and read back")
        companion = None if self.draw_companion is None else self.draw_companion(content)
        drawn_image = DrawnImage(item, name, display_image, extension, companion)
        if item.read_spectrum is None:
            return drawn_image
        outcome = attempt(partial(draw_spectrum_of, item))
        if isinstance(outcome, ImageError):
            return replace(drawn_image, plot=draw_reason(str(outcome)), spectrum_problem=str(outcome))
        return replace(drawn_image, spectrum=outcome[0], plot=outcome[1])


def draw_items(items: Iterable[Item], drawer: Drawer) -> Iterator[list[tuple[str, Outcome]]]:
    """Read and draw items in threads and yield the images of each item in order."""
    return prefetch(items, drawer.draw, ahead=2 * THREADS, threads=THREADS)
