"""The structure of galaxies, cut-out by cut-out: checks, a fit in batches, errors, indices and reasons for what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from backend.heads.structure.batches import fit_prepared, model_on_cutout
from backend.heads.structure.fitted import Fitted
from backend.heads.structure.indices import measure_indices
from backend.heads.structure.measurement import (
    INDICES,
    NO_PSF,
    PROFILE,
    QUANTITIES,
    Cutout,
    Measured,
    StructureMeasurement,
    missing,
)
from backend.heads.structure.parameters import SKY
from backend.heads.structure.preparation import Prepared, prepare
from backend.heads.structure.shipped import estimate_prepared
from sync.errors.failures import attempt, attempt_together
from sync.errors.images import ImageError

__all__ = ["estimate_structure", "measure_structure"]

BATCH = 64
"""Cut-outs that are prepared at once; bounds the memory."""
Model = Callable[[Sequence[Prepared]], list[Fitted]]
BRIGHTEST_MAG, FAINTEST_MAG = -30.0, 45.0
"""No source beyond the Sun or below the limits of telescopes is measured: such a magnitude has a wrong zero point."""
SHAPE = ("re_px", "re_arcsec", "sersic_n", "axis_ratio", "position_angle_deg")
LARGEST_RADIUS_ERROR = 3.0
"""Error of the radius, relative to it, from which on nothing is known of the shape: cosmic rays and points of light."""
MAGNITUDES_PER_FLUX = 2.5 / math.log(10)


def measure_structure(
    cutouts: Iterable[Cutout], *, quantities: Collection[str] = tuple(QUANTITIES)
) -> list[StructureMeasurement]:
    """Measure galaxies by a fit; a cut-out that cannot be measured has reasons and no values, and does not affect the others.

    Parameters
    ----------
    cutouts : iterable of Cutout
    quantities : collection of str
        Names of the quantities to measure. The model is always fitted; without `INDICES` a galaxy takes a fraction of the time.

    Returns
    -------
    list of StructureMeasurement
        In the order of `cutouts`.
    """
    return list(_measure(cutouts, frozenset(quantities), fit_prepared))


def estimate_structure(cutouts: Iterable[Cutout], *, quantities: Collection[str] = PROFILE) -> list[StructureMeasurement]:
    """Estimate the structure of galaxies by the network alone, in milliseconds; otherwise like `measure_structure`."""
    return list(_measure(cutouts, frozenset(quantities), estimate_prepared))


def _measure(cutouts: Iterable[Cutout], names: frozenset[str], model: Model) -> Iterator[StructureMeasurement]:
    remaining = iter(cutouts)
    while batch := list(islice(remaining, BATCH)):
        yield from _measure_batch(batch, names, model)


def _measure_batch(cutouts: Sequence[Cutout], names: frozenset[str], model: Model) -> list[StructureMeasurement]:
    preparation = [attempt(partial(prepare, cutout)) for cutout in cutouts]
    fits = iter(attempt_together(model, [item for item in preparation if isinstance(item, Prepared)]))
    measurements = []
    for cutout, item in zip(cutouts, preparation, strict=True):
        fit = next(fits) if isinstance(item, Prepared) else item
        if isinstance(item, Prepared) and isinstance(fit, Fitted):
            result = attempt(partial(_measurement, cutout, item, fit, names=names))
        else:
            result = ImageError(str(fit))
        if isinstance(result, ImageError):
            result = missing(str(result), _source(cutout))
        measurements.append(
            replace(
                result,
                values={name: value for name, value in result.values.items() if name in names},
                reasons={name: reason for name, reason in result.reasons.items() if name in names},
            )
        )
    return measurements


def _source(cutout: Cutout) -> str:
    return cutout.psf.source if cutout.psf is not None else NO_PSF


def _measurement(cutout: Cutout, preparation: Prepared, fit: Fitted, *, names: frozenset[str]) -> StructureMeasurement:
    """Combine the fit and the indices of one galaxy."""
    problem = fit.problem
    values: dict[str, Measured] = {}
    reasons = dict.fromkeys(PROFILE, problem)
    if not problem:
        values, reasons = _profile_values(cutout, preparation, fit)
    if not names.isdisjoint(INDICES):
        sky = 0.0 if problem else fit.parameters[SKY]
        indices, reason = measure_indices(preparation.image - sky, preparation.object_mask, preparation.weight == 0)
        values |= indices
        reasons |= dict.fromkeys(INDICES, reason) if reason else {}
    return StructureMeasurement(
        values,
        reasons,
        _source(cutout),
        None if problem else _model(cutout.image.shape, preparation, fit),
        fit.signal_to_noise,
        fit.reduced_chi2,
        "none" if problem else fit.method,
    )


def _profile_values(cutout: Cutout, preparation: Prepared, fit_of_galaxy: Fitted) -> tuple[dict[str, Measured], dict[str, str]]:
    """Return the values of the model in the units of the cut-out, and reasons for those that are missing."""
    fit = fit_of_galaxy.quantities
    offset = preparation.psf.centre_offset_px
    values = {name: fit[name] for name in ("re_px", "sersic_n", "axis_ratio", "position_angle_deg")}
    for axis, name in enumerate(("x", "y")):
        values[name] = _scale(fit[name], 1.0, preparation.origin[axis] + offset[axis])
    values["sky"] = _scale(fit["sky"], preparation.noise, preparation.level)
    reasons = {}
    scale, zero_point, flux = cutout.pixel_scale_arcsec, cutout.zero_point, fit["flux"]
    if scale is not None and math.isfinite(scale) and scale > 0:
        values["re_arcsec"] = _scale(fit["re_px"], scale, 0.0)
    else:
        reasons["re_arcsec"] = "the pixel scale of the image is unknown"
    if zero_point is None or not math.isfinite(zero_point):
        reasons["mag"] = "the image has no zero point"
    else:
        magnitude = zero_point - 2.5 * math.log10(flux.value * preparation.noise)
        if BRIGHTEST_MAG < magnitude < FAINTEST_MAG:
            values["mag"] = Measured(magnitude, MAGNITUDES_PER_FLUX * (flux.error or 0.0) / flux.value)
        else:
            reasons["mag"] = f"the zero point {zero_point:g} gives a magnitude of {magnitude:.0f}: it is not that of the image"
    radius = fit["re_px"]
    if radius.error is None or not radius.error < LARGEST_RADIUS_ERROR * radius.value:
        sentence = "the object is not larger than the PSF: its size and shape cannot be measured"
        reasons |= dict.fromkeys(SHAPE, sentence)
        values = {name: value for name, value in values.items() if name not in SHAPE}
    for name, reason in fit_of_galaxy.unconstrained_quantities.items():
        values.pop(name, None)
        reasons[name] = reason
    return values, reasons


def _scale(quantity: Measured, factor: float, shift: float) -> Measured:
    return Measured(quantity.value * factor + shift, None if quantity.error is None else quantity.error * factor)


def _model(shape: tuple[int, ...], preparation: Prepared, fit: Fitted) -> NDArray[np.float32]:
    """Return the model in the unit of the image."""
    model = model_on_cutout(fit.parameters, preparation, (shape[0], shape[1]))
    return (model * preparation.noise + preparation.level).astype(np.float32)
