"""Measurements in other programs: sizes, shapes and magnitudes of the objects of an image."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from galaxyloop.images import Image, require_image

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["measure"]

MAX_PIXELS = 100_000_000


def measure(
    image: Image,
    *,
    psf: NDArray[Any] | None = None,
    seeing_arcsec: float | None = None,
    zero_point: float | None = None,
    pixel_scale_arcsec: float | None = None,
    band: str = "",
    only_central: bool = False,
) -> Table:
    """Measure the objects of an image: Sersic model through the PSF, magnitude and morphological indices.

    Parameters
    ----------
    image : Image
        From `load_image`: a FITS file or measured values; a displayed image has shapes and sizes, and no magnitudes.
    psf : ndarray, shape (k, k), optional
        Point spread function on the pixels of the image; default: from the header, or from stars of the image.
    seeing_arcsec : float, optional
        Full width at half maximum of a star, where neither the header nor stars give a PSF.
    zero_point : float, optional
        AB magnitude of one unit, for an image without it.
    pixel_scale_arcsec : float, optional
        Pixel scale, for an image without sky coordinates.
    band : str
        Band of an image with several; default: r, else i, else the middle one.
    only_central : bool
        Measure only the object in the middle of the image.

    Returns
    -------
    Table
        One row per object, with the columns of ``galaxyloop measure`` (docs/measure.md): a value, its unit and its error.
        Missing values are masked, and the column ``missing`` has the reasons. ``table.meta["problems"]`` lists, in sentences,
        what was not used: saturated pixels, sky coordinates that cannot be read, the width of a star in the header, the seeing.

    Raises
    ------
    ImageError
        If the image shows no object, or the PSF does not fit it; a subclass of ValueError.
    PsfError
        If the PSF is not a point spread function; a subclass of ValueError.
    ValueError
        If the zero point is a placeholder such as 99, or the seeing or the pixel scale is not a positive number.

    Examples
    --------
    >>> table = galaxyloop.measure(galaxyloop.load_image("galaxy.fits"), only_central=True)
    >>> table["re_arcsec", "re_arcsec_err", "sersic_n", "mag"]
    """
    from backend.heads.structure.psf import make_psf
    from backend.measurement.catalogue import CatalogueRow, make_table
    from backend.measurement.measure_image import measure_objects
    from backend.measurement.psf_choice import PsfOptions, list_unused_widths
    from backend.measurement.science import read_science
    from backend.measurement.sources import central_object, extract_objects
    from sync.errors.images import ImageError
    from sync.images.zero_point import is_zero_point

    require_image(image)
    if zero_point is not None and not is_zero_point(zero_point):
        raise ValueError(
            f"zero_point = {zero_point:g} is a placeholder and no zero point: leave it out, and there is no magnitude"
        )
    for name, number in (("pixel_scale_arcsec", pixel_scale_arcsec), ("seeing_arcsec", seeing_arcsec)):
        if number is not None and not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name} = {number:g} is not a positive number")
    science = read_science(image.content, max_pixels=MAX_PIXELS, band=band)
    science = replace(
        science,
        pixel_scale_arcsec=science.pixel_scale_arcsec or pixel_scale_arcsec,
        zero_point=zero_point if science.zero_point is None and science.is_linear else science.zero_point,
    )
    objects = extract_objects(science)
    central = central_object(objects, science.size)
    if central is None:
        raise ImageError("no object stands out of the noise of the image")
    indices = [central] if only_central else list(range(len(objects)))
    options = PsfOptions(() if psf is None else (make_psf(psf),), seeing_arcsec)
    measured_objects = [measurement for measurement, _ in measure_objects(science, objects, indices, psf=options)]
    rows = [
        CatalogueRow("", "", index + 1, index == central, objects[index].area, measurement)
        for index, measurement in zip(indices, measured_objects, strict=True)
    ]
    table = make_table(rows)
    table.remove_columns(["file", "extension"])
    unused_widths = list_unused_widths(science, options, psf_source=measured_objects[0].psf_source)
    table.meta["problems"] = [*science.problems, *unused_widths]
    return table
