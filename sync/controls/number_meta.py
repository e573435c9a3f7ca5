"""What a predicted number records beside its value, in the `meta` of its region: its error and its origin.

Label Studio keeps `meta` when an annotator submits the region or changes its number. The error belongs to the predicted number
only, so that number is part of `meta`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sync.controls.region import Region

__all__ = ["add_number_meta", "predicted_error"]

SAME = 1e-9
"""Largest relative difference of two numbers that are the same after a journey through JSON and JavaScript."""


def add_number_meta(region: Region, *, error: float | None, text: str, origin: Mapping[str, Any] | None = None) -> Region:
    """Return the region of a predicted number with its error and origin.

    Parameters
    ----------
    region : dict
        Region of a Number or Rating, from `encode` of its tag.
    error : float or None
        Standard deviation, or half of the 68 % interval, in the unit of the number; None if it is unknown.
    text : str
        One sentence for readers.
    origin : mapping, optional
        JSON values with the origin of the number, such as the source of the PSF.
    """
    (number,) = region["value"].values()
    error_fields = {} if error is None else {"error": error}
    return region | {"meta": {"text": [text], "predicted": number, **error_fields, **(origin or {})}}


def predicted_error(region: Mapping[str, Any]) -> float | None:
    """Return the error of the number of a region; None if it has none, or if an annotator changed the number."""
    meta, value = region.get("meta"), region.get("value")
    if not isinstance(meta, Mapping) or not isinstance(value, Mapping):
        return None
    error, predicted_number, number = (
        _number(item) for item in (meta.get("error"), meta.get("predicted"), value.get("number"))
    )
    if error is None or error < 0 or predicted_number is None or number is None:
        return None
    return error if math.isclose(predicted_number, number, rel_tol=SAME, abs_tol=SAME) else None


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]
