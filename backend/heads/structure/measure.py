"""The structure of galaxies, cut-out by cut-out: checks, a fit in batches, errors, indices and reasons for what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from backend.heads.structure.batches import Fitted, fit_prepared, model_on_cutout
from backend.heads.structure.indices import measure_indices
from backend.heads.structure.measurement import INDICES, PROFILE, Cutout, Measured, StructureMeasurement, missing
from backend.heads.structure.preparation import Prepared, prepare
from sync.errors.failures import attempt, attempt_together
from sync.errors.images import ImageError

__all__ = ["measure_structure"]

BATCH = 64
"""Cut-outs that are prepared at once; bounds the memory."""
MAGNITUDES_PER_FLUX = 2.5 / math.log(10)


def measure_structure(cutouts: Iterable[Cutout]) -> list[StructureMeasurement]:
    """Measure galaxies; a cut-out that cannot be measured gives reasons instead of values and does not affect the others.

    Returns
    -------
    list of StructureMeasurement
        In the order of `cutouts`.
    """
    remaining = iter(cutouts)
    measurements: list[StructureMeasurement] = []
    while batch := list(islice(remaining, BATCH)):
        measurements += _measure_batch(batch)
    return measurements


def _measure_batch(cutouts: Sequence[Cutout]) -> list[StructureMeasurement]:
    prepared = [attempt(lambda cutout=cutout: prepare(cutout)) for cutout in cutouts]
    usable = [item for item in prepared if isinstance(item, Prepared)]
    fits = iter(attempt_together(fit_prepared, usable))
    measurements = []
    for cutout, item in zip(cutouts, prepared, strict=True):
        if isinstance(item, ImageError):
            measurements.append(missing(str(item), _source(cutout)))
            continue
        fitted = next(fits)
        result = fitted if isinstance(fitted, ImageError) else attempt(lambda c=cutout, p=item, f=fitted: _measurement(c, p, f))
        measurements.append(missing(str(result), _source(cutout)) if isinstance(result, ImageError) else result)
    return measurements


def _source(cutout: Cutout) -> str:
    return cutout.psf.source if cutout.psf is not None else "none"


def _measurement(cutout: Cutout, prepared: Prepared, fitted: Fitted) -> StructureMeasurement:
    """Combine the fit and the indices of one galaxy."""
    problem = fitted.problem
    values, reasons = ({}, dict.fromkeys(PROFILE, problem)) if problem else _profile_values(cutout, prepared, fitted)
    sky = fitted.parameters[7] if not problem else 0.0
    indices, reason = measure_indices(prepared.image - sky, prepared.object_mask, prepared.weight == 0)
    reasons |= dict.fromkeys(INDICES, reason) if reason else {}
    return StructureMeasurement(
        values | indices,
        reasons,
        _source(cutout),
        None if problem else _model(cutout.image.shape, prepared, fitted),
        fitted.signal_to_noise,
        fitted.reduced_chi2,
        "none" if problem else fitted.method,
    )


def _profile_values(cutout: Cutout, prepared: Prepared, fitted: Fitted) -> tuple[dict[str, Measured], dict[str, str]]:
    """Return the values of the model in the units of the cut-out, and reasons for those that are missing."""
    found = dict(fitted.quantities)
    offset = prepared.psf.centre_offset_px
    values = {name: found[name] for name in ("re_px", "sersic_n", "axis_ratio", "position_angle_deg")}
    for axis, name in enumerate(("x", "y")):
        values[name] = _shifted(found[name], prepared.origin[axis] + offset[axis])
    values["sky"] = _scaled(found["sky"], prepared.noise, prepared.level)
    reasons = {}
    scale, zero_point, flux = cutout.pixel_scale_arcsec, cutout.zero_point, found["flux"]
    if scale is not None and math.isfinite(scale) and scale > 0:
        values["re_arcsec"] = _scaled(found["re_px"], scale, 0.0)
    else:
        reasons["re_arcsec"] = "the pixel scale of the image is unknown"
    if zero_point is None or not math.isfinite(zero_point):
        reasons["mag"] = "the image has no zero point"
    else:
        magnitude = zero_point - 2.5 * math.log10(flux.value * prepared.noise)
        values["mag"] = Measured(magnitude, MAGNITUDES_PER_FLUX * (flux.error or 0.0) / flux.value)
    for name, reason in fitted.unconstrained.items():
        values.pop(name, None)
        reasons[name] = reason
    return values, reasons


def _shifted(measured: Measured, shift: float) -> Measured:
    return Measured(measured.value + shift, measured.error)


def _scaled(measured: Measured, factor: float, shift: float) -> Measured:
    return Measured(measured.value * factor + shift, None if measured.error is None else measured.error * factor)


def _model(shape: tuple[int, ...], prepared: Prepared, fitted: Fitted) -> NDArray[np.float32]:
    """Return the model in the unit of the image."""
    model = model_on_cutout(fitted.parameters, prepared, (shape[0], shape[1]))
    return (model * prepared.noise + prepared.level).astype(np.float32)
