"""The longest axes of an ellipse that Label Studio stores."""

from __future__ import annotations

from dataclasses import replace

from sync.geometry.shapes import Ellipse, Size

__all__ = ["MAX_RADIUS_PERCENT", "are_axes_storable", "shorten_axes"]

MAX_RADIUS_PERCENT = 50.0
ROUNDING = 1e-9
"""Relative tolerance for semi-axes that were decoded from percent."""


def are_axes_storable(ellipse: Ellipse, size: Size) -> bool:
    """Return whether both semi-axes are at most half the image, in its x and y direction."""
    radii = zip((ellipse.radius_x, ellipse.radius_y), size, strict=True)
    return all(radius <= side * MAX_RADIUS_PERCENT / 100 * (1 + ROUNDING) for radius, side in radii)


def shorten_axes(ellipse: Ellipse, size: Size) -> Ellipse:
    """Return an ellipse that Label Studio can store: semi-axes are limited to half the image.

    For predictions: a galaxy that fills the image is then predicted too small instead of being left out.
    """
    longest_x, longest_y = (side * MAX_RADIUS_PERCENT / 100 for side in size)
    if are_axes_storable(ellipse, size):
        return ellipse
    return replace(ellipse, radius_x=min(ellipse.radius_x, longest_x), radius_y=min(ellipse.radius_y, longest_y))
