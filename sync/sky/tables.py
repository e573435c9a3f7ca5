"""Check of the lookup tables of distortions (CPDIS, D2IM) that a header refers to.

A table must be a small uncompressed image of the same file.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy.io.fits import HDUList, Header, ImageHDU

from sync.errors.images import DAMAGE
from sync.sky.cards import Value, is_number

__all__ = ["MAX_TABLE_VALUES", "check_tables", "wants_tables"]

MAX_TABLE_VALUES = 2**24
"""Values of one table: one per pixel of a detector of 4096 x 4096 pixels."""
_EXTENSIONS = (("CPDIS", "DP", "WCSDVARR"), ("D2IMDIS", "D2IM", "D2IMARR"))


def wants_tables(header: Header) -> bool:
    """Return whether a header refers to lookup tables in other extensions of its file."""
    return any(f"{name}{axis}" in header for name in ("CPDIS", "D2IMDIS") for axis in "12") or "AXISCORR" in header


def check_tables(cards: Mapping[str, Value], file: HDUList | None) -> str:
    """Return the reason why the lookup tables cannot be applied, or an empty text."""
    if "AXISCORR" in cards:
        return _check_table(file, "D2IMARR", 1, "D2IMARR")
    for name, record, extension in _EXTENSIONS:
        for axis in "12":
            kind = cards.get(f"{name}{axis}")
            if kind is None:
                continue
            if str(kind).strip().lower() != "lookup":
                return f"the distortion {name}{axis} = {kind!r} is left out: astropy reads lookup tables alone"
            version = cards.get(f"{record}{axis}.EXTVER", 1)
            if not is_number(version):
                return f"the distortion {name}{axis} is left out: {record}{axis}.EXTVER must be a number"
            if not is_number(cards.get(f"{record}{axis}.AXIS.{axis}")):
                return f"the distortion {name}{axis} is left out: {record}{axis}.AXIS.{axis} is missing"
            if reason := _check_table(file, extension, int(version), f"{name}{axis}"):
                return reason
    return ""


def _check_table(file: HDUList | None, extension: str, version: int, card: str) -> str:
    what = f"the distortion {card} is left out: its lookup table {extension},{version}"
    if file is None:
        return f"{what} is in another extension of the file"
    try:
        hdu = file[extension, version]
        shape = hdu.shape
    except DAMAGE:
        return f"{what} is not in the file"
    if type(hdu) is not ImageHDU or len(shape) not in (1, 2) or not 0 < int(np.prod(shape, dtype=object)) <= MAX_TABLE_VALUES:
        return f"{what} is not an image of at most {MAX_TABLE_VALUES} values"
    return ""
