"""Parts (HDUs) of a FITS file, known by their headers: shape, name, version, filter and position on the sky."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.io.fits import Header, VerifyError
from numpy.typing import NDArray

from sync.errors.images import DAMAGE
from sync.images.fits.axes import plane_axes, plane_header
from sync.sky.celestial import ARCSEC_A_DEGREE
from sync.sky.reader import find_sky

__all__ = ["Part", "parts_of", "role", "text_of"]


@dataclass(frozen=True, eq=False)
class Part:
    """One HDU.

    Attributes
    ----------
    number : int
        Index of the HDU; the primary HDU is 0.
    name : str
        ``EXTNAME`` in upper case; without it, ``PRIMARY`` for the primary HDU and an empty string for others.
    version : int
        ``EXTVER``; 1 without it.
    header : Header
    """

    number: int
    name: str
    version: int
    header: Header

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image in numpy's order; empty for a table and for an HDU without data."""
        is_packed = self.header.get("ZIMAGE", False)
        if not (is_packed or "SIMPLE" in self.header or text_of(self.header, "XTENSION") in ("IMAGE", "IUEIMAGE")):
            return ()
        prefix = "Z" if is_packed and "ZNAXIS" in self.header else ""
        return tuple(int(self.header[f"{prefix}NAXIS{axis}"]) for axis in range(int(self.header[f"{prefix}NAXIS"]), 0, -1))

    @property
    def is_image(self) -> bool:
        """Whether the HDU has an image of two or more axes."""
        return len(self.shape) >= 2

    @cached_property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of a plane, pixels."""
        rows, columns = plane_axes(self.shape, self.header)
        return self.shape[rows], self.shape[columns]

    @property
    def word(self) -> str:
        """Value of `--extension` that selects the part, such as ``SCI,2``."""
        return f"{self.name},{self.version}" if self.name and self.number else str(self.number)

    @cached_property
    def band(self) -> str:
        """Filter in the part's own header; empty if there is none."""
        return text_of(self.header, "FILTER") or text_of(self.header, "BAND")

    @cached_property
    def corners(self) -> tuple[NDArray[np.float64], float] | None:
        """Unit vectors to corners and centre, shape (5, 3), and pixel scale in radians; None without sky coordinates."""
        sky, _ = find_sky(plane_header(self.header, self.shape))
        if sky is None:
            return None
        height, width = self.plane_shape
        columns = np.array([0, 0, width - 1, width - 1, (width - 1) / 2])
        rows = np.array([0, height - 1, 0, height - 1, (height - 1) / 2])
        ra, dec = np.radians(sky.positions(columns, rows)).T
        vectors = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
        return vectors, float(np.radians(sky.pixel_scale_arcsec / ARCSEC_A_DEGREE))

    def __str__(self) -> str:
        size = "x".join(str(length) for length in reversed(self.shape))
        return f"{self.number} ({self.word} of {size})" if self.word != str(self.number) else f"{self.number} (of {size})"


def parts_of(headers: Iterable[Header]) -> list[Part]:
    """Return the parts of a file from its headers; for a compressed image, either its own or that of its table."""
    parts = []
    for number, header in enumerate(headers):
        name = text_of(header, "EXTNAME").upper() or ("" if number else "PRIMARY")
        try:
            version = header.get("EXTVER", 1) if "EXTVER" in header else 1
        except VerifyError:
            version = 1
        parts.append(Part(number, name, version if type(version) is int else 1, header))
    return parts


def role(name: str) -> str:
    """Return the role in the name of an extension: ``SCI`` for ``SCI`` and for ``3-1-E.SCI``, a detector of Euclid."""
    return name.rpartition(".")[2].upper()


def text_of(header: Header, name: str) -> str:
    """Return the value of a card as a string; empty if the card is missing or unreadable."""
    try:
        value = header.get(name, "")
    except (VerifyError, *DAMAGE):
        return ""
    return str(value).strip() if isinstance(value, str | int | float) else ""
