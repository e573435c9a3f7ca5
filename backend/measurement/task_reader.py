"""Measures the galaxy of a Label Studio task: on the science file that an import stored, else on the displayed image.

Measurements are cached by the content of the image and by the masks, so that a prediction that is made again computes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.images.store import StoredImage
from backend.measurement.measured_object import MeasuredObject
from backend.measurement.psf_choice import PsfOptions
from backend.measurement.science import ScienceImage, read_science
from backend.measurement.sources import central_object, extract_objects
from sync.errors.images import ImageError
from sync.files.cache import Cache, key_of
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Size
from sync.images.zero_point import is_zero_point

__all__ = ["TASK_KEYS", "TaskMeasurer"]

VERSION = "2"
"""Part of the cache keys; change it when measurements change."""
SCIENCE, PSF, SEEING, SCALE, ZERO_POINT = "science", "psf", "psf_fwhm_arcsec", "pixel_scale_arcsec", "zero_point"
TASK_KEYS = frozenset({SCIENCE, PSF, SEEING, SCALE, ZERO_POINT})
"""Keys of a task's data that a measurement depends on, besides the image."""
PARTS = ("with indices", "model")
"""What a cached measurement holds."""
STORED = "science/"
"""Start of the references of science files that are stored beside the registry."""


class TaskMeasurer:
    """Measures the galaxy in the middle of the images of tasks.

    Parameters
    ----------
    open_image : callable
        Opens a reference of Label Studio; raises ImageError.
    cache : Cache
    data_dir : Path or None
        Folder below which science files are stored; None if this process has none.
    """

    def __init__(self, open_image: Callable[[str], StoredImage], cache: Cache, *, data_dir: Path | None) -> None:
        self._open_image = open_image
        self._cache = cache
        self._data_dir = data_dir

    def measure(
        self,
        image: StoredImage,
        data: Mapping[str, Any],
        objects: Sequence[Footprint] | None,
        *,
        size: Size | None,
        with_indices: bool = True,
    ) -> MeasuredObject:
        """Measure the galaxy of one image.

        Parameters
        ----------
        image : StoredImage
            The displayed image.
        data : mapping
            The task's data.
        objects : sequence of Footprint or None
            Outlined objects in pixels of the displayed image; the central one is measured and the others are masked. None or
            empty: the objects are found by source extraction on the measured values.
        size : (width, height) or None
            Size of the displayed image that `objects` refer to, pixels.
        with_indices : bool
            Whether to measure the indices of structure too, which take most of the time.

        Returns
        -------
        MeasuredObject
            In the orientation of the displayed image: y and position angles without sky coordinates are counted downwards.

        Raises
        ------
        ImageError
            If the science file or the PSF cannot be read, or no object is found.
        """
        reference = data.get(SCIENCE)
        image_file = self._open_reference(reference, image.max_pixels) if isinstance(reference, str) and reference else image
        own_data = {name: data.get(name) for name in sorted(TASK_KEYS - {SCIENCE})}
        keys = [key_of("structure", VERSION, image_file.key, repr(own_data), *_shapes(objects), part) for part in PARTS]
        for key in keys[:1] if with_indices else keys:
            cached_block = self._cache.get(key)
            if cached_block is not None:
                return MeasuredObject.from_json(cached_block)
        measurement = self._measure(image_file, data, objects or (), size, with_indices=with_indices)
        self._cache.put(keys[0 if with_indices else 1], measurement.to_json())
        return measurement

    def _measure(
        self,
        image_file: StoredImage,
        data: Mapping[str, Any],
        objects: Sequence[Footprint],
        size: Size | None,
        *,
        with_indices: bool,
    ) -> MeasuredObject:
        from backend.measurement.measure_image import measure_objects  # loads torch

        science = read_science(image_file.read(), max_pixels=image_file.max_pixels)
        science = replace(
            science,
            pixel_scale_arcsec=science.pixel_scale_arcsec or _positive(data.get(SCALE)),
            zero_point=_zero_point(data) if science.zero_point is None and science.is_linear else science.zero_point,
        )
        if objects and size != science.size:
            raise ImageError(
                f"the displayed image has {size} pixels and the science file {science.size}: outlines cannot be used on it"
            )
        footprints = [_flip(footprint, science) for footprint in objects] or extract_objects(science)
        central = central_object(footprints, science.size)
        if central is None:
            raise ImageError("no object stands out of the noise of the image")
        ((measurement, _),) = measure_objects(science, footprints, [central], psf=self._psf(data), with_indices=with_indices)
        return _as_displayed(measurement, science)

    def _psf(self, data: Mapping[str, Any]) -> PsfOptions:
        reference = data.get(PSF)
        if not isinstance(reference, str) or not reference:
            return PsfOptions(seeing_arcsec=_positive(data.get(SEEING)))
        from backend.heads.structure.psf import PsfError, read_psfs

        try:
            return PsfOptions(read_psfs(self._open_reference(reference, 0).read()))
        except PsfError as error:
            raise ImageError(f"the PSF {reference} of the task cannot be used: {error}") from error

    def _open_reference(self, reference: str, max_pixels: int) -> StoredImage:
        """Open a file beside the registry, whose name is a hash of its content, or a file of Label Studio."""
        if not reference.startswith(STORED):
            return self._open_image(reference)
        if self._data_dir is None:
            raise ImageError(f"the science file {reference} is stored on another machine")
        folder, path = (self._data_dir / STORED).resolve(), (self._data_dir / reference).resolve()
        if not path.is_relative_to(folder):
            raise ImageError(f"the science file {reference} lies outside of the folder of science files")
        if not path.is_file():
            raise ImageError(f"the science file {reference} does not exist below {self._data_dir}")
        return StoredImage(f"{reference} {path.stat().st_mtime_ns}", path.read_bytes, max_pixels)


def _flip(footprint: Footprint, science: ScienceImage) -> Footprint:
    """Return a footprint of the displayed image in the file's array."""
    if not science.from_bottom:
        return footprint
    rows = footprint.pixels.shape[0]
    return Footprint(footprint.x, science.size[1] - footprint.y - rows, np.ascontiguousarray(footprint.pixels[::-1]))


def _as_displayed(measurement: MeasuredObject, science: ScienceImage) -> MeasuredObject:
    if not science.from_bottom:
        return measurement
    values = dict(measurement.values)
    if "y" in values:
        values["y"] = replace(values["y"], value=science.size[1] - 1 - values["y"].value)
    if science.sky is None and "position_angle_deg" in values:
        values["position_angle_deg"] = replace(values["position_angle_deg"], value=-values["position_angle_deg"].value % 180.0)
    return replace(measurement, values=values)


def _shapes(objects: Sequence[Footprint] | None) -> list[bytes]:
    return [
        f"{footprint.x},{footprint.y},{footprint.pixels.shape}".encode() + np.packbits(footprint.pixels).tobytes()
        for footprint in objects or ()
    ]


def _number(value: object) -> float | None:
    """Return a finite number, which may be written as text after an import of a CSV file; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _zero_point(data: Mapping[str, Any]) -> float | None:
    number = _number(data.get(ZERO_POINT))
    return number if number is not None and is_zero_point(number) else None


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None
