"""Masks of COCO files: run-length encodings, compressed or not, decoded by pycocotools after they are checked."""

from __future__ import annotations

import numpy as np

from sync.errors.controls import quote
from sync.geometry.shapes import Mask
from sync.regions.marks import RegionsError

__all__ = ["decode_mask", "is_empty_mask"]


def is_empty_mask(counts: object, stated: list[int]) -> bool:
    try:
        return not decode_mask(counts, (stated[0], stated[1])).any()
    except RegionsError:
        return False


def decode_mask(counts: object, stated: tuple[int, int]) -> Mask:
    """Return the mask of a run-length encoding, compressed (a text) or not (a list of whole numbers)."""
    from pycocotools import mask as coco_mask

    height, width = stated
    if isinstance(counts, list):
        for run in counts:
            if type(run) is not int or not 0 <= run <= height * width:
                raise RegionsError(
                    f"the runs of its mask must be whole numbers up to its {height * width} pixels, not {quote(run)}"
                )
        if sum(counts) != height * width:
            raise RegionsError(f"the runs of its mask have {sum(counts)} pixels, and its size is {width}x{height}")
        flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        uncompressed: Mask = flat.reshape(width, height).T
        return uncompressed
    if not isinstance(counts, str):
        raise RegionsError(f"its mask must have counts as a text or a list, not {quote(counts)}")
    if _pixels_of(counts) != height * width:
        raise RegionsError(f"the runs of its mask do not make {width}x{height} pixels")
    try:
        decoded: Mask = coco_mask.decode({"size": [height, width], "counts": counts.encode("ascii")}).astype(np.bool_)
    except (ValueError, TypeError) as error:
        raise RegionsError("its mask cannot be decoded by pycocotools") from error
    return decoded


def _pixels_of(counts: str) -> int:
    """Count the pixels of a compressed run-length encoding; -1 where it is none.

    pycocotools writes where its runs point: they are added up before it unpacks them. A run is in groups of five bits, the
    lowest first, each plus 48 as a character; from the fourth on it is the difference to the one before the last.
    """
    runs: list[int] = []
    run = shift = 0
    for character in counts:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 30:
            return -1
        run |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            run -= 1 << shift
        if len(runs) > 2:
            run += runs[-2]
        if run < 0:
            return -1
        runs.append(run)
        run = shift = 0
    return -1 if shift else sum(runs)
