"""Join the labels of an export to a catalogue, by position on the sky.

    galaxyloop export 7 --format ecsv --output labels
    python examples/join_labels.py labels/objects.ecsv my-catalogue.fits joined.ecsv

Both tables need the columns `ra` and `dec`, degrees (ICRS). Each row of the catalogue within one arcsecond of a label gets the
class and the task of the nearest one; the others get empty values.
"""

from __future__ import annotations

import sys

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

LARGEST_DISTANCE = 1 * u.arcsec


def join(labels: Table, catalogue: Table) -> Table:
    """Return the catalogue with the columns `class` and `task` of the nearest label."""
    labels = labels[np.isfinite(np.ma.masked_invalid(labels["ra"]).filled(np.nan))]
    nearest, distance, _ = _positions(catalogue).match_to_catalog_sky(_positions(labels))
    table = catalogue.copy()
    for name in ("class", "task"):
        table[name] = MaskedColumn(labels[name][nearest], mask=distance > LARGEST_DISTANCE)
    return table


def _positions(table: Table) -> SkyCoord:
    return SkyCoord(np.asarray(table["ra"], float) * u.deg, np.asarray(table["dec"], float) * u.deg)


if __name__ == "__main__":
    labels_file, catalogue_file, output = sys.argv[1:]
    join(Table.read(labels_file), Table.read(catalogue_file)).write(output)
