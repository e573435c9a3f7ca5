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


def test_two_peaks_with_a_deep_saddle_are_two_sources() -> None:
    assert count(peaks((10, 0.6), (50, 0.6))) == 2


def test_two_peaks_with_a_shallow_saddle_are_one_source() -> None:
    assert count(peaks((20, 0.6), (30, 0.6))) == 1


def test_a_small_peak_counts_if_the_saddle_is_low_relative_to_it() -> None:
    assert count(peaks((10, 0.9), (55, 0.2)), saddle=0.7) == 2


def test_a_peak_within_the_noise_is_merged() -> None:
    assert count(peaks((10, 0.9), (55, 0.2)), saddle=0.7, rise=0.19) == 1


def test_a_peak_below_the_threshold_does_not_count() -> None:
    assert count(peaks((30, 0.09))) == 0


def test_segments_are_numbered_by_descending_peak() -> None:
    brightness = peaks((5, 0.5), (55, 0.8))
    segments = divide(brightness, brightness > 0.01, floor=0.1, saddle=0.5, rise=0.05)
    assert (segments[2, 55], segments[2, 5]) == (1, 2)


def test_only_detected_pixels_belong_to_segments() -> None:
    brightness = peaks((30, 0.9))
    is_detected = brightness > 0.5
    assert (divide(brightness, is_detected, floor=0.1, saddle=0.5, rise=0.05) > 0).tolist() == is_detected.tolist()


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_flat_peak_is_one_peak(size: int) -> None:
    brightness = np.zeros((60, 60), np.float32)
    brightness[5 : 5 + size, 5 : 5 + size] = 1
    assert count(brightness) == 1
