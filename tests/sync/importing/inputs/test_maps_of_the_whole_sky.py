"""Cut-outs from maps of the whole sky: each pixel has the value of its position, also at the seam and the poles."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.mosaics import Mosaics
from sync.sky.reader import read_sky

STEP_DEG = 0.5
PLACES = [(0.0, 0.0), (180.0, 10.0), (359.9, -30.0), (179.6, 60.0), (40.0, 90.0), (120.0, -89.0), (266.4, -28.9), (86.4, 28.9)]


def brightness(places: SkyCoord) -> NDArray[np.float64]:
    """Return a smooth function of position that varies over the whole sky."""
    x, y, z = places.icrs.cartesian.xyz.value
    return np.asarray(1000 + 300 * x + 200 * y + 100 * z + 50 * x * y)


def header(projection: str, *, first: str = "RA--", second: str = "DEC-", **cards: Any) -> fits.Header:
    width, height = round(360 / STEP_DEG), round(180 / STEP_DEG)
    if projection in ("HPX", "XPH"):
        height = width
    positions = {
        "NAXIS": 2,
        "NAXIS1": width,
        "NAXIS2": height,
        "CTYPE1": f"{first}-{projection}",
        "CTYPE2": f"{second}-{projection}",
    }
    positions |= {"CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": width / 2 + 0.5, "CRPIX2": height / 2 + 0.5, "CDELT1": -STEP_DEG}
    return fits.Header(positions | {"CDELT2": STEP_DEG, "BUNIT": "MJy/sr", **cards})


def whole_sky(file: Path, cards: fits.Header, *, blank: float = np.nan) -> Path:
    """Write a map with the brightness of each pixel's position, by astropy only; `blank` outside the sky."""
    wcs = WCS(cards)
    wcs.wcs.bounds_check(False, True) if cards["CTYPE1"].endswith("CAR") else None
    rows, columns = np.indices((cards["NAXIS2"], cards["NAXIS1"]))
    with np.errstate(invalid="ignore"):
        if cards["CTYPE1"].startswith("ELON"):  # astropy treats ecliptic axes as equatorial ones
            longitudes, latitudes = wcs.all_pix2world(columns.ravel(), rows.ravel(), 0)
            places = SkyCoord(longitudes, latitudes, unit="deg", frame="barycentricmeanecliptic").icrs
        else:
            places = wcs.pixel_to_world(columns.ravel(), rows.ravel()).icrs
    values = np.full(rows.size, blank)
    on_sky = np.isfinite(places.ra.deg)
    values[on_sky] = brightness(places[on_sky])
    fits.PrimaryHDU(values.reshape(rows.shape).astype(np.float32), cards).writeto(file)
    return file


MAPS = {
    "CAR": header("CAR"),
    "CAR whose first pixel is the reference": header("CAR", CRPIX1=1.0),
    "CAR from 0 to 360": header("CAR", CRPIX1=0.5, CDELT1=STEP_DEG),
    "CAR, pixel in the middle": header("CAR", CRPIX1=361.0),
    "CAR, galactic": header("CAR", first="GLON", second="GLAT"),
    "CAR around 180": header("CAR", CRVAL1=180.0),
    "CEA": header("CEA", CDELT2=STEP_DEG / 1.5),
    "MOL, galactic": header("MOL", first="GLON", second="GLAT"),
    "AIT": header("AIT"),
    "AIT, ecliptic": header("AIT", first="ELON", second="ELAT"),
    "SFL": header("SFL"),
    "HPX": header("HPX", CDELT1=-STEP_DEG, CDELT2=STEP_DEG),
}


@pytest.mark.parametrize("name", MAPS)
def test_each_pixel_of_a_cut_out_has_the_value_of_its_position(name: str, tmp_path: Path) -> None:
    file = whole_sky(tmp_path / "map.fits", MAPS[name])
    with Mosaics([f"r={file}"]) as mosaics:
        for place in PLACES:
            with fits.open(io.BytesIO(mosaics.cut(Position(*place), fov_arcsec=8 * 3600))) as cut:
                (plane,) = cut[0].data
                wcs = WCS(cut[0].header).celestial
            rows, columns = np.indices(plane.shape)
            expected = brightness(wcs.pixel_to_world(columns.ravel(), rows.ravel())).reshape(plane.shape)
            assert np.isfinite(plane).all(), place
            # A pixel of 0.5 degrees differs from its neighbour by up to 3; a row of CEA at the pole is 6 degrees high.
            assert np.abs(plane - expected).max() < (30 if name == "CEA" and abs(place[1]) > 80 else 6), place
            column, row = wcs.world_to_pixel(SkyCoord(*place, unit="deg"))
            assert (column, row) == pytest.approx(((plane.shape[1] - 1) / 2, (plane.shape[0] - 1) / 2), abs=0.51)


def test_zeros_around_the_ellipse_are_not_mixed_into_a_cut_out(tmp_path: Path) -> None:
    file = whole_sky(tmp_path / "map.fits", MAPS["AIT"], blank=0.0)
    with Mosaics([f"r={file}"]) as mosaics:
        plane = fits.getdata(io.BytesIO(mosaics.cut(Position(180.0, 20.0), fov_arcsec=8 * 3600)))[0]
    assert plane.min() > 300


@pytest.mark.parametrize("name", MAPS)
def test_positions_and_pixels_are_converted_both_ways(name: str) -> None:
    sky = read_sky(MAPS[name])
    rng = np.random.default_rng(0)
    places = np.stack([rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))], axis=1)
    pixels = sky.pixels(places)
    assert sky.holds(pixels).mean() > 0.99
    back = SkyCoord(sky.positions(*pixels.T), unit="deg")
    positions = np.isfinite(back.ra.deg)
    assert positions.mean() > 0.99
    assert back[positions].separation(SkyCoord(places[positions], unit="deg")).arcsec.max() < 1e-6
    corner = sky.positions(0.0, 0.0)[0]
    assert np.isnan(corner).all() != name.startswith("CAR")


def test_a_map_of_a_part_of_the_sky_does_not_hold_the_rest(tmp_path: Path) -> None:
    cards = header("CAR", NAXIS1=100, NAXIS2=60, CRPIX1=50.5, CRPIX2=30.5, CRVAL1=10.0)
    rows, columns = np.indices((60, 100))
    fits.PrimaryHDU((rows + columns).astype(np.float32), cards).writeto(tmp_path / "part.fits")
    with Mosaics([f"r={tmp_path / 'part.fits'}"]) as mosaics:
        assert fits.getdata(io.BytesIO(mosaics.cut(Position(350.0, 5.0), fov_arcsec=4 * 3600))).shape == (1, 8, 8)
        for position in (Position(200.0, 0.0), Position(10.0, 80.0)):
            with pytest.raises(ImageError, match="no r mosaic covers"):
                mosaics.cut(position, fov_arcsec=4 * 3600)
