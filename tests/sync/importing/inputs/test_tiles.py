"""Mosaics of observatories: extensions, cubes, scaled integers, overlapping tiles, bands without a name."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from sync.images.display import display
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.item import InputError
from sync.importing.inputs.mosaics import Mosaics


def cut(files: Sequence[str | Path], star: Position, *, fov_arcsec: float = 20) -> fits.PrimaryHDU:
    with Mosaics(files) as mosaics:
        return fits.open(io.BytesIO(mosaics.cut(star, fov_arcsec=fov_arcsec)))[0]


def bands(hdu: fits.PrimaryHDU) -> list[str]:
    return [hdu.header[f"BAND{number}"] for number in range(len(hdu.data))]


def sky(file: Path) -> tuple[Any, fits.Header]:
    with fits.open(file) as hdus:
        return hdus[0].data.copy(), hdus[0].header.copy()


def test_each_extension_is_a_band_of_its_name(mosaic: Callable[..., Path], star: Position, tmp_path: Path) -> None:
    data, header = sky(mosaic("one.fits"))
    file = tmp_path / "bands.fits"
    images = [fits.ImageHDU(data * factor, header, name=name) for name, factor in (("G", 1), ("R", 2), ("WEIGHT", 3))]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(file)
    hdu = cut([file], star)
    assert bands(hdu) == ["G", "R"]
    assert hdu.data[1] == pytest.approx(2 * hdu.data[0])


def test_each_plane_of_a_cube_is_a_band(mosaic: Callable[..., Path], star: Position, tmp_path: Path) -> None:
    data, header = sky(mosaic("one.fits"))
    file = tmp_path / "cube.fits"
    fits.PrimaryHDU(np.stack([data, 3 * data]), header).writeto(file)
    for number, name in enumerate("gr"):
        fits.setval(file, f"BAND{number}", value=name)
    hdu = cut([file], star)
    assert bands(hdu) == ["g", "r"]
    assert hdu.data[1] == pytest.approx(3 * hdu.data[0])


def test_two_detectors_of_one_filter_are_tiles(mosaic: Callable[..., Path], star: Position, tmp_path: Path) -> None:
    detectors = []
    for number, shift in enumerate((-5000.0, 0.0)):
        data, header = sky(mosaic("one.fits", shift_px=shift))
        detectors.append(fits.ImageHDU(data, header, name=f"CCD{number}"))
    file = tmp_path / "camera.fits"
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"FILTER": "F115W"})), *detectors]).writeto(file)
    assert bands(cut([file], star)) == ["F115W"]


def test_scaled_integers_are_read_and_blank_pixels_are_missing(
    mosaic: Callable[..., Path], star: Position, tmp_path: Path
) -> None:
    data, header = sky(mosaic("one.fits"))
    plain = cut([mosaic("one.fits")], star).data
    counts = tmp_path / "counts.fits"
    fits.PrimaryHDU(data.round().astype(np.uint16), header).writeto(counts)
    assert cut([counts], star).data == pytest.approx(plain, abs=0.5)
    blank = tmp_path / "blank.fits"
    values = data.round().astype(np.int16)
    values[values == values.max()] = -1
    fits.PrimaryHDU(values, header).writeto(blank)
    fits.setval(blank, "BLANK", value=-1)
    assert np.isnan(cut([blank], star).data).sum() == 1
    with fits.open(counts, mode="update", uint=True) as hdus:
        hdus[0].data[hdus[0].data == hdus[0].data.max()] = 0
        hdus[0].header["BLANK"] = -32768  # the stored value of 0
    assert np.isnan(cut([counts], star).data).sum() == 1


def test_the_fuller_of_two_tiles_is_cut_and_the_other_fills_its_gaps(mosaic: Callable[..., Path], star: Position) -> None:
    left, right = mosaic("left.fits", FILTER="r"), mosaic("right.fits", FILTER="r")
    values = cut([mosaic("whole.fits", FILTER="r")], star).data
    for file, blank_part in ((left, np.s_[:, 222:]), (right, np.s_[:, :222])):
        with fits.open(file, mode="update") as hdus:
            hdus[0].data[blank_part] = np.nan
    assert np.isnan(cut([left], star).data).any()
    for order in ([left, right], [right, left]):
        assert cut(order, star).data[0] == pytest.approx(values[0], nan_ok=True)


def test_two_files_of_a_place_need_a_name_for_their_bands(mosaic: Callable[..., Path], star: Position) -> None:
    files = [mosaic("COSMOS.g.fits"), mosaic("COSMOS.r.fits")]
    with pytest.raises(InputError, match="show the same field, and no FILTER or BAND distinguishes them"):
        Mosaics(files)
    assert bands(cut([f"{name}={file}" for name, file in zip("gr", files, strict=True)], star)) == ["g", "r"]


def test_a_small_mosaic_inside_a_large_one_without_a_band_is_rejected(mosaic: Callable[..., Path], tmp_path: Path) -> None:
    large = mosaic("COSMOS.g.fits")
    data, header = sky(large)
    header["CRPIX1"] -= 340
    header["CRPIX2"] -= 240
    small = tmp_path / "COSMOS.r.fits"
    fits.PrimaryHDU(data[240:, 340:], header).writeto(small)
    for files in ([large, small], [small, large]):
        with pytest.raises(InputError, match="show the same field"):
            Mosaics(files)


def test_neighbours_without_a_band_are_tiles(mosaic: Callable[..., Path], star: Position) -> None:
    files = [mosaic("COSMOS.1.fits", shift_px=-390.0), mosaic("COSMOS.2.fits")]
    assert bands(cut(files, star)) == ["COSMOS"]


def test_bands_of_one_file_under_one_filter_are_rejected(mosaic: Callable[..., Path], tmp_path: Path) -> None:
    data, header = sky(mosaic("one.fits"))
    images = [fits.ImageHDU(data, header, name=name) for name in "GRI"]
    file = tmp_path / "bands.fits"
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"FILTER": "gri"})), *images]).writeto(file)
    with pytest.raises(InputError, match=r"bands.fits holds several images of the same field, all called gri"):
        Mosaics([file])


def test_a_cut_out_keeps_photometric_cards_on_which_the_bands_agree(mosaic: Callable[..., Path], star: Position) -> None:
    files = [mosaic(f"{band}.fits", FILTER=band, MAGZERO=25.5, EXPTIME=time) for band, time in (("g", 30.0), ("r", 60.0))]
    alone, together = cut(files[:1], star).header, cut(files, star).header
    assert (alone["MAGZERO"], alone["EXPTIME"]) == (25.5, 30.0)
    assert together["MAGZERO"] == 25.5
    assert "EXPTIME" not in together


def test_values_keep_their_precision(mosaic: Callable[..., Path], star: Position, tmp_path: Path) -> None:
    data, header = sky(mosaic("one.fits"))
    fine = tmp_path / "fine.fits"
    fits.PrimaryHDU(data + np.float64(1e9), header).writeto(fine)
    assert cut([fine], star).data.astype("f8") - 1e9 == pytest.approx(cut([mosaic("one.fits")], star).data, abs=1e-4)


def test_bands_in_different_units_keep_their_own(mosaic: Callable[..., Path], star: Position) -> None:
    files = [mosaic("g.fits", FILTER="g", BUNIT="nJy"), mosaic("r.fits", FILTER="r", BUNIT="adu")]
    with Mosaics(files) as mosaics:
        picture = display(mosaics.cut(star, fov_arcsec=10), stretch="lupton")
    assert (picture.data["bands"], picture.data["unit"]) == (["g", "r"], "nJy, adu")


@pytest.mark.parametrize(("unit", "conserved_quantity"), [("nJy", "sum"), ("MJy/sr", "peak")])
def test_resampling_conserves_flux_or_surface_brightness(
    mosaic: Callable[..., Path], star: Position, tmp_path: Path, unit: str, conserved_quantity: str
) -> None:
    data, header = sky(mosaic("fine.fits"))
    rows, columns = np.indices(data.shape) - np.array(np.unravel_index(data.argmax(), data.shape))[:, None, None]
    smooth = np.exp(-(rows**2 + columns**2) / 800)
    fine, coarse = tmp_path / "a.fits", tmp_path / "b.fits"
    fits.PrimaryHDU(smooth, header).writeto(fine)
    rough = header.copy()
    for axis in (1, 2):
        rough[f"CRPIX{axis}"] = (header[f"CRPIX{axis}"] - 0.5) / 2 + 0.5
        rough[f"CDELT{axis}"] = header[f"CDELT{axis}"] * 2
    fits.PrimaryHDU(np.zeros((150, 200)), rough).writeto(coarse)
    for file, name in ((fine, "r"), (coarse, "g")):
        fits.setval(file, "FILTER", value=name)
        fits.setval(file, "BUNIT", value=unit)
    pixels = cut([coarse, fine], star, fov_arcsec=90).data[1]
    assert pixels.shape == (90, 90)
    expected = {"sum": smooth.sum(), "peak": smooth.max()}[conserved_quantity]
    assert {"sum": pixels.sum(), "peak": pixels.max()}[conserved_quantity] == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["nJy", "MJy/sr"])
def test_a_star_between_the_pixels_of_the_first_band_is_not_lost(
    mosaic: Callable[..., Path], star: Position, tmp_path: Path, unit: str
) -> None:
    coarse = mosaic("a.fits", FILTER="g", BUNIT=unit)
    _, header = sky(coarse)
    fine = tmp_path / "b.fits"
    for axis in (1, 2):
        header[f"CRPIX{axis}"] = (header[f"CRPIX{axis}"] - 0.5) * 5 + 0.5
        header[f"CDELT{axis}"] /= 5
    header["FILTER"] = "r"
    values = np.zeros((1500, 2000), np.float32)
    x, y = WCS(header).world_to_pixel(SkyCoord(star.ra, star.dec, unit="deg"))
    for aside in range(5):
        values[:] = 0
        values[round(float(y)), round(float(x)) + aside] = 1000  # nJy in one pixel of 0.1 arcsec
        fits.PrimaryHDU(values, header).writeto(fine, overwrite=True)
        area = 1 if unit == "nJy" else 25
        assert cut([coarse, fine], star).data[1].sum() * area == pytest.approx(1000, rel=1e-3)


@pytest.mark.parametrize("distortion", ["SIP", "TPV"])
def test_cut_outs_of_a_distorted_mosaic_keep_the_distortion(
    mosaic: Callable[..., Path], star: Position, distortion: str
) -> None:
    file = mosaic("r.fits")
    if distortion == "SIP":
        cards = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-6, "B_0_2": 1e-6}
    else:
        cards = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV2_1": 1.0, "PV1_4": 1e-4}
    for name, value in cards.items():
        fits.setval(file, name, value=value)
    with Mosaics([file]) as mosaics:
        picture = display(mosaics.cut(star, fov_arcsec=20), stretch="lupton")
    assert picture.data["pixel_scale_arcsec"] == pytest.approx(0.5, rel=1e-3)
    card = "A_2_0" if distortion == "SIP" else "PV1_4"
    assert picture.data["wcs"][card] == pytest.approx(cards[card])


def test_solar_coordinates_are_rejected(mosaic: Callable[..., Path]) -> None:
    file = mosaic("sun.fits")
    for axis, kind in ((1, "HPLN-TAN"), (2, "HPLT-TAN")):
        fits.setval(file, f"CTYPE{axis}", value=kind)
    with pytest.raises(InputError, match="no celestial coordinates"):
        Mosaics([file])


def test_other_names_of_systems_are_read(mosaic: Callable[..., Path], star: Position) -> None:
    plain = cut([mosaic("r.fits")], star)
    hdu = cut([mosaic("r.fits", RADESYS="J2000")], star)
    assert hdu.data.shape == plain.data.shape
    assert hdu.header["RADESYS"] == "FK5"
