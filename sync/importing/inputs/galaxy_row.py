"""One galaxy of a collection: its image, the columns of its catalogue and its spectrum, all read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from sync.errors.images import ImageError
from sync.importing.inputs.item import Item

__all__ = ["GalaxyRow"]


@dataclass(frozen=True, slots=True)
class GalaxyRow:
    """What a row of a Parquet file, or a file of an image, tells of a galaxy.

    Attributes
    ----------
    name : str
    image : bytes or ImageError
        The encoded image, or the reason why it cannot be read.
    columns : mapping
        The other columns as JSON values, as an import stores them in a task's data.
    spectrum : bytes or None
        Content of the file of the spectrum, if the row contains it.
    """

    name: str
    image: bytes | ImageError
    columns: Mapping[str, Any] = field(default_factory=dict)
    spectrum: bytes | None = None

    def as_item(self) -> Item:
        """Return the galaxy as an item, whose content is in memory."""
        read_spectrum = None if self.spectrum is None else partial(_give, self.spectrum)
        filename = PurePosixPath(self.name).name
        return Item(self.name, partial(_give, self.image), filename, data=self.columns, read_spectrum=read_spectrum)


def _give(content: bytes | ImageError) -> bytes:
    if isinstance(content, ImageError):
        raise content
    return content
