"""Cut-outs around positions from public surveys, with the hips2fits service of the CDS and astroquery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.coordinates import Angle, Latitude, Longitude
from numpy.typing import NDArray

from sync.errors.images import DAMAGE, ImageError
from sync.errors.sky import SkyError
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.cube import write_cube
from sync.importing.inputs.item import InputError
from sync.sky.reader import read_sky
from sync.sky.task_cards import task_cards

__all__ = ["HipsSurvey"]

MAX_SIDE_PX = 4096


@dataclass(frozen=True, slots=True)
class HipsSurvey:
    """Cut-outs of one size from one or more surveys of the service, one per band.

    Attributes
    ----------
    names : sequence of str
        Names in the service, such as ``CDS/P/DESI-Legacy-Surveys/DR10/g``, the bluest first; or one survey of colour images,
        such as ``CDS/P/DESI-Legacy-Surveys/DR10/color``.
    fov_arcsec : float
        Side of a cut-out, arcsec.
    side_px : int
        Side of a cut-out, pixels.

    Raises
    ------
    InputError
        If the size is out of range, or astroquery is not installed.
    """

    names: Sequence[str]
    fov_arcsec: float
    side_px: int

    def __post_init__(self) -> None:
        if not 1 <= self.side_px <= MAX_SIDE_PX:
            raise InputError(f"a cut-out must have 1 to {MAX_SIDE_PX} pixels a side, not {self.side_px}")
        _service()

    def identity(self, position: Position) -> bytes:
        """Return bytes that identify a cut-out by its request, so that an imported cut-out is not downloaded again."""
        request = (*self.names, f"{position.ra:.8f}", f"{position.dec:.8f}", f"{self.fov_arcsec:g}", str(self.side_px))
        return "\0".join(("hips2fits", *request)).encode()

    def cut(self, position: Position) -> bytes:
        """Request a cut-out from the service.

        Returns
        -------
        bytes
            A FITS file with world coordinates: one plane per survey, or red, green and blue of a colour image.

        Raises
        ------
        ImageError
            If the service rejects the request, does not respond, or has no pixels at the position.
        """
        answers = [self._request(name, position) for name in self.names]
        try:
            sky, problems = task_cards(read_sky(answers[0].header))
        except SkyError as error:
            raise ImageError(f"hips2fits sent a cut-out of {self.names[0]} without celestial coordinates: {error}") from error
        planes = [np.asarray(answer.data) for answer in answers]
        for name, plane in zip(self.names, planes, strict=True):
            if not (np.isfinite(plane) & (plane != 0)).any():
                raise ImageError(f"{name} has no pixels at ra {position.ra:.5f}, dec {position.dec:.5f}")
            if plane.ndim != 2 and len(planes) > 1:
                raise ImageError(f"{name} is a colour image: it cannot be one band of several")
        if planes[0].ndim != 2:
            return _write_colours(self.names[0], planes[0], sky, problems)
        units = [str(answer.header.get("BUNIT", "")).strip() for answer in answers]
        return write_cube(np.stack(planes).astype(np.float32), sky, bands=self.names, units=units, sky_problems=problems)

    def _request(self, name: str, position: Position) -> Any:
        try:
            answer = _service().query(
                hips=name,
                width=self.side_px,
                height=self.side_px,
                projection="TAN",
                ra=Longitude(position.ra, "deg"),
                dec=Latitude(position.dec, "deg"),
                fov=Angle(self.fov_arcsec, "arcsec"),
                format="fits",
            )
            return answer[0]
        except DAMAGE as error:  # exceptions of requests are OSErrors; astroquery raises AttributeError with the answer's text
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ImageError(f"hips2fits returned no cut-out of {name}: {reason[:200]}") from error


def _write_colours(name: str, planes: NDArray[Any], sky: Mapping[str, Any], problems: Sequence[str]) -> bytes:
    """Write red, green and blue as a FITS file that is displayed unchanged; a fourth plane is transparency."""
    if planes.dtype != np.uint8 or planes.ndim != 3 or len(planes) not in (3, 4):
        shape = "x".join(str(side) for side in planes.shape)
        raise ImageError(f"{name} is neither one band nor a colour image: it has {shape} values of {planes.dtype.name}")
    return write_cube(planes[:3], sky, bands=[f"{name} {colour}" for colour in ("red", "green", "blue")], sky_problems=problems)


def _service() -> Any:
    """Return a new service of astroquery for each request, because threads cannot share a session."""
    try:
        from astroquery.hips2fits import hips2fitsClass
    except ModuleNotFoundError as error:
        raise InputError("cut-outs from a public service need astroquery: install galaxyloop[import]") from error
    return hips2fitsClass()
