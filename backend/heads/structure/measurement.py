"""What is measured on a galaxy: the cut-out that goes in, the values with errors that come out, reasons for missing ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.heads.structure.psf import Psf
from sync.labelling.quantities import QUANTITIES as LISTED
from sync.labelling.quantities import Quantity

__all__ = ["INDICES", "NO_PSF", "PROFILE", "QUANTITIES", "Cutout", "Measured", "StructureMeasurement", "missing"]

QUANTITIES: Mapping[str, Quantity] = {name: quantity for name, quantity in LISTED.items() if quantity.is_measured}
"""Quantities by name, with unit, UCD and description."""
INDICES = tuple(name for name, quantity in QUANTITIES.items() if quantity.is_index)
"""Quantities without a model and without an error."""
PROFILE = tuple(name for name in QUANTITIES if name not in INDICES)
"""Quantities of the Sersic model, with an error."""
NO_PSF = "none"


@dataclass(frozen=True, slots=True)
class Measured:
    """A value and its standard deviation.

    Attributes
    ----------
    value : float
        Never NaN.
    error : float or None
        Half of the interval that holds the true value with a probability of 68 %; None for indices without a model.
    """

    value: float
    error: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """The pixels of one galaxy and its surroundings.

    Attributes
    ----------
    image : ndarray, shape (height, width)
        Linear values in any unit; NaN = no data.
    object_mask, neighbour_mask : ndarray of bool, shape (height, width)
        Pixels of the galaxy, and of other objects, which are left out.
    psf : Psf or None
        Without it, the values are those of the blurred image.
    noise_sigma : float or None
        Standard deviation of the sky in one pixel, in the unit of the image; measured on the image where it is None.
    pixel_scale_arcsec : float or None
    zero_point : float or None
        AB magnitude of one unit of the image.
    gain : float or None
        Electrons per unit of the image, for the photon noise of the galaxy.
    saturation : float or None
        Pixels at or above this value are left out.
    """

    image: NDArray[np.floating]
    object_mask: NDArray[np.bool_]
    neighbour_mask: NDArray[np.bool_]
    psf: Psf | None = None
    noise_sigma: float | None = None
    pixel_scale_arcsec: float | None = None
    zero_point: float | None = None
    gain: float | None = None
    saturation: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StructureMeasurement:
    """The values of one galaxy.

    Attributes
    ----------
    values : mapping of str to Measured
        By name of the quantity. x and y are pixels, and the middle of the first pixel is 0. The position angle is in degrees, 0
        to 180, from the x axis (columns) towards the y axis (rows) of the array; `re_px` is the semi-major axis.
    reasons : mapping of str to str
        For each missing quantity, one sentence with the reason.
    psf_source : str
        One of `backend.heads.structure.psf.SOURCES`, or "none".
    model : ndarray, shape (height, width), or None
        The model with its sky on the cut-out; the residual is the image minus the model.
    signal_to_noise : float or None
        Of the galaxy's light under an optimal weight.
    reduced_chi2 : float or None
        Of the fit, in the pixels of the galaxy.
    method : str
        "fit" for least squares, "network" for the network alone, "none" without values of the model.
    """

    values: Mapping[str, Measured]
    reasons: Mapping[str, str]
    psf_source: str
    model: NDArray[np.float32] | None = None
    signal_to_noise: float | None = None
    reduced_chi2: float | None = None
    method: str = field(default="none")


def missing(reason: str, psf_source: str) -> StructureMeasurement:
    """Return a measurement without values, all for one reason."""
    return StructureMeasurement({}, dict.fromkeys(QUANTITIES, reason), psf_source)
