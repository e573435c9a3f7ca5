"""Real galaxies: stamps of HST/ACS with a PSF each, compared with the fits that the data set holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import sep
from astropy.io import fits
from astropy.table import Table

from backend.heads.structure.measure import measure_structure
from backend.heads.structure.measurement import PROFILE, Cutout
from backend.heads.structure.psf import read_psfs

__all__ = ["hst_table"]

ZERO_POINT, PIXEL_ARCSEC = 25.94, 0.03
QUANTITIES = {"re_px": "fit_re_px", "sersic_n": "fit_n", "axis_ratio": "fit_q", "mag": "fit_mag"}


def hst_table(folder: Path) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Return a row for each quantity, and all values, of the galaxies whose published fit is marked as good."""
    labels = [row for row in Table.read(folder / "labels.csv", format="ascii.csv") if row["fit_fit_ok"] == 1]
    measurements = measure_structure([_cutout(folder, row) for row in labels], quantities=PROFILE)
    records: list[dict[str, Any]] = [
        {"ident": int(row["ident"]), "reason": measurement.reasons.get("re_px", "")}
        | {
            name: (float(row[column]), measurement.values[name].value, measurement.values[name].error)
            for name, column in QUANTITIES.items()
            if name in measurement.values
        }
        for row, measurement in zip(labels, measurements, strict=True)
    ]
    rows = []
    for name in QUANTITIES:
        pairs = np.array([record[name][:2] for record in records if name in record])
        is_relative = name in ("re_px", "sersic_n")
        difference = pairs[:, 1] / pairs[:, 0] - 1 if is_relative else pairs[:, 1] - pairs[:, 0]
        number_format = "{:+.1%}" if is_relative else "{:+.3f}"
        texts = (number_format.format(np.median(difference)), number_format.format(np.median(np.abs(difference))).lstrip("+"))
        rows.append([name, f"{len(pairs)} of {len(labels)}", *texts])
    return rows, records


def _cutout(folder: Path, row: Any) -> Cutout:
    """Return a stamp whose galaxy is the source in its middle; the other sources are neighbours."""
    image = fits.getdata(folder / row["image"]).astype(np.float32)
    _, segments = sep.extract(
        np.ascontiguousarray(image), 1.5, err=float(row["noise_sigma"]), minarea=9, deblend_cont=0.02, segmentation_map=True
    )
    y, x = image.shape[0] // 2, image.shape[1] // 2
    middle = segments[y - 2 : y + 3, x - 2 : x + 3]
    number = np.bincount(middle[middle > 0]).argmax() if middle.any() else 0
    is_object = (segments == number) & (number > 0)
    (psf,) = read_psfs(folder / row["psf"])
    return Cutout(image, is_object, (segments > 0) & ~is_object, psf, None, PIXEL_ARCSEC, ZERO_POINT)
