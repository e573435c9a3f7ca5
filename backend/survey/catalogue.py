"""The catalogue of a survey: a table that is joined to the images by a key, and a folder of spectra.

The columns of Parquet files with images need neither. Every worker reads the same table, which its hash ensures.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.survey.errors import SurveyError
from sync.importing.inputs.item import InputError, Item
from sync.importing.spectra import SpectrumFolder, refuse_named_spectrum

if TYPE_CHECKING:
    from sync.importing.inputs.table_join import KeyedTable

__all__ = ["CatalogueFiles", "SurveyCatalogue"]


@dataclass(frozen=True, slots=True)
class CatalogueFiles:
    """The files that tell what is known of the galaxies of a survey beside their images.

    Attributes
    ----------
    table : Path or None
        Table with a column of file names or ids.
    key : str
        That column.
    spectra : Path or None
        Folder of spectra.
    """

    table: Path | None = None
    key: str = ""
    spectra: Path | None = None

    def describe(self) -> dict[str, Any]:
        """Return the part of the description of a run, as JSON values; empty without files.

        Raises
        ------
        InputError
            If the table cannot be read, or there is no folder of spectra.
        """
        if self.spectra is not None and not self.spectra.is_dir():
            raise InputError(f"there is no folder of spectra {self.spectra}")
        table = {} if self.table is None else {"table": str(self.table.absolute()), "key": self.key}
        contents = {} if self.table is None else {"content_of_the_table": _hash(self.table)}
        return table | contents | ({} if self.spectra is None else {"spectra": str(self.spectra.absolute())})


class SurveyCatalogue:
    """Adds the columns of their rows and their spectra to the images of a survey.

    Parameters
    ----------
    run : mapping
        Description of the run, with the values of `CatalogueFiles.describe`.

    Raises
    ------
    InputError
        If the table cannot be read or has no column of the key, or there is no folder of spectra.
    SurveyError
        If the table of this machine is not that of the machine that described the run.
    """

    def __init__(self, run: Mapping[str, Any]) -> None:
        self._table = _open_table(run) if "table" in run else None
        self._spectra = SpectrumFolder(Path(run["spectra"])) if "spectra" in run else None

    def join(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the images with columns and spectra.

        An image without a row in the table, or with several that differ, is an item whose `read` raises ImageError.
        """
        from sync.importing.inputs.table_join import JOINED  # astropy takes time to import

        source = iter(items)
        while group := list(islice(source, JOINED)):
            joined_items = group
            if self._table is not None:
                matches = self._table.match([item.name for item in group], counts=None)
                joined_items = self._table.join(group, matches)
            for item in joined_items:
                yield refuse_named_spectrum(item) if self._spectra is None else self._spectra.attach(item)


def _open_table(run: Mapping[str, Any]) -> KeyedTable:
    from sync.importing.inputs.catalogue import open_catalogue  # astropy takes time to import
    from sync.importing.inputs.table_join import KeyedTable

    file, key = Path(run["table"]), run["key"]
    if _hash(file) != run["content_of_the_table"]:
        raise SurveyError(f"{socket.gethostname()} has another {file} than the survey was started with: copy that file to it")
    return KeyedTable(open_catalogue(file, as_text=[key]), key=key, file=file)


def _hash(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
