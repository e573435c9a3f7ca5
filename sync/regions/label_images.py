"""Label images: segmentation maps in which 0 is background and each other value is one object.

Formats are FITS, whose first row is the bottom of the displayed image, and PNG or TIFF, whose first row is the top. Files of
`galaxyloop export --format fits` have layers for overlapping objects and a table with their classes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sync.errors.images import DAMAGE, ImageError
from sync.errors.sky import SkyError
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import MAX_PIXELS
from sync.images.decode import kind_of, unpack
from sync.images.fits.headers import check_compression, read_headers
from sync.images.fits.opening import check_tiles
from sync.images.fits.parts import Part, parts_of
from sync.images.raster import check_pixels
from sync.images.sky import sky_in_file
from sync.regions.files import read_bytes
from sync.regions.marks import Canvas, Mark, MarkedImage, PlacedMark, RegionsError
from sync.regions.resampling import marks_on_sky
from sync.sky.celestial import CelestialSky

__all__ = ["NO_LABEL_IMAGE", "labelled_pixels", "read"]

INSTANCES = "INSTANCE"
"""EXTNAME of the layers of instances in files of `galaxyloop export`; the layers `CLASS` are not needed."""
MAX_OBJECTS = 1_000_000
NO_LABEL_IMAGE = "the file has no label image: an image of whole numbers with two axes is needed"
_RASTERS = ("PNG", "TIFF")


def read(file: Path, *, classes: Mapping[int, str] | None = None) -> MarkedImage:
    """Read a label image, plain or gzipped.

    Parameters
    ----------
    file : Path
    classes : mapping of int to str, optional
        Class of each value. Default: the table of a file of `galaxyloop export`.

    Raises
    ------
    RegionsError
        If the file is not a label image, is too large, or is damaged.
    """
    try:
        content = unpack(read_bytes(file))
        kind = kind_of(content)
        if kind == "FITS":
            return _of_fits(file, content, dict(classes or {}))
        if kind in _RASTERS:
            pixels = _raster(content, kind)
            marks = _marks(pixels, dict(classes or {}), {})
            height, width = pixels.shape
            return MarkedImage("", (file.name,), size=(width, height), marks=tuple(marks))
        raise RegionsError("the file is not a label image: use FITS, PNG or TIFF")
    except ImageError as error:
        raise RegionsError(str(error)) from error


def labelled_pixels(pixels: NDArray[np.int64]) -> Iterator[tuple[int, Footprint]]:
    """Yield each value above 0 with its pixels, in ascending order.

    Parameters
    ----------
    pixels : ndarray of int, shape (height, width)
        The first row is the top of the displayed image.

    Raises
    ------
    RegionsError
        If a value is negative, or there are more than `MAX_OBJECTS`.
    """
    if (lowest := int(pixels.min())) < 0:
        raise RegionsError(
            f"the label image has the value {lowest}: 0 must be background, and objects must have values above 0"
        )
    values = None
    if pixels.max() > MAX_OBJECTS:  # `find_objects` needs memory for every integer up to the largest value
        values, places = np.unique(pixels, return_inverse=True)
        pixels = places.reshape(pixels.shape) + (1 if lowest > 0 else 0)  # 0 is background
        values = values[values > 0]
        if len(values) > MAX_OBJECTS:
            raise RegionsError(
                f"the label image has {len(values):,} values, more than the {MAX_OBJECTS:,} objects that are read"
            )
    for number, place in enumerate(ndimage.find_objects(pixels), start=1):
        if place is not None:
            rows, columns = place
            value = number if values is None else int(values[number - 1])
            yield value, Footprint(columns.start, rows.start, pixels[rows, columns] == number)


def _marks(pixels: NDArray[np.int64], classes: Mapping[int, str], rows: Mapping[int, Mapping[str, Any]]) -> list[Mark]:
    marks = []
    for value, footprint in labelled_pixels(pixels):
        row = rows.get(value, {})
        label = classes.get(value, row.get("class", ""))
        marks.append(
            Mark(
                name=f"object {value}",
                draw=partial(_draw, footprint),
                labels=(label,) if label else (),
                score=row.get("probability"),
            )
        )
    return marks


def _draw(footprint: Footprint, canvas: Canvas) -> PlacedMark:
    return PlacedMark(footprint)


def _of_fits(file: Path, content: bytes, classes: Mapping[int, str]) -> MarkedImage:
    headers = read_headers(content)
    layers = _layers(parts_of(headers))
    for part in layers:
        if part.header.get("ZIMAGE", False):
            check_compression(headers[part.number])
            check_tiles(content, [part.number], MAX_PIXELS)
    try:
        with warnings.catch_warnings(), fits.open(io.BytesIO(content), memmap=False) as hdus:
            warnings.simplefilter("ignore")
            rows = _objects(hdus)
            sky = _sky(hdus[layers[0].number].header, content)
            marks: list[Mark] = []
            for part in layers:
                pixels = hdus[part.number].data
                marks += _marks(_whole_numbers(pixels.reshape(pixels.shape[-2:]))[::-1], classes, rows)
    except (RegionsError, ImageError):
        raise
    except Exception as error:  # astropy's C codecs raise a private exception class
        raise RegionsError(f"the FITS file is damaged ({type(error).__name__})") from error
    height, width = layers[0].shape[-2:]
    shapes = [mark.draw(Canvas((width, height))).shape for mark in marks]
    footprints = [shape for shape in shapes if isinstance(shape, Footprint)]
    on_sky = () if sky is None else marks_on_sky(marks, footprints, sky, height=height)
    return MarkedImage("", (file.name,), size=(width, height), marks=tuple(marks), on_sky=on_sky)


def _sky(header: fits.Header, content: bytes) -> CelestialSky | None:
    try:
        return sky_in_file(header, content)
    except SkyError:  # the task is then found by the name of the file
        return None


def _layers(parts: Sequence[Part]) -> list[Part]:
    """Return the images of objects: the layers of a file of `galaxyloop export`, or the first image of integers."""
    images = [part for part in parts if part.is_image and prod(part.shape[:-2]) == 1]
    instance_parts = [part for part in images if part.name == INSTANCES]
    integer_parts = [part for part in images if _bits(part) > 0] or images
    layers = instance_parts or integer_parts[:1]
    if not layers:
        raise RegionsError(NO_LABEL_IMAGE)
    for part in layers:
        height, width = part.shape[-2:]
        if not 0 < height * width <= MAX_PIXELS:
            raise RegionsError(f"the label image has {width}x{height} pixels: 1 to {MAX_PIXELS:,} are read")
        if part.shape[-2:] != layers[0].shape[-2:]:
            raise RegionsError(f"the layers {INSTANCES} have different sizes")
    return layers


def _bits(part: Part) -> int:
    """Return BITPIX of an image, also of a compressed one; negative for floats."""
    return int(part.header.get("ZBITPIX", part.header["BITPIX"]))


def _objects(hdus: fits.HDUList) -> dict[int, dict[str, Any]]:
    """Return the classes and scores of objects in a file of `galaxyloop export`, by instance number."""
    if "OBJECTS" not in hdus:
        return {}
    table = hdus["OBJECTS"].data
    names = {name.lower() for name in table.names}
    if not {"instance", "class"} <= names:
        return {}
    rows = {}
    for row in table:
        probability = float(row["probability"]) if "probability" in names else np.nan
        score = probability if 0 <= probability <= 1 else None
        rows[int(row["instance"])] = {"class": str(row["class"]).strip(), "probability": score}
    return rows


def _raster(content: bytes, kind: str) -> NDArray[np.int64]:
    try:
        with Image.open(io.BytesIO(content), formats=(kind,)) as image:
            check_pixels(image.width, image.height, max_pixels=MAX_PIXELS)
            if len(image.getbands()) != 1:
                raise RegionsError(
                    f"a label image must have one number per pixel, and this file is a colour image ({image.mode})"
                )
            image.load()
            return _whole_numbers(np.asarray(image))
    except (RegionsError, ImageError):
        raise
    except Image.DecompressionBombError as error:
        raise RegionsError(f"the label image has more than the {MAX_PIXELS:,} pixels that are read") from error
    except DAMAGE as error:
        raise RegionsError(f"the {kind} file is damaged or truncated ({type(error).__name__})") from error


def _whole_numbers(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels as integers; NaN (missing pixels) becomes background."""
    if pixels.dtype.kind not in "biuf":
        raise RegionsError(f"a label image must hold whole numbers, not {pixels.dtype.name} values")
    if pixels.dtype.kind == "f":
        pixels = np.where(np.isnan(pixels), 0, pixels)
        if not (np.abs(pixels) < 2**53).all() or (pixels % 1 != 0).any():
            raise RegionsError("a label image must hold whole numbers, and this file holds fractions")
    if pixels.dtype == np.uint64 and (pixels > np.iinfo(np.int64).max).any():
        raise RegionsError("the label image holds numbers above 2^63")
    return pixels.astype(np.int64)
