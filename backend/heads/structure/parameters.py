"""Parameters of the model: unbounded numbers for the fit and the network, and the quantities that users read.

The fit works on (x, y, ln R, u1, u2, t, flux, sky). R is the radius of the circle with the area of the half-light ellipse, in
pixels. u1 and u2 are -ln(q)/2 times the cosine and sine of twice the position angle, so that all are smooth for a round galaxy.
t is the logit of the place of ln n between ln 0.2 and ln 8.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.structure.sersic import HIGHEST_INDEX, LOWEST_INDEX

__all__ = [
    "FLUX",
    "INDEX",
    "PARAMETERS",
    "RADIUS",
    "SHAPE",
    "SKY",
    "X",
    "Y",
    "index_of",
    "logit_of_index",
    "shape_of",
    "to_quantities",
]

PARAMETERS = ("x", "y", "log_radius", "shape_1", "shape_2", "logit_index", "flux", "sky")
X, Y, RADIUS, INDEX, FLUX, SKY = 0, 1, 2, 5, 6, 7
SHAPE = slice(3, 5)
LOWEST, RANGE = math.log(LOWEST_INDEX), math.log(HIGHEST_INDEX / LOWEST_INDEX)


def index_of(logit: Tensor) -> tuple[Tensor, Tensor]:
    """Return ln n, and its derivative with respect to the logit."""
    share = torch.sigmoid(logit)
    return LOWEST + RANGE * share, RANGE * share * (1 - share)


def logit_of_index(index: float) -> float:
    """Return the parameter of an index between 0.2 and 8, exclusive."""
    share = (math.log(index) - LOWEST) / RANGE
    return math.log(share / (1 - share))


def shape_of(axis_ratio: float, position_angle_deg: float) -> tuple[float, float]:
    """Return u1 and u2 of an axis ratio and a position angle, from the x axis towards y."""
    size, angle = -math.log(axis_ratio) / 2, 2 * math.radians(position_angle_deg)
    return size * math.cos(angle), size * math.sin(angle)


def to_quantities(draws: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return quantities of parameters, shape (n, 8): x, y, re_px, sersic_n, axis_ratio, position_angle_deg, flux, sky."""
    size = np.hypot(draws[:, 3], draws[:, 4])
    return {
        "x": draws[:, X],
        "y": draws[:, Y],
        "re_px": np.exp(draws[:, RADIUS] + size),
        "sersic_n": np.exp(LOWEST + RANGE / (1 + np.exp(-draws[:, INDEX]))),
        "axis_ratio": np.exp(-2 * size),
        "position_angle_deg": np.degrees(np.arctan2(draws[:, 4], draws[:, 3]) / 2) % 180,
        "flux": draws[:, FLUX],
        "sky": draws[:, SKY],
    }
