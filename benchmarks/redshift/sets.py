"""The data of the benchmark: galaxies with spectroscopic redshifts and magnitudes, and images with metallicities.

Galaxies are divided by a hash of their position or name: 70 % to fit, 10 % to choose, 20 % to report.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import COLUMNS, FeatureBlocks
from backend.prediction.task_columns import read_columns

__all__ = ["GalaxySet", "read_metallicity", "read_sdss", "read_zcosmos"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GalaxySet:
    """n galaxies with a label.

    Attributes
    ----------
    names : list of str
    values : ndarray, shape (n,)
    blocks : list of FeatureBlocks
    split : ndarray of str, shape (n,)
        ``train``, ``val`` or ``test``.
    magnitudes : tuple of str
        Names of the magnitudes.
    """

    names: list[str]
    values: Floats
    blocks: list[FeatureBlocks]
    split: NDArray[np.str_]
    magnitudes: tuple[str, ...]

    def rows(self, *splits: str) -> NDArray[np.intp]:
        """Return the indices of the galaxies of some splits."""
        return np.flatnonzero(np.isin(self.split, splits))


def read_zcosmos(folder: Path) -> GalaxySet:
    """Read zCOSMOS-bright: galaxies with a secure redshift above 0.005 (no stars), nine bands with errors."""
    rows = [
        row for row in _read(folder / "photoz" / "zcosmos_bright.csv") if row["secure"] == "1" and float(row["zspec"]) > 0.005
    ]
    columns = ["mag_sel_i", *(f"{kind}_{band}" for band in "ubvgrizJK" for kind in ("mag", "err"))]
    return _galaxies(rows, "zspec", [row["id_zcosmos"] for row in rows], columns)


def read_sdss(folder: Path) -> GalaxySet:
    """Read galaxies of SDSS DR14 with five magnitudes."""
    rows = _read(folder / "photoz" / "sdss_dr14_galaxies.csv")
    names = [f"{row['ra_deg']},{row['dec_deg']}" for row in rows]
    return _galaxies(rows, "zspec", names, [f"mag_{band}" for band in "ugriz"])


def read_metallicity(folder: Path) -> GalaxySet:
    """Read the galaxies with a metallicity; their blocks are empty, and `names` are image files."""
    rows = _read(folder / "metallicity" / "labels.csv")
    return _galaxies(rows, "oh_12plus_log", [row["file"] for row in rows], [])


def _galaxies(rows: list[dict[str, str]], label: str, names: list[str], columns: list[str]) -> GalaxySet:
    data = [{column: float(row[column]) if row[column] else None for column in columns} for row in rows]
    blocks: list[FeatureBlocks] = [{COLUMNS: read_columns(fields)} if columns else {} for fields in data]
    tenth = [int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 for name in names]
    split = np.array(["train" if part < 7 else "val" if part == 7 else "test" for part in tenth])
    magnitudes = tuple(column for column in columns if column.startswith("mag"))
    return GalaxySet(names, np.array([float(row[label]) for row in rows]), blocks, split, magnitudes)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
