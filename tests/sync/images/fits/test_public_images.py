"""The test images of astropy: pixels are equal to those of astropy, or the file is named in one sentence."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path

import astropy
import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.images.decode import unpack
from sync.images.fits.reader import read_bands
from sync.images.fits_extraction import split_images

ROOT = Path(astropy.__file__).parent
FILES = [
    file
    for folder in ("io/fits", "wcs", "nddata", "modeling", "visualization")
    for file in sorted((ROOT / folder).rglob("tests/**/data/**/*.fits*"))
    if file.is_file()
]
MAX_PIXELS = 10**8


Planes = list[NDArray[np.floating]]


def planes_of(file: Path) -> tuple[Planes, str]:
    """Return the planes that are read of a file, and the reasons why images are left out."""
    planes: Planes = []
    reasons = []
    images = attempt(lambda: split_images(unpack(file.read_bytes())))
    for _, content in [] if isinstance(images, ImageError) else images:
        bands = attempt(partial(read_bands, content, max_pixels=MAX_PIXELS))
        if isinstance(bands, ImageError):
            reasons.append(str(bands))
        else:
            planes += list(bands.planes)
    return planes, str(images) if isinstance(images, ImageError) else "; ".join(reasons)


def expected_planes(file: Path) -> Planes:
    """Return the images that astropy reads, cubes as planes, in single precision."""
    with fits.open(file) as hdus:
        images = [np.squeeze(hdu.data) for hdu in hdus if hdu.is_image and hdu.data is not None]
    planes = [plane for image in images for plane in (image if image.ndim == 3 else [image])]
    return [plane.astype(np.float32) for plane in planes if plane.ndim == 2]


@pytest.mark.slow
@pytest.mark.skipif(not FILES, reason="this astropy was installed without its tests")
def test_pixels_are_those_of_astropy() -> None:
    names = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in FILES:
            planes, reason = planes_of(file)
            assert len(reason.splitlines()) <= 1
            expected = expected_planes(file) if planes else []
            for plane in planes:
                matches = [other for other in expected if np.array_equal(plane.astype(np.float32), other, equal_nan=True)]
                assert matches, file.name
                names.add(file.name)
    assert {"m13.fits", "m13_rice.fits", "m13_gzip.fits", "scale.fits", "arange.fits", "test0.fits"} <= names
