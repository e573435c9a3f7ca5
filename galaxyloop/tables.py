"""Exports in other programs: the objects and answers of `galaxyloop export` as one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["read_export"]

FILES = ("objects.ecsv", "objects.vot", "objects.fits")
"""Files of the export formats ecsv, votable and fits-table."""


def read_export(folder: str | Path) -> Table:
    """Read the objects and answers of an export.

    Parameters
    ----------
    folder : str or Path
        Output folder of ``galaxyloop export --format ecsv``, ``votable`` or ``fits-table``.

    Returns
    -------
    Table
        One row per object and one per answer, with units; docs/export.md lists the columns.

    Raises
    ------
    FileNotFoundError
        If the folder does not contain such a file.

    Examples
    --------
    >>> labels = galaxyloop.read_export("galaxies")
    >>> spirals = labels[labels["class"] == "Spiral"]
    """
    from astropy.table import Table

    for name in FILES:
        file = Path(folder) / name
        if file.is_file():
            return Table.read(file)
    raise FileNotFoundError(f"{folder} contains none of {', '.join(FILES)}: export with --format ecsv, votable or fits-table")
