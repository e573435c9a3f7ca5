"""The shipped network: its answers in one pass, and in place of fits that did not converge."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.heads.structure.batches import fit_prepared
from backend.heads.structure.fitted import DIVERGED
from backend.heads.structure.measure import estimate_structure
from backend.heads.structure.measurement import PROFILE, Cutout
from backend.heads.structure.preparation import Prepared, prepare
from backend.heads.structure.psf import gaussian_psf
from backend.heads.structure.shipped import estimate_prepared, guess_parameters

SIDE = 64


def exponential_disc(flux: float = 3000.0, scale_px: float = 4.0) -> Cutout:
    y, x = np.mgrid[:SIDE, :SIDE]
    light = np.exp(-np.hypot(x - 31.0, y - 32.5) / scale_px) * flux / (2 * np.pi * scale_px**2)
    image = light + np.random.default_rng(5).normal(size=light.shape)
    return Cutout(image, light > 1, np.zeros(light.shape, bool), gaussian_psf(2.0), pixel_scale_arcsec=0.1, zero_point=25.0)


@pytest.fixture(scope="module")
def preparation() -> Prepared:
    return prepare(exponential_disc())


def test_network_alone_answers_within_a_few_errors() -> None:
    result = estimate_structure([exponential_disc()])[0]
    assert result.method == "network"
    assert set(result.values) == set(PROFILE)
    radius = result.values["re_px"]
    assert radius.error is not None
    assert abs(radius.value - 1.678 * 4) < 4 * radius.error
    assert radius.value == pytest.approx(1.678 * 4, rel=0.3)


def test_guess_is_closer_than_the_moments(preparation: Prepared) -> None:
    guess = guess_parameters([preparation])[0]
    assert np.abs(guess[:2] - preparation.start[:2]).max() < 1
    assert np.exp(guess[2]) == pytest.approx(1.678 * 4, rel=0.3)


def test_invalid_guess_is_replaced_by_the_moments(preparation: Prepared) -> None:
    odd = dataclasses.replace(preparation, start=np.array([1e6, 1e6, *preparation.start[2:]]))
    assert guess_parameters([odd])[0] == pytest.approx(odd.start)


def test_fit_that_did_not_converge_is_replaced_by_the_network(preparation: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.heads.structure.fitting.MOST_STEPS", 0)
    (result,) = fit_prepared([preparation])
    assert result.method == "network"
    assert result.problem == ""


def test_failed_fit_stays_missing_where_the_network_does_not_describe_the_image(
    preparation: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.heads.structure.fitting.MOST_STEPS", 0)
    spiral = preparation.image.copy()
    spiral[::2] += 40 * preparation.object_mask[::2]
    monkeypatch.setattr("backend.heads.structure.batches.NETWORK_CHI2", 0.5)
    (result,) = fit_prepared([dataclasses.replace(preparation, image=spiral)])
    assert result.problem == DIVERGED


def test_nothing_gives_nothing() -> None:
    assert fit_prepared([]) == estimate_prepared([]) == []
