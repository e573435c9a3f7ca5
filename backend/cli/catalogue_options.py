"""The options that name what is known of galaxies beside their images: a table and a folder of spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.terminal import wrong_call

__all__ = ["DEFAULT_KEY", "KeyOption", "SpectraOption", "TableOption", "check_catalogue_options"]

DEFAULT_KEY = "filename"
TableOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table joined to the images by --key; heads may predict from its columns."),
]
KeyOption = Annotated[str, typer.Option(help="Column of --table with file names or ids.")]
SpectraOption = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of spectra, as for the command import.")]


def check_catalogue_options(table: Path | None, key: str, spectra: Path | None) -> None:
    """End with a wrong call for a key without a table, a missing table or folder of spectra, before a model is loaded."""
    if table is None and key != DEFAULT_KEY:
        wrong_call(f"--key {key} names a column of a table: name the table with --table")
    if table is not None and not table.is_file():
        wrong_call(f"there is no file {table}")
    if spectra is not None and not spectra.is_dir():
        wrong_call(f"there is no folder of spectra {spectra}")
