"""Masks in other programs: the mask of an object, from clicks, a box or a mask to refine.

The first call loads the weights, which stay in memory. Several threads may call the function; it computes one mask at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from galaxyloop.images import Image, require_image

if TYPE_CHECKING:
    from backend.heads.segmentation.shipped import Segmenter

__all__ = ["Segmentation", "segment"]

_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The mask of one object.

    Attributes
    ----------
    mask : ndarray of bool, shape (height, width)
        True on the object; everywhere False if the prompts are on empty sky.
    expected_overlap : float
        Intersection over union that the model expects with the true mask, 0 to 1; 0 for an empty mask.
    """

    mask: NDArray[np.bool_]
    expected_overlap: float


def segment(
    image: Image,
    *,
    points: Sequence[tuple[float, float]] = (),
    negative: Sequence[tuple[float, float]] = (),
    box: tuple[float, float, float, float] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Segmentation:
    """Segment one object from clicks, a box or a mask to refine.

    Parameters
    ----------
    image : Image
    points, negative : sequence of (x, y)
        Pixels on the object, and outside it, from the top left corner of the image.
    box : (left, top, right, bottom), optional
        Around the object, pixels.
    mask : ndarray of bool, shape (height, width), optional
        A mask to refine.

    Returns
    -------
    Segmentation

    Raises
    ------
    ImageError
        If the image cannot be segmented.
    ValueError
        If no point, box or mask selects an object, or one of them does not fit the image.

    Examples
    --------
    >>> galaxyloop.segment(image, points=[(120, 96)]).mask.sum()
    1841
    """
    from backend.heads.segmentation.prompt import Prompt
    from backend.heads.segmentation.window_features import CachedWindowEncoder
    from sync.geometry.shapes import Box, Point

    require_image(image)
    for name, pairs in (("points", points), ("negative", negative)):
        if any(np.shape(pair) != (2,) for pair in pairs):
            raise ValueError(f"{name} must be a list of pairs (x, y), not {pairs!r}")
    if box is not None and np.shape(box) != (4,):
        raise ValueError(f"box must be (left, top, right, bottom), not {box!r}")
    if not len(points) and box is None and mask is None:
        raise ValueError("give at least one point, a box or a mask, which select the object")
    height, width = image.pixels.shape[:2]
    boxes = [] if box is None else [Box(box[0], box[1], box[2] - box[0], box[3] - box[1])]
    prompt = Prompt.of(
        (width, height),
        points=[(Point(x, y), True) for x, y in points] + [(Point(x, y), False) for x, y in negative],
        boxes=boxes,
        mask=mask,
    )
    with _lock:
        segmenter = _open_segmenter()
        result = segmenter.base.predict(CachedWindowEncoder(segmenter.windows, None).of_pixels(image.pixels), prompt)
    return Segmentation(np.zeros((height, width), bool), 0.0) if result is None else Segmentation(*result)


@cache
def _open_segmenter() -> Segmenter:
    from backend.heads.segmentation.shipped import open_segmenter
    from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
    from backend.lvm.openvino_encoder import load_fastest_encoder

    encoder = load_fastest_encoder(SHIPPED_CHECKPOINT)
    return open_segmenter(encoder, fingerprint=fingerprint(SHIPPED_CHECKPOINT), sam_checkpoint=None)
