from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.extraction.deblend import divide


def peaks(*tops: tuple[int, float], width: int = 60) -> NDArray[np.float32]:
    """Return an image of constant columns with one peak per entry, each falling off by 0.02 per pixel."""
    columns = np.arange(width)
    line = np.max([height - 0.02 * np.abs(columns - place) for place, height in tops], axis=0).clip(0, None)
    return np.tile(line, (5, 1)).astype(np.float32)


def count(brightness: NDArray[np.float32], *, saddle: float = 0.5, rise: float = 0.05, floor: float = 0.1) -> int:
    return int(divide(brightness, brightness > 0.01, floor=floor, saddle=saddle, rise=rise).max())


def test_two_hills_with_a_deep_valley_are_two() -> None:
    assert count(peaks((10, 0.6), (50, 0.6))) == 2


def test_two_hills_with_a_shallow_valley_are_one() -> None:
    assert count(peaks((20, 0.6), (30, 0.6))) == 1


def test_a_small_hill_on_a_flank_counts_if_the_valley_lies_low_against_its_own_peak() -> None:
    assert count(peaks((10, 0.9), (55, 0.2)), saddle=0.7) == 2


def test_a_hill_that_rises_no_more_than_noise_is_merged() -> None:
    assert count(peaks((10, 0.9), (55, 0.2)), saddle=0.7, rise=0.19) == 1


def test_a_hill_below_the_floor_is_none() -> None:
    assert count(peaks((30, 0.09))) == 0


def test_numbers_go_down_with_the_peak() -> None:
    brightness = peaks((5, 0.5), (55, 0.8))
    segments = divide(brightness, brightness > 0.01, floor=0.1, saddle=0.5, rise=0.05)
    assert (segments[2, 55], segments[2, 5]) == (1, 2)


def test_only_detected_pixels_are_given_away() -> None:
    brightness = peaks((30, 0.9))
    detected = brightness > 0.5
    assert (divide(brightness, detected, floor=0.1, saddle=0.5, rise=0.05) > 0).tolist() == detected.tolist()


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_flat_top_is_one_hill(size: int) -> None:
    brightness = np.zeros((60, 60), np.float32)
    brightness[5 : 5 + size, 5 : 5 + size] = 1
    assert count(brightness) == 1
