"""Masks of COCO files: compressed or uncompressed run-length encodings, validated before pycocotools decodes them."""

from __future__ import annotations

import numpy as np

from sync.errors.controls import quote
from sync.geometry.shapes import Mask
from sync.regions.marks import RegionsError

__all__ = ["decode_mask", "is_empty_mask"]


def is_empty_mask(counts: object, size: list[int]) -> bool:
    """Return whether a run-length encoding of the size [height, width] is valid and contains no pixel."""
    try:
        return not decode_mask(counts, (size[0], size[1])).any()
    except RegionsError:
        return False


def decode_mask(counts: object, size: tuple[int, int]) -> Mask:
    """Decode a run-length encoding.

    Parameters
    ----------
    counts : str or list of int
        Compressed (a text) or uncompressed (a list) runs, down the columns.
    size : (height, width)
        Size of the mask, pixels.

    Returns
    -------
    ndarray of bool, shape (height, width)

    Raises
    ------
    RegionsError
        If `counts` is invalid or does not match the size.
    """
    from pycocotools import mask as coco_mask

    height, width = size
    if isinstance(counts, list):
        for run in counts:
            if type(run) is not int or not 0 <= run <= height * width:
                raise RegionsError(
                    f"the runs of the mask must be whole numbers up to its {height * width} pixels, not {quote(run)}"
                )
        if sum(counts) != height * width:
            raise RegionsError(f"the runs of the mask have {sum(counts)} pixels, and its size is {width}x{height}")
        flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        return flat.reshape(width, height).T
    if not isinstance(counts, str):
        raise RegionsError(f"counts of a mask must be a text or a list, not {quote(counts)}")
    if _pixels_of(counts) != height * width:
        raise RegionsError(f"the runs of the mask do not make {width}x{height} pixels")
    try:
        mask: Mask = coco_mask.decode({"size": [height, width], "counts": counts.encode("ascii")}).astype(np.bool_)
    except (ValueError, TypeError) as error:
        raise RegionsError("pycocotools cannot decode the mask") from error
    return mask


def _pixels_of(counts: str) -> int:
    """Return the number of pixels of a compressed run-length encoding; -1 if it is invalid.

    pycocotools does not check runs against the size of the mask and would write outside its memory, so the runs are added up
    first. A run is encoded in groups of five bits, lowest first, each as the character with the code plus 48. From the fourth
    run on, the encoding holds the difference to the run two places before.
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
