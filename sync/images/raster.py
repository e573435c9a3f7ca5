"""Reader of PNG, JPEG, GIF and WebP files, and of TIFF files with compressions that only Pillow supports."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sync.errors.images import DAMAGE, ImageError
from sync.images.stretch import in_colour

__all__ = ["check_pixels", "read_raster", "turn_upright"]

ORIENTATION_TAG = 274  # of Exif and of TIFF
# Exif orientation -> (transpose, flip rows, flip columns), in this order; 1 is upright.
ORIENTATIONS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def read_raster(data: bytes, *, formats: tuple[str, ...], max_pixels: int) -> NDArray[np.float32]:
    """Read an image with Pillow; of an animation, the first frame.

    Transparent pixels are blended with black. 16-bit grey keeps its depth; 16-bit colour is read as 8 bits.

    Parameters
    ----------
    data : bytes
        Content of the file.
    formats : tuple of str
        Pillow's names of the accepted formats.
    max_pixels : int
        Largest product of width and height.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1], in the orientation of a browser.

    Raises
    ------
    ImageError
        If the file is damaged, truncated or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            check_pixels(image.width, image.height, max_pixels=max_pixels)
            image.load()
            pixels = _to_float(image)
            orientation = _orientation(image)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"the image has more than the {max_pixels} pixels that are allowed") from error
    except DAMAGE as error:
        raise ImageError(f"the {formats[0]} image is damaged or truncated ({type(error).__name__})") from error
    return np.ascontiguousarray(turn_upright(pixels, orientation))


def check_pixels(width: int, height: int, *, max_pixels: int) -> None:
    """Check the size of an image before memory for it is allocated.

    Raises
    ------
    ImageError
        If the image has no pixels or more than `max_pixels`.
    """
    if width < 1 or height < 1:
        raise ImageError(f"the image has no pixels: {width}x{height}")
    if width * height > max_pixels:
        raise ImageError(f"the image has {width}x{height} pixels, more than the {max_pixels} that are allowed")


def turn_upright(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Apply an Exif orientation to an image, shape (height, width, 3); like browsers, ignore an unknown one."""
    transpose, flip_rows, flip_columns = ORIENTATIONS.get(orientation, (False, False, False))
    if transpose:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def _to_float(image: Image.Image) -> NDArray[np.float32]:
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image).astype(np.float32) / np.float32(65535))
    if image.mode in ("I", "F"):
        pixels = np.asarray(image, dtype=np.float64)
        if not np.isfinite(pixels).any():
            raise ImageError("the image has no valid pixel")
        return in_colour(pixels[None])
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"), dtype=np.float32) / np.float32(255)
        return rgba[..., :3] * rgba[..., 3:]
    if image.mode in ("1", "L"):
        return _grey(np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255))
    return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(pixels[..., None], 3, axis=-1)


def _orientation(image: Image.Image) -> int:
    # image.getexif() also reads XMP, which browsers ignore.
    if image.format == "TIFF":
        value = image.getexif().get(ORIENTATION_TAG, 1)
    else:
        exif = Image.Exif()
        try:
            exif.load(image.info.get("exif", b""))
            value = exif.get(ORIENTATION_TAG, 1)
        except DAMAGE:  # damaged Exif data is ignored
            return 1
    return value if isinstance(value, int) else 1
