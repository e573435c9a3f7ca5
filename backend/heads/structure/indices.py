"""Indices of structure without a model: concentration, asymmetries, smoothness, Gini and M20, by statmorph.

statmorph (Rodriguez-Gomez et al. 2019, MNRAS 483, 4140) follows Conselice (2003) and Lotz et al. (2004).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backend.heads.structure.measurement import INDICES, Measured

__all__ = ["FEWEST_PIXELS", "measure_indices"]

FEWEST_PIXELS = 30
LEAST_SIGNAL_PER_PIXEL = 2.5
"""statmorph's indices are reliable above this mean signal-to-noise ratio per pixel (Lotz et al. 2004)."""
BAD, CATASTROPHIC = 2, 4


def measure_indices(
    image: NDArray[np.floating], object_mask: NDArray[np.bool_], left_out: NDArray[np.bool_]
) -> tuple[Mapping[str, Measured], str]:
    """Measure the indices.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Without sky, in units of its noise.
    object_mask : ndarray of bool, shape (height, width)
    left_out : ndarray of bool, shape (height, width)
        Invalid pixels and neighbours.

    Returns
    -------
    (mapping, str)
        The indices and an empty string, or no indices and one sentence with the reason.
    """
    from statmorph import SourceMorphology

    segment = (object_mask & ~left_out).astype(np.int64)
    if segment.sum() < FEWEST_PIXELS:
        return {}, f"the mask of the galaxy has {segment.sum()} usable pixels, and the indices need {FEWEST_PIXELS}"
    signal = float(image[segment > 0].mean())
    if signal < LEAST_SIGNAL_PER_PIXEL:
        return (
            {},
            f"the mean signal-to-noise ratio of the galaxy's pixels is {signal:.1f}; indices need {LEAST_SIGNAL_PER_PIXEL}",
        )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            morphology = SourceMorphology(
                np.where(left_out, 0, image).astype(np.float64),
                segment,
                1,
                mask=left_out,
                weightmap=np.ones_like(image, np.float64),
            )
    except Exception as error:  # statmorph raises undocumented exceptions where its iterations fail
        return {}, f"statmorph cannot measure the galaxy: {error}"
    if morphology.flag >= BAD:
        return {}, f"statmorph marks its measurement as bad (flag {morphology.flag})"
    values = {name: float(getattr(morphology, name)) for name in INDICES}
    unusable = [name for name, value in values.items() if not np.isfinite(value) or value == -99]
    if unusable:
        return {}, f"statmorph has no value for {', '.join(unusable)}"
    return {name: Measured(value, None) for name, value in values.items()}, ""
