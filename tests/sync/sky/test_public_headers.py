"""The test headers of astropy: positions of pixels are equal to those of astropy."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import astropy
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from sync.sky.reader import find_sky

ROOT = Path(astropy.__file__).parent
FILES = [
    file
    for folder in ("wcs", "nddata", "modeling", "io/fits")
    for file in sorted((ROOT / folder).rglob("tests/data/**/*"))
    if file.suffix in (".hdr", ".fits", ".gz") and file.name not in ("idcompspec.fits", "example_4d_tab.fits")
]
"""Excluded are an invalid FITS file, and one with which `WCS.celestial` of astropy 8.0.2 ends the process."""
WITHOUT_ASTROPY = ("orion-freq-1.hdr", "orion-velo-1.hdr", "orion-wave-1.hdr")
"""Cubes from which astropy 8.0.2 cannot take the celestial axes."""
WITHOUT_POSITION = ("3d_cd.hdr",)
"""Headers without CRVAL, for which astropy uses 0."""


def headers(file: Path) -> Iterator[tuple[fits.Header, fits.HDUList | None]]:
    if file.suffix == ".hdr":
        content = file.read_bytes().decode("latin-1")
        yield fits.Header.fromstring(content, sep="\n" if "\n" in content[:200] else ""), None
        return
    with fits.open(file) as hdus:
        for hdu in hdus:
            if hdu.is_image:
                yield hdu.header, hdus


@pytest.mark.slow
@pytest.mark.skipif(not FILES, reason="this astropy was installed without its tests")
def test_positions_are_those_of_astropy() -> None:
    count, different = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in FILES:
            for header, hdus in headers(file):
                sky, reason = find_sky(header, hdus)
                assert "\n" not in reason
                try:
                    wcs = WCS(header, fobj=hdus)
                    celestial = wcs.celestial if wcs.naxis > 2 else wcs
                    has_sky = bool(celestial.has_celestial)
                except Exception:  # astropy raises exceptions of many types, also those of wcslib
                    has_sky = False
                if has_sky != (sky is not None) and file.name not in (*WITHOUT_ASTROPY, *WITHOUT_POSITION):
                    different.append((file.name, reason))
                if not has_sky or sky is None:
                    continue
                width, height = sky.size or (100, 100)
                columns = np.array([0, width / 2, width - 1, width / 3])
                rows = np.array([0, height / 2, height / 4, height - 1])
                expected = celestial.pixel_to_world(columns, rows).icrs
                places = sky.positions(columns, rows)
                valid = np.isfinite(places[:, 0])
                count += 1
                if (valid != np.isfinite(expected.ra.deg)).any():
                    different.append((file.name, "other pixels lie off the sky"))
                elif valid.any():
                    distance = SkyCoord(places[valid], unit="deg").separation(expected[valid]).arcsec.max()
                    if distance > 1e-6:
                        different.append((file.name, f"{distance} arcsec"))
    assert different == []
    assert count > 60


@pytest.mark.skipif(not FILES, reason="this astropy was installed without its tests")
def test_a_lookup_table_of_another_axis_does_not_matter() -> None:
    with fits.open(ROOT / "wcs/tests/data/tab-time-last-axis.fits") as hdus:
        header = hdus[0].header
        assert header["CTYPE3"] == "TIME-TAB"
        sky, _ = find_sky(header, hdus)
        expected = WCS(header, fobj=hdus).wcs_pix2world([[3.0, 2.0, 0.0]], 0)[0]
    assert sky is not None
    assert sky.positions(3.0, 2.0)[0] == pytest.approx(expected[:2], abs=1e-9)


@pytest.mark.skipif(not FILES, reason="this astropy was installed without its tests")
def test_sky_coordinates_in_a_lookup_table_are_rejected_by_name() -> None:
    with fits.open(ROOT / "wcs/wcsapi/tests/data/example_4d_tab.fits") as hdus:
        assert find_sky(hdus[0].header, hdus) == (
            None,
            "the sky coordinates are in a table (CTYPE1 = 'GLON-TAB'), which is not read: "
            "write a projection such as RA---TAN into the header",
        )
