"""Images in other programs: files and arrays, with the sky coordinates of FITS headers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from astropy.wcs import WCS

__all__ = ["Image", "load_image", "require_image"]

Source = str | Path | bytes | NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """An image as galaxyloop displays it.

    Attributes
    ----------
    pixels : ndarray of float32, shape (height, width, 3)
        Brightness in [0, 1]. Row 0 is at the top; the last row of a FITS image is at the top.
    content : bytes
        The file, unpacked; the heads read it.
    data : mapping
        `ra`, `dec` (centre, degrees, ICRS), `pixel_scale_arcsec`, `wcs`, `bands` and `unit`, as far as the file has them, and
        `sky_problem`, a sentence, if its coordinates cannot be read.
    """

    pixels: NDArray[np.float32]
    content: bytes
    data: Mapping[str, Any]

    @property
    def wcs(self) -> WCS | None:
        """The sky coordinates of the FITS file, with rows counted from the bottom; None without any."""
        from astropy.io.fits import Header
        from astropy.wcs import WCS

        cards = self.data.get("wcs")
        return None if cards is None else WCS(Header(cards.items()))

    def positions(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float64] | None:
        """Return right ascension and declination, degrees (ICRS), of displayed positions.

        Parameters
        ----------
        x, y : ndarray, shape (n,)
            Pixels from the top left corner of the image: the centre of the first pixel is (0.5, 0.5).

        Returns
        -------
        ndarray, shape (n, 2), or None
            None if the image has no sky coordinates.
        """
        wcs = self.wcs
        if wcs is None:
            return None
        height = self.pixels.shape[0]
        sky = wcs.pixel_to_world(np.asarray(x) - 0.5, height - np.asarray(y) - 0.5).icrs
        return np.stack([sky.ra.deg, sky.dec.deg], axis=-1)


def load_image(source: Source, *, header: Header | None = None, extension: str = "", stretch: str = "lupton") -> Image:
    """Load an image from a file, its content, or an array.

    Parameters
    ----------
    source : str, Path, bytes or ndarray
        A PNG, JPEG, GIF, WebP, TIFF or FITS file (which may be gzipped) or its content; an array of uint8 of shape (height,
        width) or (height, width, 3), row 0 at the top, for a displayed image; or an array of floating-point numbers of shape
        (height, width) or (bands, height, width), row 0 at the bottom as in FITS, for measured values; masked pixels have no
        value. A displayed image with floating-point numbers must be converted to uint8.
    header : astropy.io.fits.Header, optional
        Header of an array of measured values: sky coordinates, unit, zero point.
    extension : str
        Extension of a FITS file with several images: name, number or ``NAME,VERSION``.
    stretch : str
        How measured values are displayed: ``lupton``, ``asinh``, ``zscale`` or ``percentile``.

    Returns
    -------
    Image

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError
        If the source is of another type.
    ImageError
        If the image is damaged, too large, or of another format or shape; a subclass of ValueError.
    ValueError
        If the stretch is unknown, or a header is given for a file or for a displayed image.

    Examples
    --------
    >>> import galaxyloop
    >>> image = galaxyloop.load_image("m51.fits")
    >>> image.pixels.shape
    (1024, 1024, 3)
    """
    from sync.images.decode import decode, unpack
    from sync.images.display import display
    from sync.images.fits_extraction import pick_extension
    from sync.images.stretches import STRETCHES

    if stretch not in STRETCHES:
        raise ValueError(f"unknown stretch {stretch!r}: choose {', '.join(STRETCHES)}")
    if not isinstance(source, str | Path | bytes | np.ndarray):
        raise TypeError(f"an image is a path, bytes or a NumPy array, not {type(source).__name__}")
    if isinstance(source, np.ndarray):
        content = _encode(source, header)
    elif header is not None:
        raise ValueError("a header is for an array of measured values; a FITS file has its own")
    else:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
    content = pick_extension(unpack(content), extension)
    picture = display(content, stretch=stretch)
    return Image(decode(picture.image), content, picture.data)


def require_image(image: object) -> Image:
    """Return the image that a function was called with.

    Raises
    ------
    TypeError
        If it is anything else than one `Image`.
    """
    if not isinstance(image, Image):
        raise TypeError(f"give an image from galaxyloop.load_image, not {type(image).__name__}")
    return image


def _encode(array: NDArray[Any], header: Header | None) -> bytes:
    """Return an array as the content of a file: PNG for displayed pixels, FITS for measured values."""
    from astropy.io import fits
    from PIL import Image as Picture

    from sync.errors.images import ImageError

    file = io.BytesIO()
    if array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) and array.size:
        if header is not None:
            raise ValueError("a header is for an array of measured values, not for displayed pixels (uint8)")
        Picture.fromarray(np.ascontiguousarray(array)).save(file, "PNG")
    elif np.issubdtype(array.dtype, np.floating) and array.ndim in (2, 3) and array.size:
        values = np.array(array, _type_in_fits(array.dtype))
        values[getattr(array, "mask", False)] = np.nan
        fits.PrimaryHDU(values, header).writeto(file)
    else:
        raise ImageError(
            f"an array of {array.dtype} and shape {array.shape} is no image: give uint8 of shape (height, width) or "
            "(height, width, 3), or floating-point numbers of shape (height, width) or (bands, height, width)"
        )
    return file.getvalue()


def _type_in_fits(dtype: np.dtype[Any]) -> type[np.floating]:
    """Return the floating-point type that FITS has for an array: 32 or 64 bits."""
    return np.float32 if dtype.itemsize <= np.dtype(np.float32).itemsize else np.float64
