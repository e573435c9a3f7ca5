"""What `galaxyloop predict` predicts from: images, the columns of Parquet files and of a table, and spectra."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.cli.terminal import wrong_call
from backend.images.local import LocalImageStore
from backend.images.store import StoredImage, image_key
from sync.errors.images import ImageError

if TYPE_CHECKING:
    from sync.importing.inputs.images import InputImages
    from sync.importing.inputs.item import Item
    from sync.importing.inputs.table_join import TableMatches

__all__ = ["PredictionInput", "TableOptions", "read_batches"]

BATCH = 8
"""Images per batch, and prefetched images: sixteen images of 1984 by 1361 pixels are half a gigabyte."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The options of the command that name what is known of the galaxies beside their images.

    Attributes
    ----------
    table : Path or None
        Table that is joined to the images by its column `key`.
    key : str
    spectra : Path or None
        Folder of spectra.
    """

    table: Path | None
    key: str
    spectra: Path | None

    def join(self, images: InputImages, *, limit: int | None) -> tuple[Iterator[Item], int]:
        """Return the first images with their columns and spectra, and their number.

        Rows of Parquet files have columns and spectra of their own; those of the table come before them. End the command with a
        wrong call if table or folder cannot be used.
        """
        from sync.importing.inputs.item import InputError
        from sync.importing.spectra import SpectrumFolder, refuse_named_spectrum

        try:
            items, count = images.galaxies(), len(images)
            if self.table is not None:
                matches = self._match(images, self.table)
                items, count = matches.join(items), len(matches)
            attach = refuse_named_spectrum if self.spectra is None else SpectrumFolder(self.spectra).attach
        except InputError as error:
            wrong_call(str(error))
        return map(attach, islice(items, limit)), count if limit is None else min(limit, count)

    def _match(self, images: InputImages, table: Path) -> TableMatches:
        from sync.importing.inputs.catalogue import open_catalogue
        from sync.importing.inputs.table_join import KeyedTable, match_table

        keyed_table = KeyedTable(open_catalogue(table, as_text=[self.key]), key=self.key, file=table)
        return match_table([item.name for item in images], keyed_table)


@dataclass(frozen=True, slots=True)
class PredictionInput:
    """An image to predict.

    Attributes
    ----------
    name : str
        As in the list of failures.
    columns : mapping
        Columns of the table and of the row of a Parquet file.
    data : mapping
        The columns, and the reference of the spectrum, as a task's data have them.
    """

    name: str
    columns: Mapping[str, Any]
    data: Mapping[str, Any]


def read_batches(
    decoded_items: Iterable[tuple[Item, StoredImage | ImageError]], store: LocalImageStore, left_out: dict[str, str]
) -> Iterator[list[PredictionInput]]:
    """Yield batches of inputs, whose images and spectra the store then holds: the image of input 3 is `3`.

    Parameters
    ----------
    decoded_items : iterable of (Item, StoredImage or ImageError)
    store : LocalImageStore
    left_out : dict
        The reasons of unreadable images without columns and spectra are added to it, by name.
    """
    batch: list[PredictionInput] = []
    files: dict[str, StoredImage | ImageError] = {}
    for item, image in decoded_items:
        spectrum = _read_spectrum(item)
        if isinstance(image, ImageError) and not item.data and not isinstance(spectrum, bytes):
            left_out[item.name] = str(image)
            continue
        data = dict(item.data)
        if isinstance(spectrum, bytes):
            data["spectrum"] = reference = f"spectrum {hashlib.sha256(spectrum).hexdigest()}"
            files[reference] = StoredImage(image_key(spectrum), lambda content=spectrum: content, 0)  # type: ignore[misc]
        elif spectrum is not None:
            data["spectrum_problem"] = str(spectrum)
        files[str(len(batch))] = image
        batch.append(PredictionInput(item.name, item.data, data))
        if len(batch) == BATCH:
            store.hold(files)
            yield batch
            batch, files = [], {}
    if batch:
        store.hold(files)
        yield batch


def _read_spectrum(item: Item) -> bytes | ImageError | None:
    if item.read_spectrum is None:
        return None
    try:
        return item.read_spectrum()
    except ImageError as error:
        return error
