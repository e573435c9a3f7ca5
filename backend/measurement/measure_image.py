"""Measures objects of one image, in batches, with the model and the residual of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.structure.measure import measure_structure
from backend.heads.structure.measurement import PROFILE, QUANTITIES
from backend.measurement.cutouts import CutoutMaker, Window
from backend.measurement.measured_object import MeasuredObject, place_on_image
from backend.measurement.psf_choice import PsfOptions, choose_psf
from backend.measurement.science import ScienceImage
from sync.geometry.footprint import Footprint

__all__ = ["ModelStamp", "measure_objects"]

OBJECTS_AT_ONCE = 32
"""Objects that are fitted together: it limits the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelStamp:
    """A cut-out, the best model of its object, and where it lies.

    Attributes
    ----------
    window : Window
    data, model : ndarray, shape (h, w)
        In the unit of the image; NaN for missing pixels of `data`.
    neighbour_mask : ndarray of bool, shape (h, w)
        Pixels that the fit left out.
    """

    window: Window
    data: NDArray[np.float32]
    model: NDArray[np.float32]
    neighbour_mask: NDArray[np.bool_]


def measure_objects(
    image: ScienceImage, objects: Sequence[Footprint], indices: Sequence[int], *, psf: PsfOptions, with_indices: bool = True
) -> Iterator[tuple[MeasuredObject, ModelStamp | None]]:
    """Measure objects of an image.

    Parameters
    ----------
    image : ScienceImage
    objects : sequence of Footprint
        All known objects, in the file's array; the neighbours of an object are masked.
    indices : sequence of int
        The objects to measure.
    psf : PsfOptions
    with_indices : bool
        Whether to measure the indices of structure too, which take most of the time.

    Yields
    ------
    (MeasuredObject, ModelStamp or None)
        In the order of `indices`; None if no model could be fitted.

    Raises
    ------
    ImageError
        If the given PSF does not fit the image.
    """
    psf_of_image, _ = choose_psf(image, psf)
    quantities = tuple(QUANTITIES) if with_indices else PROFILE
    maker = CutoutMaker(image, objects, psf=psf_of_image)
    for start in range(0, len(indices), OBJECTS_AT_ONCE):
        cut = [maker.cut(index) for index in indices[start : start + OBJECTS_AT_ONCE]]
        measurements = measure_structure([cutout for cutout, _ in cut], quantities=quantities)
        for (cutout, window), structure in zip(cut, measurements, strict=True):
            stamp = None
            if structure.model is not None:
                stamp = ModelStamp(window, cutout.image, structure.model, cutout.neighbour_mask)
            yield place_on_image(structure, image, window), stamp
