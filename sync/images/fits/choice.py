"""Selection of a FITS file's science images, and grouping of their bands.

The selection uses the headers only, so no pixels are read. Bands of one image have the same shape and position on the sky and
different names; the detectors of an exposure, dithers and repeated exposures are separate images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sync.errors.images import ImageError
from sync.images.fits.parts import Part, role, text_of

__all__ = [
    "LOOKUP_TABLES",
    "MEASURED",
    "NAMELESS",
    "ImageChoice",
    "choose",
    "list_parts",
    "only_image",
    "science_of",
    "select_parts",
]

MEASURED = ("SCI", "DATA")
"""Names that pipelines give to extensions with measurements; if a file has one, only such extensions are images."""
NAMELESS = {*MEASURED, "", "PRIMARY", "COMPRESSED_IMAGE", "IMAGE"}
"""Names of extensions that do not identify a band."""
LOOKUP_TABLES = {"WCSDVARR", "D2IMARR"}
"""Names of extensions with the distortions of other extensions."""
# Auxiliary extensions: masks, weights, errors and models. Pipelines extend some names: VAR_POISSON, DQ_2.
NOT_AN_IMAGE = re.compile(
    r"(.*[._-])?((VAR|ERR|DQ|MASK|WHT|WGT|WEIGHT|UNC|PSF|SEGM(AP|ENTATION)|COV|EXPTIME|EXPMAP|EXPOSURE|CHI2).*|"
    r"(BADPIX|BPM|MSK|NEXP|NCOMB|HITS|CON|CTX|FLAGS?|FLG|RMS|SIGMA|NOISE|INVVAR|IVAR|STAT|STDDEV|QUAL|QUALITY|BKG|BACKGROUND|SKY"
    r"|MODEL|RESIDUALS?|AREA|SAMP|TIME|D2IMARR|WCSDVARR|THUMBNAIL|PREVIEW)([._-].*)?)"
)
# Names of detectors and amplifiers at observatories: CCD12, CHIP_1, im3, N4 and S30 of DECam, WIN1.CHIP2.OUT1.
DETECTOR_NAME = re.compile(
    r".*(CCD|CHIP|AMP|DET|DETECTOR|SENSOR|ARRAY|QUAD|QUADRANT|SEGMENT|OUT)[^A-Z0-9]*\d+.*|(CCD|CHIP|AMP|DET|DETECTOR)[_ -][A-Z]"
    r"|(SCI|IM|EXT|TILE|HDU|[NSQ])_?\d+|NRC[AB](\d|LONG)"
)
DETECTOR_CARDS = (
    *("DETSEC", "CCDSEC", "CCDNUM", "CCDNAME", "CCDCHIP", "CHIP", "CHIPID", "DETECTOR", "DETID", "DET_ID", "SCA_ID"),
    *("AMPNAME", "AMPID", "IMAGEID", "ESO DET CHIP NO", "ESO DET CHIP ID", "ESO DET OUT1 ID"),
)
SAME_PLACE_PX = 1.0
"""Largest offset between bands of one image, pixels."""
MINOR_SHARE = 0.25
"""Largest size of a minor image without a name, as a fraction of the first image's pixels."""
MOST_NAMED = 6
"""Largest number of parts that a message lists."""


@dataclass(frozen=True)
class ImageChoice:
    """The images of a file and the parts that are left out.

    Attributes
    ----------
    images : tuple of tuples of Part
        Bands of each image, in the order of the file; a file of one field has one image, an exposure of four detectors has
        four.
    left_out : tuple of (Part, str)
        Other parts with data, and the reason why each is left out.
    """

    images: tuple[tuple[Part, ...], ...]
    left_out: tuple[tuple[Part, str], ...]


def science_of(parts: Sequence[Part]) -> tuple[list[Part], list[tuple[Part, str]]]:
    """Return the science images, and the other parts with data, each with the reason why it is left out.

    Raises
    ------
    ImageError
        If there is no image, or there are only several auxiliary images.
    """
    all_images = [part for part in parts if part.is_image]
    images = [part for part in all_images if part.name not in LOOKUP_TABLES] or all_images
    if not images:
        raise ImageError("the FITS file holds no image of two or more dimensions")
    left_out = [(part, "a table or a list of values") for part in parts if not part.is_image and _has_data(part)]
    science = [part for part in images if not NOT_AN_IMAGE.fullmatch(part.name)]
    if not science and len(images) > 1:
        raise ImageError(
            f"the FITS file holds only masks, weights or models by their names ({list_parts(images)}): "
            f"choose one with --extension, such as --extension {images[0].word}"
        )
    # A single image is displayed, regardless of its name.
    left_out += [(part, "a table of distortions") for part in all_images if part not in images]
    left_out += [(part, "a mask, weight, error or model by its name") for part in images if science and part not in science]
    science = science or images
    if measured_parts := [part for part in science if role(part.name) in MEASURED]:
        left_out += [(part, f"not called {role(measured_parts[0].name)}") for part in science if part not in measured_parts]
        science = measured_parts
    return science, left_out


def choose(parts: Sequence[Part]) -> ImageChoice:
    """Return the images of a file, with their bands, and the parts that are left out.

    Raises
    ------
    ImageError
        As for `science_of`.
    """
    science, left_out = science_of(parts)
    images: list[list[Part]] = []
    for part in science:
        if images and _is_minor(part, images[0][0]):
            left_out.append((part, "a small image without a name and a place"))
        elif image := next((image for image in images if all(_are_bands(part, other) for other in image)), None):
            image.append(part)
        else:
            images.append([part])
    return ImageChoice(tuple(map(tuple, images)), tuple(sorted(left_out, key=lambda pair: pair[0].number)))


def only_image(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the bands of the only image of a file.

    Raises
    ------
    ImageError
        If there is no image, or more than one; the message explains how to select one.
    """
    images = choose(parts).images
    if len(images) > 1:
        firsts = [image[0] for image in images]
        raise ImageError(
            f"the FITS file holds {len(images)} images that are not bands of one image, for example of several detectors "
            f"({list_parts(firsts)}): choose one with --extension, such as --extension {firsts[0].word}, "
            "or import the file, which makes a task of each"
        )
    return images[0]


def select_parts(parts: Sequence[Part], extension: str) -> list[Part]:
    """Return the images that a value of `--extension` selects.

    Parameters
    ----------
    parts : sequence of Part
    extension : str
        A number (0 is the primary HDU), a name, or ``name,version``; the case of names is ignored.

    Raises
    ------
    ImageError
        If no image has this number or name.
    """
    word = extension.strip()
    name, comma, version = word.rpartition(",")
    if word.isdecimal():
        matching = [part for part in parts if part.number == int(word)]
    elif comma and version.strip().isdecimal():
        matching = [part for part in parts if part.name == name.strip().upper() and part.version == int(version)]
    else:
        matching = [part for part in parts if part.name == word.upper()]
    images = [part for part in matching if part.is_image]
    if not images:
        available = list_parts([part for part in parts if part.is_image]) or "none"
        kind = "no extension" if not matching else "no image in extension"
        raise ImageError(f"the FITS file has {kind} {word!r}; its images are {available}")
    return images


def list_parts(parts: Sequence[Part]) -> str:
    """Return a list of parts for a message, limited to the first `MOST_NAMED`."""
    suffix = f" and {len(parts) - MOST_NAMED} more" if len(parts) > MOST_NAMED else ""
    return ", ".join(str(part) for part in parts[:MOST_NAMED]) + suffix


def _are_bands(first: Part, second: Part) -> bool:
    """Return whether two parts can be bands of one image."""
    if first.plane_shape != second.plane_shape or not _lie_together(first, second):
        return False
    if first.band and second.band and first.band != second.band:
        return True
    if first.band and first.band == second.band:  # the same filter: another detector or exposure
        return False
    if first.name == second.name and first.name:
        return False
    if DETECTOR_NAME.fullmatch(first.name) and DETECTOR_NAME.fullmatch(second.name):
        return False
    cards = [(text_of(first.header, name), text_of(second.header, name)) for name in DETECTOR_CARDS]
    return not any(ours and theirs and ours != theirs for ours, theirs in cards)


def _lie_together(first: Part, second: Part) -> bool:
    """Return whether two images of one shape have the same position; it is assumed if one has no coordinates."""
    if first.corners is None or second.corners is None:
        return True
    (ours, pixel), (theirs, _) = first.corners, second.corners
    return bool(np.abs(np.nan_to_num(ours) - np.nan_to_num(theirs)).max() <= SAME_PLACE_PX * pixel)


def _is_minor(part: Part, first: Part) -> bool:
    """Return whether an image is much smaller than the first and has no name, coordinates or detector."""
    height, width = part.plane_shape
    if (
        height * width > MINOR_SHARE * first.plane_shape[0] * first.plane_shape[1]
        or part.name not in NAMELESS
        or part.name in MEASURED
    ):
        return False
    return part.corners is None and not any(text_of(part.header, name) for name in DETECTOR_CARDS)


def _has_data(part: Part) -> bool:
    return part.number > 0 or part.header.get("NAXIS", 0) != 0
