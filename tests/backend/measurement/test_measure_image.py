"""Measurements of galaxies with known parameters, on images with sky coordinates and without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.measurement.cutouts import CutoutMaker
from backend.measurement.measure_image import ModelStamp, measure_objects
from backend.measurement.measured_object import MeasuredObject
from backend.measurement.psf_choice import PsfOptions
from backend.measurement.science import ScienceImage, read_science
from backend.measurement.sources import central_object, extract_objects
from sync.geometry.footprint import Footprint

Draw = Callable[..., NDArray[np.float32]]
MakeFits = Callable[..., bytes]

FLUX, ZERO_POINT = 20_000.0, 25.0


def measure(content: bytes) -> tuple[MeasuredObject, ModelStamp | None]:
    image = read_science(content, max_pixels=10**6)
    objects = extract_objects(image)
    central = central_object(objects, image.size)
    assert central is not None
    ((measurement, stamp),) = measure_objects(image, objects, [central], psf=PsfOptions())
    return measurement, stamp


@pytest.mark.slow
def test_a_disc_is_measured_within_its_errors(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    measurement, stamp = measure(make_fits(draw_galaxy(), rotation_deg=20.0))
    values = {name: each.value for name, each in measurement.values.items()}
    assert values["x"] == pytest.approx(50, abs=0.1)
    assert values["re_px"] == pytest.approx(6.0, rel=0.05)
    assert values["re_arcsec"] == pytest.approx(1.2, rel=0.05)
    assert values["sersic_n"] == pytest.approx(1.0, rel=0.1)
    assert values["axis_ratio"] == pytest.approx(0.6, abs=0.03)
    assert values["mag"] == pytest.approx(ZERO_POINT - 2.5 * np.log10(FLUX), abs=0.05)
    assert (measurement.psf_source, measurement.band) == ("header", "r")
    assert (measurement.ra, measurement.dec) == pytest.approx((150.0, 2.0), abs=1e-4)
    # 30 degrees from x towards y; east is at the left, and the header turns the sky by 20 degrees
    assert values["position_angle_deg"] == pytest.approx(120 + 20, abs=3)
    assert stamp is not None
    assert np.abs(np.nanmean(stamp.data - stamp.model)) < 0.2
    assert all(each.error is None or each.error > 0 for each in measurement.values.values())


@pytest.mark.slow
def test_an_image_without_zero_point_has_no_magnitude_and_a_reason(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    measurement, _ = measure(make_fits(draw_galaxy(), without=("MAGZERO", "CTYPE1", "CTYPE2")))
    assert "mag" not in measurement.values
    assert "zero point" in measurement.reasons["mag"]
    assert "re_arcsec" not in measurement.values
    assert measurement.ra is None
    assert measurement.values["position_angle_deg"].value == pytest.approx(30, abs=3)  # from x towards y of the array


def test_a_measurement_survives_the_cache(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    measurement, _ = measure(make_fits(draw_galaxy(size=(61, 61), centre=(30.0, 30.0))))
    assert MeasuredObject.from_json(measurement.to_json()) == measurement
    block = measurement.as_block()
    assert block.values["re_px"] == measurement.values["re_px"].value
    assert block.values["re_px_err"] == measurement.values["re_px"].error


def test_neighbours_are_masked_with_a_margin_and_never_the_object(draw_galaxy: Draw, make_fits: MakeFits) -> None:
    image: ScienceImage = read_science(make_fits(draw_galaxy()), max_pixels=10**6)
    objects = [Footprint(40, 40, np.ones((20, 20), bool)), Footprint(60, 45, np.ones((10, 10), bool))]
    cutout, window = CutoutMaker(image, objects, psf=None).cut(0)
    rows, columns = window.slices
    is_inside = np.zeros(image.plane.shape, bool)
    is_inside[rows, columns] = cutout.neighbour_mask
    assert is_inside[45:55, 60:70].all()
    assert is_inside[50, 71]  # beyond the outline
    assert not is_inside[40:60, 40:60].any()
    assert cutout.object_mask.sum() == 400
    assert cutout.zero_point == ZERO_POINT
