"""Inspection of an image file: its images, their bands, stretch and coordinates, and the parts that are left out.

It uses the functions of an import, so that an inspection and an import give the same result.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import fits

from sync.errors.images import ImageError
from sync.errors.sky import SkyError
from sync.images.cleaning import clean
from sync.images.decode import decode, kind_of, unpacked
from sync.images.fits.choice import Choice, choose, named_parts
from sync.images.fits.headers import read_headers
from sync.images.fits.parts import Part, parts_of
from sync.images.fits.reader import FitsBands, read_bands
from sync.images.fits_extraction import pick_extension, split_pictures
from sync.images.import_picture import WEB_SUFFIXES, display
from sync.images.sky import sky_in_file, sky_of

__all__ = ["InspectedPicture", "Inspection", "draw", "inspect_image"]

ZERO_POINTS = ("MAGZERO", "MAGZPT", "MAGZP", "ZP", "PHOTZPT", "ABMAG0", "ZEROPNT")
"""Header cards with the magnitude of one unit."""
UNIT_ZERO_POINTS = {"nanomaggy": 22.5, "nmgy": 22.5, "maggy": 0.0, "jy": 8.9, "ujy": 23.9, "mjy": 16.4, "njy": 31.4}
"""Units and their AB magnitudes."""
SAMPLE_PX = 1000
"""Side of the subsampled image on which padding is measured, to within a factor of 2, pixels."""


@dataclass(frozen=True)
class InspectedPicture:
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
    pictures : tuple of InspectedPicture
        Images from which an import creates tasks.
    extensions : tuple of mappings
        `number`, `name`, `shape` and `use` of each extension of a FITS file; `use` is its purpose or the reason why it is left
        out.
    problems : tuple of str
        One sentence for each image that cannot be read, or for several images in one file.
    """

    format: str
    pictures: tuple[InspectedPicture, ...] = ()
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
    data = unpacked(content)
    packing = ", gzipped" if data is not content else ""
    kind = kind_of(data)
    if kind != "FITS":
        pixels = decode(data, max_pixels=max_pixels)
        height, width = pixels.shape[:2]
        drawn = "none: shown as it is" if kind in WEB_SUFFIXES else "8 and 16 bits as they are, other numbers by lupton"
        shown = InspectedPicture("", (height, width), (), 3, "", None, "", drawn, {}, ())
        return Inspection(kind + packing, (shown,))
    headers = read_headers(data)
    parts = parts_of(headers)
    chosen = pick_extension(data, extension)
    choice = choose(parts_of(read_headers(chosen)))
    pictures, problems = [], []
    for word, file in split_pictures(chosen):
        name = word or extension.strip() or ", ".join(part.word for part in choice.pictures[0])
        try:
            pictures.append(_picture(read_bands(file, max_pixels=max_pixels), file, name, stretch))
        except ImageError as error:
            problems.append(f"{word}: {error}" if word else str(error))
    if not pictures:
        raise ImageError("; ".join(problems))
    if len(choice.pictures) > 1:
        problems.append(
            f"it holds {len(choice.pictures)} pictures: an import makes a task of each, all other commands need --extension, "
            f"such as --extension {choice.pictures[0][0].word}"
        )
    return Inspection(_fits_format(headers) + packing, tuple(pictures), _extensions(parts, extension), tuple(problems))


def _fits_format(headers: list[fits.Header]) -> str:
    packed = [header for header in headers if header.get("ZIMAGE", False)]
    codecs = sorted({str(header.get("ZCMPTYPE", "")).strip() for header in packed} - {""})
    return "FITS" + (f", compressed with {', '.join(codecs)}" if codecs else "")


def _extensions(parts: list[Part], extension: str) -> tuple[Mapping[str, Any], ...]:
    """Return the number, name, shape and use of each part of a file."""
    if extension:
        asked = {part.number for part in named_parts(parts, extension)}
        return tuple(_extension(part, "shown" if part.number in asked else "not asked for") for part in parts)
    try:
        choice = choose(parts)
    except ImageError:  # the file has only auxiliary images, and `extension` selects one
        choice = Choice((), ())
    use = {part.number: f"picture {number + 1}" for number, picture in enumerate(choice.pictures) for part in picture}
    use |= {part.number: f"left out: {reason}" for part, reason in choice.left_out}
    return tuple(_extension(part, use.get(part.number, "left out" if part.shape else "no data")) for part in parts)


def _extension(part: Part, use: str) -> Mapping[str, Any]:
    return {"number": part.number, "name": part.word if part.name else "", "shape": list(part.shape), "use": use}


def _picture(bands: FitsBands, file: bytes, word: str, stretch: str) -> InspectedPicture:
    height, width = bands.planes.shape[1:]
    with fits.open(io.BytesIO(file), memmap=False) as opened:
        primary = opened[0].header.copy()
    zero_point, source = _zero_point(bands, primary)
    drawn = "none: red, green and blue of 8 bits are shown as they are" if bands.is_picture else stretch
    sky, problems = _sky(bands, file)
    return InspectedPicture(
        word,
        (height, width),
        bands.names,
        len(bands.planes),
        bands.unit,
        zero_point,
        source,
        drawn,
        sky,
        (*problems, *_pixel_problems(bands)),
    )


def _zero_point(bands: FitsBands, primary: fits.Header) -> tuple[float | None, str]:
    """Return the AB magnitude of one unit, and the header card or unit that gives it."""
    for header in (bands.header, primary):
        for name in ZERO_POINTS:
            value = _number(header, name)
            if value is not None:
                return value, name
        flux, pivot = _number(header, "PHOTFLAM"), _number(header, "PHOTPLAM")
        if flux and pivot and flux > 0 and pivot > 0:  # HST: erg/s/cm2/Angstrom per unit/s, and the pivot wavelength
            return -2.5 * math.log10(flux) - 5 * math.log10(pivot) - 2.408, "PHOTFLAM and PHOTPLAM"
    unit = bands.unit.strip().lower().removesuffix("s")
    unit = {"nanomaggie": "nanomaggy", "maggie": "maggy"}.get(unit, unit)
    if unit in UNIT_ZERO_POINTS and not (unit == "mjy" and bands.unit.strip().startswith("M")):
        return UNIT_ZERO_POINTS[unit], f"BUNIT = {bands.unit}"
    return None, ""


def _number(header: fits.Header, name: str) -> float | None:
    try:
        value = header.get(name)
    except (fits.VerifyError, ValueError):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _sky(bands: FitsBands, file: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the coordinates of an image, and a sentence for each omitted part of them."""
    kept = sky_of(bands.header, file)
    problems = [str(kept["sky_problem"])] if "sky_problem" in kept else []
    if "ra" not in kept:
        return {}, problems or ["the header has no celestial coordinates"]
    try:
        sky = sky_in_file(bands.header, file)
    except SkyError as error:
        return {}, [str(error)]
    height, width = bands.planes.shape[1:]
    x, y = (width - 1) / 2, (height - 1) / 2
    (ra, dec), (ra_up, dec_up), (ra_right, dec_right) = np.radians(
        sky.positions(np.array([x, x, x + 1]), np.array([y, y + 1, y]))
    )
    up = np.array([_east(ra_up - ra) * np.cos(dec), dec_up - dec])
    right = np.array([_east(ra_right - ra) * np.cos(dec), dec_right - dec])
    return {
        **{name: kept[name] for name in ("ra", "dec", "pixel_scale_arcsec")},
        # Position angle of the image's upward direction, from north through east.
        "rotation_deg": round(float(np.degrees(np.arctan2(up[0], up[1]))), 4) + 0.0,
        "east": "left of north" if right[0] * up[1] - right[1] * up[0] < 0 else "right of north, mirrored",
        "frame": sky.frame.name.upper() if hasattr(sky.frame, "name") else str(sky.frame),
        "projection": str(sky.wcs.wcs.ctype[sky.wcs.wcs.lng]),
    }, problems


def _east(difference: float) -> float:
    return float((difference + np.pi) % (2 * np.pi) - np.pi)


def _pixel_problems(bands: FitsBands) -> list[str]:
    """Return a sentence for each kind of pixels that are not displayed, measured on a subsample."""
    height, width = bands.planes.shape[1:]
    step = max(1, max(height, width) // SAMPLE_PX)
    problems = []
    for number, plane in enumerate(bands.planes[:, ::step, ::step]):
        name = f"band {bands.names[number]}: " if len(bands.planes) > 1 and bands.names else ""
        missing = 1 - float(np.isfinite(plane).mean())
        if missing > 0:
            problems.append(f"{name}{missing:.1%} of the pixels are missing (NaN or BLANK) and black")
        if bands.is_picture:
            continue
        cleaned = clean(plane)
        padding = 1 - float(np.isfinite(cleaned).mean()) - missing
        if padding > 0:
            problems.append(f"{name}{padding:.1%} of the pixels are padding or a value for bad ones, and black")
        if cleaned is not plane and padding <= 0:
            problems.append(f"{name}hot pixels or a slope of the sky are taken out of what is shown")
    return problems


def draw(content: bytes, *, extension: str, stretch: str, max_pixels: int) -> bytes:
    """Return the displayed image of a file with one image.

    Raises
    ------
    ImageError
        If the file has no image, or more than one.
    """
    return display(pick_extension(unpacked(content), extension), stretch=stretch, max_pixels=max_pixels).picture
