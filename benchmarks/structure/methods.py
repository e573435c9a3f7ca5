"""The methods of the benchmark: each measures one simulated galaxy, with its PSF, mask and neighbours' mask given."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping

import numpy as np

from backend.heads.structure.measure import estimate_structure, measure_structure
from backend.heads.structure.measurement import PROFILE, Cutout, StructureMeasurement
from backend.heads.structure.simulation import Simulated

__all__ = ["METHODS", "QUANTITIES", "ZERO_POINT", "Answer"]

QUANTITIES = ("re_px", "sersic_n", "axis_ratio", "mag")
ZERO_POINT = 25.0
PETROFIT_EVALUATIONS = 400
"""Bounds the time of PetroFit: most fits need fewer, some do not end."""

Answer = Mapping[str, tuple[float, float | None]]
"""Values and errors; a method without errors gives None, and an empty mapping is a failure."""


def cutout_of(galaxy: Simulated) -> Cutout:
    """Return the cut-out that galaxyloop receives; it measures the noise itself."""
    return Cutout(galaxy.image, galaxy.object_mask, galaxy.neighbour_mask, galaxy.psf, None, None, ZERO_POINT)


def by_fit(galaxy: Simulated) -> Answer:
    """Fit with galaxyloop."""
    return _answer(measure_structure([cutout_of(galaxy)], quantities=PROFILE)[0])


def by_network(galaxy: Simulated) -> Answer:
    """Ask galaxyloop's network only."""
    return _answer(estimate_structure([cutout_of(galaxy)])[0])


def _answer(measurement: StructureMeasurement) -> Answer:
    return {name: (value.value, value.error) for name, value in measurement.values.items() if name in QUANTITIES}


def by_petrofit(galaxy: Simulated) -> Answer:
    """Fit with PetroFit: astropy's Sersic2D, sampled four times finer, convolved with the PSF; first guess from moments."""
    from benchmarks.structure.petrofit_model import PsfConvolved, Sersic2D, fit_model

    image, keep = _sky_subtracted(galaxy)
    guess = _moments(image, keep & galaxy.object_mask)
    if guess is None:
        return {}
    x, y, radius, ratio, angle = guess
    bounds = {"amplitude": (0, None), "r_eff": (0.3, 100), "n": (0.2, 8), "ellip": (0, 0.95)}
    bounds |= {"x_0": (x - 5, x + 5), "y_0": (y - 5, y + 5), "theta": (angle - math.pi, angle + math.pi)}
    peak = max(float(image[galaxy.object_mask & keep].max()), 1.0)
    model = Sersic2D(peak / 4, radius, 1.5, x, y, 1 - ratio, angle, bounds=bounds)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            fit, _ = fit_model(
                np.where(keep, image, np.nan),
                PsfConvolved(model, psf=galaxy.psf.pixels, oversample=4),
                maxiter=PETROFIT_EVALUATIONS,
            )
    except Exception:  # PetroFit and astropy raise undocumented exceptions where a fit fails
        return {}
    parameters = (fit.amplitude, fit.r_eff, fit.n, fit.ellip)
    return _sersic_answer(*(float(np.ravel(parameter.value)[0]) for parameter in parameters))


def by_statmorph(galaxy: Simulated) -> Answer:
    """Fit with statmorph's Sersic model, convolved with the PSF."""
    from statmorph import SourceMorphology

    image, keep = _sky_subtracted(galaxy)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = SourceMorphology(
                np.where(keep, image, 0),
                galaxy.object_mask.astype(np.int64),
                1,
                mask=~keep,
                weightmap=np.ones_like(image),
                psf=galaxy.psf.pixels,
            )
    except Exception:  # statmorph raises undocumented exceptions where its iterations fail
        return {}
    if result.flag_sersic >= 2:
        return {}
    return _sersic_answer(result.sersic_amplitude, result.sersic_rhalf, result.sersic_n, result.sersic_ellip)


def by_photutils(galaxy: Simulated) -> Answer:
    """Measure moments and the half-light radius of the mask's pixels with photutils; the PSF is not taken out."""
    from photutils.segmentation import SegmentationImage, SourceCatalog

    image, keep = _sky_subtracted(galaxy)
    segments = SegmentationImage(galaxy.object_mask.astype(np.int32))
    catalogue = SourceCatalog(image, segments, mask=~keep)
    flux = float(catalogue.kron_flux[0])
    radius = float(catalogue.flux_radius(0.5)[0].value) if hasattr(catalogue, "flux_radius") else math.nan
    values = {"re_px": radius, "axis_ratio": 1 - float(catalogue.ellipticity[0].value)}
    if flux > 0:
        values["mag"] = ZERO_POINT - 2.5 * math.log10(flux)
    return {name: (value, None) for name, value in values.items() if math.isfinite(value)}


def _sersic_answer(amplitude: float, radius: float, index: float, ellipticity: float) -> Answer:
    from backend.heads.structure.sersic import intensity_scale, light_scale

    central = amplitude * math.exp(light_scale(index))
    flux = central * radius**2 * (1 - ellipticity) / intensity_scale(index)
    if not (math.isfinite(flux) and flux > 0):
        return {}
    values = (radius, index, 1 - ellipticity, ZERO_POINT - 2.5 * math.log10(flux))
    return {name: (value, None) for name, value in zip(QUANTITIES, values, strict=True)}


def _sky_subtracted(galaxy: Simulated) -> tuple[np.ndarray, np.ndarray]:
    """Return the image without sky, the median beside galaxy and neighbours, and the pixels to use."""
    keep = ~galaxy.neighbour_mask
    sky = float(np.median(galaxy.image[keep & ~galaxy.object_mask]))
    return galaxy.image.astype(float) - sky, keep


def _moments(image: np.ndarray, pixels: np.ndarray) -> tuple[float, float, float, float, float] | None:
    light = np.where(pixels, image, 0).clip(0)
    if light.sum() <= 0:
        return None
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    centre_x, centre_y = (light * x).sum() / light.sum(), (light * y).sum() / light.sum()
    xx = (light * (x - centre_x) ** 2).sum() / light.sum()
    yy = (light * (y - centre_y) ** 2).sum() / light.sum()
    xy = (light * (x - centre_x) * (y - centre_y)).sum() / light.sum()
    large, small = np.linalg.eigvalsh([[xx, xy], [xy, yy]])[::-1]
    ratio = math.sqrt(max(small / large, 0.01))
    return centre_x, centre_y, math.sqrt(large), min(ratio, 0.95), math.atan2(2 * xy, xx - yy) / 2


METHODS: Mapping[str, Callable[[Simulated], Answer]] = {
    "galaxyloop, fit": by_fit,
    "galaxyloop, network": by_network,
    "PetroFit 0.5.0": by_petrofit,
    "statmorph 0.7.2, Sersic": by_statmorph,
    "photutils 3.0.0, moments": by_photutils,
}
