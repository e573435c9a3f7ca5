"""Measurements of simulated galaxies with known parameters, and cut-outs that cannot be measured."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from backend.heads.structure.measure import measure_structure
from backend.heads.structure.measurement import INDICES, PROFILE, QUANTITIES, Cutout, StructureMeasurement
from backend.heads.structure.parameters import logit_of_index, shape_of
from backend.heads.structure.psf import gaussian_psf
from backend.heads.structure.render import grid_side, make_canvas, psf_transform, render

pytestmark = pytest.mark.slow

SIDE = 72
TRUE = {"x": 36.4, "y": 33.7, "re_px": 6.0, "sersic_n": 2.0, "axis_ratio": 0.6, "position_angle_deg": 30.0, "mag": 17.5}


def galaxy(*, noise: float = 1.0, flux: float = 4000.0, seed: int = 1) -> Cutout:
    canvas = make_canvas(grid_side((SIDE, SIDE), TRUE["re_px"]), (SIDE, SIDE))
    psf = gaussian_psf(3.0)
    shape = shape_of(TRUE["axis_ratio"], TRUE["position_angle_deg"])
    radius = math.log(TRUE["re_px"] * math.sqrt(TRUE["axis_ratio"]))
    parameters = torch.tensor([[TRUE["x"], TRUE["y"], radius, *shape, logit_of_index(TRUE["sersic_n"]), flux, 0.0]])
    light = render(parameters, psf_transform(psf.pixels, canvas.side)[None], canvas)[0].numpy()
    image = (light + 7 + np.random.default_rng(seed).normal(0, noise, light.shape)).astype(np.float32)
    zero_point = TRUE["mag"] + 2.5 * math.log10(flux)
    return Cutout(image, light > 1, np.zeros((SIDE, SIDE), bool), psf, pixel_scale_arcsec=0.2, zero_point=zero_point)


@pytest.fixture(scope="module")
def measurement() -> StructureMeasurement:
    return measure_structure([galaxy()])[0]


def test_values_are_true_within_three_errors(measurement: StructureMeasurement) -> None:
    for name, true in TRUE.items():
        value = measurement.values[name]
        assert value.error is not None
        assert abs(value.value - true) < 3 * value.error, name
    assert measurement.values["re_px"].value == pytest.approx(TRUE["re_px"], rel=0.05)
    assert measurement.values["sky"].value == pytest.approx(7, abs=0.3)
    assert measurement.psf_source == "seeing"
    assert measurement.method == "fit"


def test_every_quantity_has_a_value_or_a_reason(measurement: StructureMeasurement) -> None:
    assert set(measurement.values) == set(QUANTITIES)
    assert not measurement.reasons
    assert all(measurement.values[name].error is None for name in INDICES)


def test_arcsec_are_pixels_times_the_scale(measurement: StructureMeasurement) -> None:
    pixels, arcsec = measurement.values["re_px"], measurement.values["re_arcsec"]
    assert (arcsec.value, arcsec.error) == pytest.approx((0.2 * pixels.value, 0.2 * pixels.error))  # type: ignore[operator]


def test_residual_of_the_model_is_noise(measurement: StructureMeasurement) -> None:
    assert measurement.model is not None
    residual = galaxy().image - measurement.model
    assert residual.std() == pytest.approx(1, abs=0.03)
    assert abs(residual.mean()) < 0.05


def test_brighter_image_has_smaller_errors_and_no_noise_of_its_own_is_needed() -> None:
    bright, faint = measure_structure([galaxy(flux=20000), dataclasses.replace(galaxy(flux=1000), noise_sigma=1.0)])
    assert bright.values["re_px"].error < faint.values["re_px"].error / 5  # type: ignore[operator]


def test_without_scale_and_zero_point_magnitude_and_arcsec_have_a_reason() -> None:
    bare = dataclasses.replace(galaxy(), pixel_scale_arcsec=None, zero_point=None)
    result = measure_structure([bare])[0]
    assert "zero point" in result.reasons["mag"]
    assert "pixel scale" in result.reasons["re_arcsec"]
    assert "re_px" in result.values


def test_zero_point_of_another_unit_gives_a_reason_and_no_magnitude() -> None:
    result = measure_structure([dataclasses.replace(galaxy(), zero_point=89.0)])[0]
    assert "mag" not in result.values
    assert "the zero point 89 gives a magnitude of" in result.reasons["mag"]


def with_pixels(**changes: object) -> Cutout:
    return dataclasses.replace(galaxy(), **changes)  # type: ignore[arg-type]


def single_pixel() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[30, 30] = True
    return mask


@pytest.mark.parametrize(
    ("cutout", "reason"),
    [
        (with_pixels(image=np.full((SIDE, SIDE), 3.0)), "same value"),
        (with_pixels(image=np.full((SIDE, SIDE), np.nan)), "no valid pixel"),
        (with_pixels(object_mask=single_pixel()), "1 pixels"),
        (with_pixels(object_mask=np.zeros((SIDE, SIDE), bool)), "0 pixels"),
        (with_pixels(neighbour_mask=np.ones((SIDE, SIDE), bool)), "no valid pixel"),
        (with_pixels(neighbour_mask=np.zeros((9, 9), bool)), "differ in shape"),
        (with_pixels(image=np.random.default_rng(0).normal(size=(SIDE, SIDE))), "no significant light"),
        (with_pixels(psf=gaussian_psf(90.0)), "larger than the image"),
        (with_pixels(image=np.where(galaxy().object_mask, np.nan, galaxy().image)), "usable"),
    ],
)
def test_unusable_cutout_has_reasons_and_no_values(cutout: Cutout, reason: str) -> None:
    result, usable = measure_structure([cutout, galaxy()])
    assert not result.values
    assert set(result.reasons) == set(QUANTITIES)
    assert all(reason in text for text in result.reasons.values())
    assert set(PROFILE) <= set(usable.values)


def test_only_the_wanted_quantities_are_returned() -> None:
    result = measure_structure([galaxy()], quantities=("re_px", "mag"))[0]
    assert set(result.values) == {"re_px", "mag"}
    assert not result.reasons


def test_missing_pixels_and_neighbours_do_not_count() -> None:
    cutout = galaxy()
    image, neighbour = cutout.image.copy(), np.zeros((SIDE, SIDE), bool)
    image[10:14, 30:60] = np.nan
    image[50:60, 50:60] += 80
    neighbour[49:61, 49:61] = True
    result = measure_structure([dataclasses.replace(cutout, image=image, neighbour_mask=neighbour)])[0]
    assert result.values["re_px"].value == pytest.approx(TRUE["re_px"], rel=0.05)


def test_neighbour_without_a_mask_is_detected_and_left_out() -> None:
    cutout = galaxy()
    y, x = np.mgrid[:SIDE, :SIDE]
    image = cutout.image + 60 * np.exp(-((x - 62) ** 2 + (y - 58) ** 2) / 8).astype(np.float32)
    result = measure_structure([dataclasses.replace(cutout, image=image)])[0]
    assert result.values["re_px"].value == pytest.approx(TRUE["re_px"], rel=0.05)


def test_saturated_core_is_left_out() -> None:
    cutout = galaxy(flux=20000)
    clipped_image = np.minimum(cutout.image, np.sort(cutout.image.ravel())[-9])
    result = measure_structure([dataclasses.replace(cutout, image=clipped_image)])[0]
    assert result.values["mag"].value == pytest.approx(TRUE["mag"], abs=0.06)
    assert result.values["sersic_n"].value == pytest.approx(TRUE["sersic_n"], rel=0.15)


def test_galaxy_that_needs_a_huge_window_has_a_reason() -> None:
    image = np.random.default_rng(0).normal(5, 1, (900, 900)).astype(np.float32)
    mask = np.zeros(image.shape, bool)
    mask[200:700, 200:700] = True
    image[mask] += 3
    result = measure_structure([Cutout(image, mask, np.zeros_like(mask), gaussian_psf(2.0))])[0]
    assert all("at most 800" in reason for reason in result.reasons.values())
    assert not result.values


def test_half_light_radius_of_one_pixel_is_measured() -> None:
    canvas, psf = make_canvas(96, (48, 48)), gaussian_psf(2.5)
    parameters = torch.tensor([[24.2, 23.9, 0.0, 0.0, 0.0, logit_of_index(4.0), 5000.0, 0.0]])
    light = render(parameters, psf_transform(psf.pixels, 96)[None], canvas)[0].numpy()
    image = light + np.random.default_rng(3).normal(0, 1, light.shape)
    result = measure_structure([Cutout(image, light > 1, np.zeros_like(light, bool), psf)])[0]
    value = result.values["re_px"]
    assert value.error is not None
    assert abs(value.value - 1) < 3 * value.error < 0.6


def test_object_that_is_sharper_than_the_psf_has_no_shape() -> None:
    image = np.random.default_rng(0).normal(0, 1, (SIDE, SIDE))
    image[36, 36] += 400  # a cosmic ray
    mask = np.zeros((SIDE, SIDE), bool)
    mask[35:38, 35:38] = True
    cutout = Cutout(
        image.astype(np.float32), mask, np.zeros_like(mask), gaussian_psf(3.0), pixel_scale_arcsec=0.2, zero_point=25
    )
    result = measure_structure([cutout], quantities=PROFILE)[0]
    for name in ("re_px", "re_arcsec", "sersic_n", "axis_ratio", "position_angle_deg"):
        assert name not in result.values
        assert "not larger than the PSF" in result.reasons[name]
