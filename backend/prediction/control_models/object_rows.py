"""Objects as rows of a survey: a box, a score and, if the control holds one, an ellipse or a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection.detected import Detected
from sync.geometry.shapes import Box, Ellipse, Size

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["object_row", "object_type"]


def object_type(shape: type) -> pa.DataType:
    """Return the Arrow type of a column of objects for the shape that the control holds."""
    import pyarrow as pa  # of the extra `survey`

    box = {"label": pa.string(), "score": pa.float32(), "found_by": pa.string()} | dict.fromkeys(
        ("x", "y", "width", "height"), pa.float32()
    )
    ellipse = {"ellipse": pa.struct(dict.fromkeys(("x", "y", "radius_x", "radius_y", "rotation"), pa.float32()))}
    mask = {"mask_counts": pa.list_(pa.uint32())}
    further_fields = ellipse if shape is Ellipse else {} if shape is Box else mask
    return pa.list_(pa.struct(box | further_fields))


def object_row(detection: Detected, shape: type, size: Size) -> dict[str, Any]:
    """Return the row of one object.

    Parameters
    ----------
    detection : Detected
    shape : type
        The shape that the control holds: `Box`, `Ellipse` or a mask.
    size : (width, height)
        Size of the image, pixels.
    """
    box, ellipse = detection.source.box, detection.source.ellipse
    row: dict[str, Any] = {"label": detection.label, "score": detection.score, "found_by": detection.found_by}
    row |= {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    if shape is Ellipse:
        row["ellipse"] = {name: getattr(ellipse, name) for name in ("x", "y", "radius_x", "radius_y", "rotation")}
    elif shape is not Box:
        row["mask_counts"] = _run_lengths(detection.source.full_mask(size))
    return row


def _run_lengths(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return COCO's uncompressed run lengths: column by column from the top left, the first run outside the mask."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.diff(np.concatenate([[0] if not flat[0] else [0, 0], changes, [flat.size]]))
