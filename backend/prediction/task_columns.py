"""Columns of a task's catalogue as a feature block: its numbers, without positions, identifiers and marks of missing values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backend.heads.feature_blocks import Block
from backend.heads.magnitudes import is_magnitude, is_magnitude_error, words_of

__all__ = ["read_columns"]


NOT_FEATURES = frozenset(
    {
        *(
            "image",
            "content_id",
            "pixel_scale_arcsec",
            "filename",
            "extension",
            "wcs",
            "sky_problem",
            "bands",
            "unit",
            "science",
            "spectrum",
            "spectrum_plot",
            "spectrum_problem",
            "restored",
            "restored_by",
            "restored_psf",
            "restored_share",
            "restored_weights",
        ),
        *("ra", "dec", "raj2000", "dej2000", "decj2000", "ra_deg", "dec_deg", "ra_icrs", "de_icrs", "dec_icrs"),
        *("alpha_j2000", "delta_j2000", "right_ascension", "declination", "glon", "glat", "l", "b_gal", "htmid", "healpix"),
        *("plate", "mjd", "fiber", "fiberid", "fiber_id", "run", "rerun", "camcol", "field", "tile", "tract", "patch", "ccd"),
        *("number", "row", "index", "seq"),
    }
)
"""Keys that describe the file, the position or the observation: a head would learn where galaxies with labels lie."""
MISSING_NUMBERS = (-99.0, -99.9, -99.99, -999.0, -999.9, -9999.0, -99999.0, 9999.0, 99999.0)
"""Numbers that catalogues write for a missing value, whatever the column; a value equal to one of them is missing."""
FAINTEST_MAGNITUDE = 50.0
"""Largest absolute magnitude or error that was measured: catalogues write 99, 99.9 or -99 where nothing was."""


def read_columns(data: Mapping[str, Any]) -> Block:
    """Read the numeric columns of a task's data.

    Parameters
    ----------
    data : mapping
        The task's data, as an import writes them: see docs/import.md.

    Returns
    -------
    Block
        Missing values have a reason: no value, text, not finite, or a number that marks a missing value. Lists and objects are
        left out; so are positions, identifiers and the keys that an import writes about the file.
    """
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    for name, value in data.items():
        if not isinstance(name, str) or isinstance(value, Mapping | list) or _is_not_a_feature(name):
            continue
        reason = _reason_for_missing(name, value)
        if reason:
            missing[name] = reason
        else:
            values[name] = float(value)
    return Block(values, missing)


def _is_not_a_feature(name: str) -> bool:
    words = words_of(name)
    plain = "_".join(words[1:] if words[:1] == ["catalogue"] else words)
    return plain in NOT_FEATURES or any(word == "id" or word.endswith("objid") for word in words) or plain.endswith("objid")


def _reason_for_missing(name: str, value: object) -> str:
    if value is None:
        return "no value"
    if not isinstance(value, int | float):
        return "text"
    try:
        number = float(value)
    except OverflowError:
        return "not finite"
    if not math.isfinite(number):
        return "not finite"
    if number in MISSING_NUMBERS or ((is_magnitude(name) or is_magnitude_error(name)) and abs(number) >= FAINTEST_MAGNITUDE):
        return f"{number:g} marks a missing value"
    return ""
