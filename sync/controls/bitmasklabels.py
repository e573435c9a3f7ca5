"""`<BitmaskLabels>`: one mask per region, as a PNG image in a data URL.

Label Studio's page writes black pixels on a transparent background, at the size of the image, and draws the opaque pixels.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.masks import check_footprint, check_mask, check_pixel_count, resize_mask
from sync.controls.region import Region, new_region, no_faults, read_labels, read_size, read_value, write_labels
from sync.errors.controls import ControlError, quote
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Labelled, Mask, Size, check_size

__all__ = ["KIND", "SHAPE", "TAG", "decode", "encode", "encode_footprint", "encode_mask", "faults", "readable_size"]

TAG = "BitmaskLabels"
KIND = Kind.OBJECTS
SHAPE = np.ndarray

PREFIX = "data:image/png;base64,"
OPAQUE = 128
"""Minimum alpha of a pixel inside the mask. Strokes have soft edges; a pixel counts from half coverage, as in brush masks."""
_ALPHA_MODES = ("LA", "RGBA", "PA", "La", "RGBa")


def encode(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a mask.

    Raises
    ------
    ControlError
        If the mask is empty, not boolean, or not of the image's shape.
    """
    check_mask(mask, control, size=size)
    # A palette of transparent and opaque black needs one bit per pixel.
    image = Image.frombytes("P", size, mask.astype(np.uint8).tobytes())
    image.putpalette([0, 0, 0, 0, 0, 0])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=b"\x00\xff", bits=1, compress_level=6)
    value = {
        "imageDataURL": PREFIX + base64.b64encode(buffer.getvalue()).decode("ascii"),
        "bitmasklabels": write_labels([label], control),
    }
    return new_region(control, TAG, value, score=score, size=size)


def encode_footprint(footprint: Footprint, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a cropped mask; raise ControlError if it is off the image."""
    check_footprint(footprint, size)
    return encode(footprint.to_mask(size), control=control, label=label, size=size, score=score)


def encode_mask(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> list[Region]:
    """Return a list with the region of a mask."""
    return [encode(mask, control=control, label=label, size=size, score=score)]


def decode(region: Region, *, size: Size | None = None) -> Labelled[Mask]:
    """Return the mask of an annotation, scaled to `size` if its PNG has another size.

    Raises
    ------
    ControlError
        If the value is not a PNG with transparency, or `check_pixel_count` rejects it.
    """
    value = read_value(region, TAG)
    labels = read_labels(value, TAG)
    size = read_size(region) if size is None else check_size(size)
    image = _open(value)
    check_pixel_count(image.width * image.height, size)
    try:
        mask = _read_alpha(image) >= OPAQUE
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ControlError(f"the PNG of a bitmask is damaged: {error}") from error
    return Labelled(shape=resize_mask(mask, size), labels=labels, size=size)


def readable_size(region: Mapping[str, Any]) -> Size | None:
    """Return the size of a region's PNG, or None if the PNG is missing or unreadable."""
    value = region.get("value")
    try:
        return _open(value if isinstance(value, Mapping) else {}).size
    except ControlError:
        return None


faults = no_faults


def _read_alpha(image: Image.Image) -> NDArray[np.uint8]:
    """Return the alpha of each pixel, 0 to 255, shape (height, width)."""
    opacities = image.info.get("transparency")
    if image.mode == "P" and isinstance(opacities, bytes):  # one alpha per colour; ten times faster than a conversion to RGBA
        table = np.full(256, 255, dtype=np.uint8)
        table[: len(opacities)] = np.frombuffer(opacities, dtype=np.uint8)
        return np.asarray(table[np.asarray(image)])
    return np.asarray(image.convert("RGBA").getchannel("A"))


def _open(value: Mapping[str, Any]) -> Image.Image:
    """Open the PNG of a value and read its header, without decoding its pixels."""
    url = value.get("imageDataURL")
    if not isinstance(url, str) or not url.startswith(PREFIX):
        raise ControlError(f"imageDataURL must be a PNG in a data URL, {PREFIX}…, not {quote(url)}")
    try:
        image = Image.open(io.BytesIO(base64.b64decode(url[len(PREFIX) :], validate=True)), formats=["PNG"])
        check_size(image.size)
    except (OSError, SyntaxError, ValueError, EOFError, binascii.Error, Image.DecompressionBombError) as error:
        raise ControlError(f"the PNG of a bitmask cannot be read: {error}") from error
    if image.mode not in _ALPHA_MODES and "transparency" not in image.info:
        raise ControlError("the PNG of a bitmask has no transparency: Label Studio's page would show it as one full rectangle")
    return image
