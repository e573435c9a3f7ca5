"""Images of the model against finely sampled profiles of astropy, and derivatives against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from astropy.modeling.models import Sersic2D
from scipy.signal import fftconvolve

from backend.heads.structure.parameters import PARAMETERS, logit_of_index, shape_of
from backend.heads.structure.render import grid_side, make_canvas, psf_transform, render, render_with_derivatives
from backend.heads.structure.sersic import intensity_scale, light_scale

SIDE, FINER, SIGMA_PX = 41, 9, 1.1
CENTRE = (20.3, 19.8)


def gaussian(step_px: float) -> np.ndarray:
    reach = int(6 * SIGMA_PX / step_px)
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step_px / SIGMA_PX) ** 2)
    return np.outer(line, line) / line.sum() ** 2


def exact_image(re_px: float, index: float, axis_ratio: float, angle_deg: float) -> np.ndarray:
    """Convolve the profile and a Gaussian on a grid `FINER` than the pixels, and finer still at the cusp."""
    amplitude = intensity_scale(index) / (re_px**2 * axis_ratio) * math.exp(-light_scale(index))
    profile = Sersic2D(amplitude, re_px, index, *CENTRE, 1 - axis_ratio, math.radians(angle_deg))
    places = (np.arange(SIDE * FINER) + 0.5) / FINER - 0.5
    x, y = np.meshgrid(places, places)
    fine = profile(x, y)
    column, row = (round((centre + 0.5) * FINER - 0.5) for centre in CENTRE)
    parts = ((np.arange(41) + 0.5) / 41 - 0.5) / FINER
    for i in range(row - 4, row + 5):
        for j in range(column - 4, column + 5):
            fine[i, j] = profile(*np.meshgrid(places[j] + parts, places[i] + parts)).mean()
    return fftconvolve(fine, gaussian(1 / FINER), mode="same")[FINER // 2 :: FINER, FINER // 2 :: FINER]


def model(re_px: float, index: float, axis_ratio: float, angle_deg: float) -> torch.Tensor:
    radius = math.log(re_px * math.sqrt(axis_ratio))
    shape = shape_of(axis_ratio, angle_deg)
    return torch.tensor([[*CENTRE, radius, *shape, logit_of_index(index), 1.0, 0.0]])


@pytest.mark.parametrize(
    ("re_px", "index", "axis_ratio"),
    [(1.0, 1.0, 0.8), (1.0, 4.0, 0.8), (1.0, 6.0, 0.9), (3.0, 0.5, 0.5), (3.0, 6.0, 0.4), (4.0, 0.3, 0.5), (5.0, 2.5, 0.2)],
)
def test_image_equals_a_finely_sampled_profile(re_px: float, index: float, axis_ratio: float) -> None:
    canvas = make_canvas(grid_side((SIDE, SIDE), re_px), (SIDE, SIDE))
    image = render(model(re_px, index, axis_ratio, 35.0), psf_transform(gaussian(1.0), canvas.side)[None], canvas)[0].numpy()
    exact = exact_image(re_px, index, axis_ratio, 35.0)
    assert np.abs(image - exact).max() < 3e-3 * exact.max()


def test_total_light_is_the_flux_and_the_sky_is_added() -> None:
    canvas = make_canvas(128, (SIDE, SIDE))
    parameters = model(2.0, 1.0, 0.7, 10.0)
    parameters[0, 6:] = torch.tensor([50.0, 3.0])
    image = render(parameters, psf_transform(gaussian(1.0), 128)[None], canvas)[0]
    assert float((image - 3).sum()) == pytest.approx(50, rel=1e-3)


@pytest.mark.parametrize("axis_ratio", [0.999999, 0.6, 0.15])
def test_derivatives_equal_differences(axis_ratio: float) -> None:
    canvas = make_canvas(96, (SIDE, SIDE))
    psf = psf_transform(gaussian(1.0), 96)[None]
    parameters = model(4.0, 2.0, axis_ratio, 70.0)
    _, derivatives = render_with_derivatives(parameters, psf, canvas)
    for number, name in enumerate(PARAMETERS):
        step = torch.zeros(len(PARAMETERS))
        step[number] = 0.02
        difference = (render(parameters + step, psf, canvas) - render(parameters - step, psf, canvas))[0] / 0.04
        assert torch.allclose(derivatives[0, number], difference, atol=2e-3 * float(difference.abs().max())), name


def test_larger_galaxy_gets_a_larger_grid() -> None:
    assert grid_side((96, 96), 1.0) < grid_side((96, 96), 15.0)
    assert grid_side((900, 900), 300.0) >= 900
