"""The inputs of `galaxyloop import`: files, positions of a catalogue with their cut-outs, or a list of URLs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.terminal import wrong_call

if TYPE_CHECKING:
    from backend.settings import Settings
    from sync.importing.inputs.catalogue import Position
    from sync.importing.inputs.item import Item
    from sync.label_studio.client import LabelStudioClient

__all__ = ["Wanted", "items_of"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command that select its input.

    Attributes
    ----------
    paths, surveys : list of str
        Image files, folders and patterns; names of HiPS surveys.
    mosaics : list of str
        Files, folders and patterns, each with the prefix `NAME=` if it names a band.
    catalogue, urls, table : Path or None
        Table of positions; table of URLs; table that is joined to the files by its column `key`.
    key : str
        Column of `table` with file names or ids.
    catalogue_table : str or None
        Name or number of the table to read, if the file of `catalogue`, `urls` or `table` has several.
    ra, dec : str or None
        Columns of right ascension and declination; None: found by their names.
    columns : list of str or None
        Columns that are copied to the tasks; None: all.
    url_column : str
        Column of `urls` with the URLs.
    fov_arcsec : float
        Side of a cut-out, arcsec.
    pixels : int
        Side of a cut-out of a survey, pixels.
    """

    paths: list[str]
    catalogue: Path | None
    mosaics: list[str]
    surveys: list[str]
    urls: Path | None
    table: Path | None
    key: str
    catalogue_table: str | None
    ra: str | None
    dec: str | None
    columns: list[str] | None
    url_column: str
    fov_arcsec: float
    pixels: int

    def check(self) -> None:
        """End the command with a wrong call if the options do not select exactly one input, or contradict each other."""
        if sum([bool(self.paths), self.catalogue is not None, self.urls is not None]) != 1:
            quoted = "; patterns of --mosaic must be quoted" if self.paths and self.mosaics else ""
            wrong_call(f"name one source: files and folders, or --catalogue, or --urls{quoted}")
        if self.catalogue is not None and bool(self.mosaics) == bool(self.surveys):
            wrong_call("say where the cut-outs of the catalogue come from: --mosaic or --survey")
        if self.catalogue is None and (self.mosaics or self.surveys):
            wrong_call("--mosaic and --survey need a --catalogue with the positions to cut out")
        if self.table is not None and not self.paths:
            wrong_call("--table joins a table to files: --catalogue-table says which table of a --catalogue or --urls is read")
        if self.catalogue_table is not None and self.table is None and self.paths:
            wrong_call("--catalogue-table says which table of a file of rows is read: name the file with --table")
        if not self.fov_arcsec > 0:
            wrong_call(f"--fov-arcsec must be positive, not {self.fov_arcsec:g}")


def items_of(wanted: Wanted, settings: Settings, client: LabelStudioClient, opened: ExitStack) -> tuple[int, Iterator[Item]]:
    """Return the number of items of the selected input, and the items.

    Parameters
    ----------
    wanted : Wanted
    settings : Settings
    client : LabelStudioClient
        Supplies the authorization for images on Label Studio's host.
    opened : ExitStack
        Closes mosaics and connections.
    """
    from sync.importing.inputs.catalogue import open_catalogue
    from sync.importing.inputs.files import file_items
    from sync.importing.inputs.objects import address_items, cutout_items

    if wanted.paths:
        from backend.cli.image_files import find_images

        found = find_images(wanted.paths)
        if not found:
            wrong_call(f"there is no image in {', '.join(wanted.paths)}")
        files = list(file_items(found, max_bytes=settings.image_max_bytes))
        if wanted.table is None:
            return len(files), iter(files)
        from sync.importing.inputs.table_join import join_table

        table = open_catalogue(wanted.table, table=wanted.catalogue_table, as_text=[wanted.key])
        joined = join_table(
            files, table, key=wanted.key, file=wanted.table, ra=wanted.ra, dec=wanted.dec, columns=wanted.columns
        )
        return len(joined), iter(joined)
    if wanted.urls is not None:
        from sync.images.fetch import Fetcher, FetchLimits

        table = open_catalogue(wanted.urls, table=wanted.catalogue_table)
        fetcher = Fetcher(
            label_studio_url=settings.label_studio_url,
            authorization=client.authorization,
            allowed_hosts=settings.allowed_hosts,
            limits=FetchLimits(max_bytes=settings.image_max_bytes, timeout_s=settings.image_timeout_s),
        )
        opened.callback(fetcher.close)
        return len(table), address_items(table, fetcher.fetch, column=wanted.url_column, columns=wanted.columns)
    assert wanted.catalogue is not None
    table = open_catalogue(wanted.catalogue, table=wanted.catalogue_table)
    if wanted.surveys:
        from sync.importing.inputs.hips import HipsSurvey

        survey = HipsSurvey(tuple(wanted.surveys), fov_arcsec=wanted.fov_arcsec, side_px=wanted.pixels)
        return len(table), cutout_items(
            table, survey.cut, identity=survey.identity, ra=wanted.ra, dec=wanted.dec, columns=wanted.columns
        )
    from sync.importing.inputs.mosaics import Mosaics

    mosaics = opened.enter_context(Mosaics(_mosaic_files(wanted.mosaics)))

    def cut(position: Position) -> bytes:
        return mosaics.cut(position, fov_arcsec=wanted.fov_arcsec)

    return len(table), cutout_items(table, cut, ra=wanted.ra, dec=wanted.dec, columns=wanted.columns)


def _mosaic_files(words: list[str]) -> list[str]:
    """List the files of folders and patterns, each with the prefix `NAME=` of its argument."""
    from backend.cli.image_files import find_images

    files = []
    for word in words:
        name, equals, path = ("", "", word) if os.path.lexists(word) or "=" not in word else word.partition("=")
        found = find_images([path])
        if not found:
            wrong_call(f"there is no mosaic in {path}")
        files += [f"{name}{equals}{file}" for file in found]
    return files
