"""Second moments: the ellipse that is as long, as wide and as turned as a mask."""

from __future__ import annotations

import numpy as np
from skimage.measure import regionprops

from sync.geometry.shapes import Ellipse, Mask

__all__ = ["ellipse_of_mask"]


def ellipse_of_mask(mask: Mask) -> Ellipse:
    """Return the ellipse with the second moments of a mask that is not empty; its area is the mask's if that is an ellipse."""
    properties = regionprops(mask.astype(np.uint8))[0]
    row, column = properties.centroid
    # regionprops measures from the row axis, counter-clockwise; Label Studio from the x axis, clockwise.
    rotation = (90 - np.degrees(properties.orientation)) % 180
    return Ellipse(
        column + 0.5,
        row + 0.5,
        max(properties.axis_major_length / 2, 0.5),
        max(properties.axis_minor_length / 2, 0.5),
        float(rotation),
    )
