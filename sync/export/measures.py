"""Measures of drawn objects: position, size, axis ratio and position angle, in pixels and on the sky.

Every shape is measured as an ellipse: an ellipse as itself, a box by its half sides, a mask or polygon by its second moments.
The Jacobian of the WCS at its centre maps the ellipse to the sky, which is correct for skewed and non-square pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sync.export.drawn_objects import DrawnObject
from sync.export.sky import Sky
from sync.geometry.clipping import ring_area
from sync.geometry.corners import box_corners, ellipse_corners
from sync.geometry.moments import second_moments
from sync.geometry.shapes import Box, Ellipse, Point

__all__ = ["Measures", "measure"]

ROUND = 1e-6
"""An ellipse has no position angle if the relative difference of its axes is at most this."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of one object; NaN where a measure does not apply or is unknown.

    Attributes
    ----------
    x, y : float
        Centre, pixels from the image's top-left corner.
    semi_major_px, semi_minor_px : float
        Semi-axes, pixels.
    angle_px : float
        Angle of the major axis on the displayed image, degrees from x (right) towards y (down) in [0, 180); NaN for an upright
        box.
    area_px : float
        Area of the mask, polygon or ellipse inside the image, square pixels.
    ra, dec : float
        Centre, ICRS, degrees.
    semi_major_arcsec, semi_minor_arcsec : float
        Semi-axes on the sky, arcsec.
    axis_ratio : float
        Minor by major axis: on the sky if the pixel scale is known, else in pixels.
    position_angle : float
        Position angle of the major axis, degrees from north through east in [0, 180). NaN for an upright box, whose sides do
        not depend on the orientation of the galaxy.
    area_arcsec2 : float
        Area on the sky, square arcsec.
    """

    x: float
    y: float
    semi_major_px: float
    semi_minor_px: float
    angle_px: float
    area_px: float
    ra: float
    dec: float
    semi_major_arcsec: float
    semi_minor_arcsec: float
    axis_ratio: float
    position_angle: float
    area_arcsec2: float


def measure(objects: Sequence[DrawnObject], sky: Sky) -> list[Measures]:
    """Measure the objects of one image.

    Parameters
    ----------
    objects : sequence of DrawnObject
    sky : Sky
        Coordinates of the image.

    Returns
    -------
    list of Measures
        In the order of `objects`.

    Raises
    ------
    ControlError
        If an object covers no pixel.
    """
    if not objects:
        return []
    size = objects[0].size
    ellipses = [_ellipse_of(obj) for obj in objects]
    centres = np.array([centre for centre, _, _ in ellipses])
    places = sky.positions(centres, size)
    steps = sky.steps(centres, size)
    if sky.celestial is None and sky.scale_arcsec is not None:
        sizes_only = np.broadcast_to(np.eye(2) * sky.scale_arcsec, steps.shape)
    else:
        sizes_only = steps
    measures = []
    for obj, (centre, matrix, area), place, step, scale in zip(objects, ellipses, places, steps, sizes_only, strict=True):
        # `_axes` measures angles from the second coordinate towards the first: (y, x) gives the angle from x towards y.
        major_px, minor_px, angle_px = _axes(matrix[::-1, ::-1])
        major, minor, _ = _axes(scale @ matrix @ scale.T)
        on_sky = np.isfinite(major)
        ratio = minor / major if on_sky and major > 0 else (minor_px / major_px if major_px > 0 else np.nan)
        measures.append(
            Measures(
                x=float(centre[0]),
                y=float(centre[1]),
                semi_major_px=major_px,
                semi_minor_px=minor_px,
                angle_px=_angle_px(obj, angle_px),
                area_px=area,
                ra=float(place[0]),
                dec=float(place[1]),
                semi_major_arcsec=major,
                semi_minor_arcsec=minor,
                axis_ratio=float(ratio),
                position_angle=np.nan if _is_upright(obj) else _axes(step @ matrix @ step.T)[2],
                area_arcsec2=float(area * abs(scale[0, 0] * scale[1, 1] - scale[0, 1] * scale[1, 0])),
            )
        )
    return measures


def _angle_px(obj: DrawnObject, angle_px: float) -> float:
    """Return the angle of the major axis; for a rotated square the angle of its sides, and NaN for an upright box."""
    if _is_upright(obj):
        return np.nan
    return obj.shape.rotation % 180 if isinstance(obj.shape, Box) and np.isnan(angle_px) else angle_px


def _is_upright(obj: DrawnObject) -> bool:
    return isinstance(obj.shape, Box) and obj.shape.rotation % 90 == 0


def _ellipse_of(obj: DrawnObject) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the centre (x, y), the matrix whose eigenvalues are the squared semi-axes, and the area, pixels."""
    shape = obj.shape
    if isinstance(shape, Point):
        return np.array([shape.x, shape.y]), np.full((2, 2), np.nan), np.nan
    if isinstance(shape, Box):
        return box_corners(shape).points.mean(axis=0), _matrix(shape.width / 2, shape.height / 2, shape.rotation), np.nan
    if isinstance(shape, Ellipse):
        matrix = _matrix(shape.radius_x, shape.radius_y, shape.rotation)
        share = ring_area(obj.ring()) / ring_area(ellipse_corners(shape).points)  # fraction on the image
        return np.array([shape.x, shape.y]), matrix, share * float(np.pi * shape.radius_x * shape.radius_y)
    footprint = obj.footprint()
    assert footprint is not None
    centre, covariance = second_moments(footprint.pixels, x=footprint.x, y=footprint.y)
    # The second moments of a filled ellipse along its axes are a quarter of its squared semi-axes.
    return centre, 4 * covariance, float(footprint.area)


def _matrix(along: float, across: float, rotation: float) -> NDArray[np.float64]:
    turn = np.radians(rotation)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix: NDArray[np.float64] = axes @ np.diag([along**2, across**2]) @ axes.T
    return matrix


def _axes(matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the semi-axes and the angle of the major one, degrees from the second coordinate towards the first."""
    if not np.isfinite(matrix).all():
        return np.nan, np.nan, np.nan
    values, vectors = np.linalg.eigh(matrix)
    minor, major = np.sqrt(np.clip(values, 0, None))
    if major - minor <= ROUND * major:
        return float(major), float(minor), np.nan
    first, second = vectors[:, 1]
    return float(major), float(minor), float(np.degrees(np.arctan2(first, second)) % 180)
