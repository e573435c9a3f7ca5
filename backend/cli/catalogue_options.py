"""The options that name what is known of galaxies beside their images: a table and a folder of spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.terminal import wrong_call

__all__ = ["DEFAULT_KEY", "KeyOption", "SpectraOption", "TableOption", "check_table_options"]

DEFAULT_KEY = "filename"
TableOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table joined to the images by --key; heads may predict from its columns."),
]
KeyOption = Annotated[str, typer.Option(help="Column of --table with file names or ids.")]
SpectraOption = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of spectra, as for the command import.")]


def check_table_options(table: Path | None, key: str) -> None:
    """End with a wrong call if there is a key without a table, or the table does not exist, before a model is loaded."""
    if table is None and key != DEFAULT_KEY:
        wrong_call(f"--key {key} names a column of a table: name the table with --table")
    if table is not None and not table.is_file():
        wrong_call(f"there is no file {table}")
