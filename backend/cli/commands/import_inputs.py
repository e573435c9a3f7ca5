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

__all__ = ["MAX_SIDE_PX", "InputOptions", "open_inputs"]

MAX_SIDE_PX = 4096
"""`sync.importing.inputs.hips.MAX_SIDE_PX`, repeated so that a wrong call does not import it."""
MAX_FOV_ARCSEC = 180 * 3600.0


@dataclass(frozen=True, slots=True)
class InputOptions:
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
            hint = "; patterns of --mosaic must be quoted" if self.paths and self.mosaics else ""
            wrong_call(f"name exactly one input: files and folders, or --catalogue, or --urls{hint}")
        if self.catalogue is not None and bool(self.mosaics) == bool(self.surveys):
            wrong_call("--catalogue needs either --mosaic or --survey, from which the cut-outs are made")
        if self.catalogue is None and (self.mosaics or self.surveys):
            wrong_call("--mosaic and --survey need a --catalogue with the positions to cut out")
        if self.table is not None and not self.paths:
            wrong_call(
                "--table joins a table to files; --catalogue-table selects the table of a --catalogue or --urls with several"
            )
        if self.catalogue_table is not None and self.table is None and self.paths:
            wrong_call("--catalogue-table selects a table of a file with several: name the file with --table")
        if not 1 <= self.pixels <= MAX_SIDE_PX:
            wrong_call(f"--pixels: a cut-out must have 1 to {MAX_SIDE_PX} pixels a side, not {self.pixels}")
        if not 0 < self.fov_arcsec <= MAX_FOV_ARCSEC:  # also true for NaN
            wrong_call(f"--fov-arcsec must be above 0 and at most {MAX_FOV_ARCSEC:,.0f} (180 degrees), not {self.fov_arcsec:g}")


def open_inputs(
    options: InputOptions, settings: Settings, client: LabelStudioClient, stack: ExitStack, *, limit: int | None
) -> tuple[int, Iterator[Item]]:
    """Return the number of items of the selected input, and the items.

    Parameters
    ----------
    options : InputOptions
    settings : Settings
    client : LabelStudioClient
        Supplies the authorization for images on Label Studio's host.
    stack : ExitStack
        Closes mosaics and connections.
    limit : int or None
        Number of images that are taken; the caller takes no more of the items.
    """
    from sync.importing.inputs.catalogue import open_catalogue
    from sync.importing.inputs.catalogue_items import address_items, cutout_items

    if options.paths:
        from backend.cli.image_files import open_images

        files = open_images(options.paths, limit=limit if options.table is None else None, max_bytes=settings.image_max_bytes)
        if options.table is None:
            return len(files), iter(files)
        from sync.importing.inputs.table_join import join_table

        table = open_catalogue(options.table, table=options.catalogue_table, as_text=[options.key])
        rows = join_table(
            list(files), table, key=options.key, file=options.table, ra=options.ra, dec=options.dec, columns=options.columns
        )
        return len(rows), iter(rows)
    if options.urls is not None:
        from backend.images.open import open_fetcher

        table = open_catalogue(options.urls, table=options.catalogue_table)
        fetcher = open_fetcher(settings, client.authorization)
        stack.callback(fetcher.close)
        return len(table), address_items(table, fetcher.fetch, column=options.url_column, columns=options.columns)
    assert options.catalogue is not None
    table = open_catalogue(options.catalogue, table=options.catalogue_table)
    if options.surveys:
        from sync.importing.inputs.hips import HipsSurvey

        survey = HipsSurvey(tuple(options.surveys), fov_arcsec=options.fov_arcsec, side_px=options.pixels)
        return len(table), cutout_items(
            table, survey.cut, identity=survey.identity, ra=options.ra, dec=options.dec, columns=options.columns
        )
    from sync.importing.inputs.mosaics import Mosaics

    mosaics = stack.enter_context(Mosaics(_mosaic_files(options.mosaics)))

    def cut(position: Position) -> bytes:
        return mosaics.cut(position, fov_arcsec=options.fov_arcsec)

    return len(table), cutout_items(table, cut, ra=options.ra, dec=options.dec, columns=options.columns)


def _mosaic_files(words: list[str]) -> list[str]:
    """List the files of folders and patterns, each with the prefix `NAME=` of its argument."""
    from backend.cli.image_files import find_images

    files = []
    for word in words:
        name, equals, path = ("", "", word) if os.path.lexists(word) or "=" not in word else word.partition("=")
        paths = find_images([path])
        if not paths:
            wrong_call(f"there is no mosaic in {path}")
        files += [f"{name}{equals}{file}" for file in paths]
    return files
