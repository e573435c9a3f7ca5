"""Inspection of an image file: its images, their bands, stretch and coordinates, and the parts that are left out.

It uses the functions of an import, so that an inspection and an import give the same result.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import fits

from sync.errors.images import ImageError
from sync.images.cleaning import clean
from sync.images.decode import decode, kind_of, unpack
from sync.images.display import WEB_SUFFIXES, display
from sync.images.fits.choice import ImageChoice, choose, select_parts
from sync.images.fits.headers import read_headers
from sync.images.fits.parts import Part, parts_of
from sync.images.fits.reader import FitsBands, read_bands
from sync.images.fits_extraction import pick_extension, split_images
from sync.images.sky import describe_sky
from sync.images.zero_point import explain_unused_zero_point, find_zero_point

__all__ = ["InspectedImage", "Inspection", "draw", "inspect_image"]

SAMPLE_PX = 1000
"""Side of the subsampled image on which padding is measured, to within a factor of 2, pixels."""


@dataclass(frozen=True)
class InspectedImage:
    """One image from which an import creates a task.

    Attributes
    ----------
    extension : str
        Name of the image for `--extension`; empty if the file is not FITS.
    shape : (height, width)
        Size, pixels.
    bands : tuple of str
        Names of the bands; empty if the file has none.
    planes : int
        Number of bands.
    unit : str
        Unit of the pixels; empty if unknown.
    zero_point : float or None
        AB magnitude of one unit, None if unknown.
    zero_point_from : str
        Header card or unit that gives the zero point.
    stretch : str
        Stretch of the displayed image.
    sky : mapping
        `ra`, `dec` (degrees, ICRS), `pixel_scale_arcsec`, `rotation_deg`, `east`, `frame` and `projection`; empty without
        coordinates.
    problems : tuple of str
        One sentence for each part of the image that is left out.
    """

    extension: str
    shape: tuple[int, int]
    bands: tuple[str, ...]
    planes: int
    unit: str
    zero_point: float | None
    zero_point_from: str
    stretch: str
    sky: Mapping[str, Any]
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the object that `galaxyloop inspect --json` writes."""
        keys = ("ra", "dec", "pixel_scale_arcsec", "rotation_deg", "east", "frame", "projection")
        return {
            "extension": self.extension or None,
            "shape": list(self.shape),
            "planes": self.planes,
            "bands": list(self.bands),
            "unit": self.unit or None,
            "zero_point": self.zero_point,
            "zero_point_from": self.zero_point_from or None,
            "stretch": self.stretch,
            **{key: self.sky.get(key) for key in keys},
        }


@dataclass(frozen=True)
class Inspection:
    """Result of the inspection of a file.

    Attributes
    ----------
    format : str
        Format of the file and its compression.
    images : tuple of InspectedImage
        Images from which an import creates tasks.
    extensions : tuple of mappings
        `number`, `name`, `shape` and `use` of each extension of a FITS file; `use` is its purpose or the reason why it is left
        out.
    problems : tuple of str
        One sentence for each image that cannot be read, or for several images in one file.
    """

    format: str
    images: tuple[InspectedImage, ...] = ()
    extensions: tuple[Mapping[str, Any], ...] = ()
    problems: tuple[str, ...] = field(default=())


def inspect_image(content: bytes, *, extension: str, stretch: str, max_pixels: int) -> Inspection:
    """Read an image file like an import, without drawing it.

    Parameters
    ----------
    content : bytes
        Content of the file, which may be gzipped.
    extension : str
        Selects an image of a FITS file; see `pick_extension`.
    stretch : str
        A key of `STRETCHES`.
    max_pixels : int
        Most pixels of an image.

    Raises
    ------
    ImageError
        If the file has no readable image.
    """
    data = unpack(content)
    packing = ", gzipped" if data is not content else ""
    kind = kind_of(data)
    if kind != "FITS":
        pixels = decode(data, max_pixels=max_pixels)
        height, width = pixels.shape[:2]
        shown_as = "none: displayed unchanged" if kind in WEB_SUFFIXES else "8 and 16 bits unchanged, other numbers by lupton"
        image = InspectedImage("", (height, width), (), 3, "", None, "", shown_as, {}, ())
        return Inspection(kind + packing, (image,))
    headers = read_headers(data)
    parts = parts_of(headers)
    extension_name = pick_extension(data, extension)
    choice = choose(parts_of(read_headers(extension_name)))
    images, problems = [], []
    for word, file in split_images(extension_name):
        name = word or extension.strip() or ", ".join(part.word for part in choice.images[0])
        try:
            images.append(_image(read_bands(file, max_pixels=max_pixels), file, name, stretch))
        except ImageError as error:
            problems.append(f"{word}: {error}" if word else str(error))
    if not images:
        raise ImageError("; ".join(problems))
    if len(choice.images) > 1:
        problems.append(
            f"the file holds {len(choice.images)} images: an import makes a task of each, all other commands need --extension, "
            f"such as --extension {choice.images[0][0].word}"
        )
    return Inspection(_fits_format(headers) + packing, tuple(images), _extensions(parts, extension), tuple(problems))


def _fits_format(headers: list[fits.Header]) -> str:
    packed_headers = [header for header in headers if header.get("ZIMAGE", False)]
    codecs = sorted({str(header.get("ZCMPTYPE", "")).strip() for header in packed_headers} - {""})
    return "FITS" + (f", compressed with {', '.join(codecs)}" if codecs else "")


def _extensions(parts: list[Part], extension: str) -> tuple[Mapping[str, Any], ...]:
    """Return the number, name, shape and use of each part of a file."""
    if extension:
        selected_numbers = {part.number for part in select_parts(parts, extension)}
        return tuple(_extension(part, "shown" if part.number in selected_numbers else "not selected") for part in parts)
    try:
        choice = choose(parts)
    except ImageError:  # the file has only auxiliary images, and `extension` selects one
        choice = ImageChoice((), ())
    use = {part.number: f"image {number + 1}" for number, image in enumerate(choice.images) for part in image}
    use |= {part.number: f"left out: {reason}" for part, reason in choice.left_out}
    return tuple(_extension(part, use.get(part.number, "left out" if part.shape else "no data")) for part in parts)


def _extension(part: Part, use: str) -> Mapping[str, Any]:
    return {"number": part.number, "name": part.word if part.name else "", "shape": list(part.shape), "use": use}


def _image(bands: FitsBands, file: bytes, word: str, stretch: str) -> InspectedImage:
    height, width = bands.planes.shape[1:]
    with fits.open(io.BytesIO(file), memmap=False) as hdus:
        primary = hdus[0].header.copy()
    zero_point, source = find_zero_point(bands, primary)
    unused_zero_point = explain_unused_zero_point(bands, primary)
    shown_as = "none: red, green and blue of 8 bits are displayed unchanged" if bands.is_rgb else stretch
    sky, problems = describe_sky(bands.header, file, bands.planes.shape[1:])
    return InspectedImage(
        word,
        (height, width),
        bands.names,
        len(bands.planes),
        bands.unit,
        zero_point,
        source,
        shown_as,
        sky,
        (*problems, *([unused_zero_point] if unused_zero_point else []), *_pixel_problems(bands)),
    )


def _pixel_problems(bands: FitsBands) -> list[str]:
    """Return a sentence for each kind of pixels that are not displayed, measured on a subsample."""
    height, width = bands.planes.shape[1:]
    step = max(1, max(height, width) // SAMPLE_PX)
    problems = []
    for number, plane in enumerate(bands.planes[:, ::step, ::step]):
        name = f"band {bands.names[number]}: " if len(bands.planes) > 1 and bands.names else ""
        missing_share = 1 - float(np.isfinite(plane).mean())
        if missing_share > 0:
            problems.append(f"{name}{missing_share:.1%} of the pixels are missing (NaN or BLANK) and black")
        if bands.is_rgb:
            continue
        cleaned_plane = clean(plane)
        padding = 1 - float(np.isfinite(cleaned_plane).mean()) - missing_share
        if padding > 0:
            problems.append(f"{name}{padding:.1%} of the pixels are padding or a value for bad ones, and black")
        if cleaned_plane is not plane and padding <= 0:
            problems.append(f"{name}hot pixels or a slope of the sky are removed from the displayed image")
    return problems


def draw(content: bytes, *, extension: str, stretch: str, max_pixels: int) -> bytes:
    """Return the displayed image of a file with one image.

    Raises
    ------
    ImageError
        If the file has no image, or more than one.
    """
    return display(pick_extension(unpack(content), extension), stretch=stretch, max_pixels=max_pixels).image
