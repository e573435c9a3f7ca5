"""Factors of the uncertainty by significance."""

from __future__ import annotations

import pytest
import torch

from backend.heads.restoration.spread import SpreadFactors

FACTORS = SpreadFactors((1.0, 100.0), (2.0, 1.0))


def test_the_factor_is_interpolated_in_the_logarithm_and_constant_beyond() -> None:
    significance = torch.tensor([0.0, 0.5, -1.0, 10.0, 1e4])
    assert FACTORS.scale(torch.ones(5), significance).tolist() == pytest.approx([2.0, 2.0, 2.0, 1.5, 1.0])


def test_the_unit_does_not_matter() -> None:
    significance, std = torch.tensor([3.0, 40.0]), torch.tensor([1.0, 2.0])
    assert torch.allclose(FACTORS.scale(1e-12 * std, significance), 1e-12 * FACTORS.scale(std, significance))


def test_stored_factors_are_the_same() -> None:
    assert SpreadFactors.from_json(FACTORS.as_json()) == FACTORS


@pytest.mark.parametrize(
    ("significance", "factor"), [((1.0, 1.0), (1.0, 1.0)), ((1.0,), (1.0, 2.0)), ((1.0,), (-1.0,)), ((), ())]
)
def test_invalid_factors_are_refused(significance: tuple[float, ...], factor: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="factors"):
        SpreadFactors(significance, factor)
