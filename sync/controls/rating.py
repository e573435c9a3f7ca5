"""`<Rating>`: stars for the whole image, 1 to the control's `maxRating`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sync.controls.bounds import round_to_step
from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region, finite, new_region, read_value
from sync.errors.controls import ControlError, quote

__all__ = [
    "KIND",
    "LARGEST",
    "NESTED",
    "RATES_INTEREST",
    "SMALLEST",
    "TAG",
    "bounds",
    "decode",
    "encode",
    "faults",
    "instruction",
]

TAG = "Rating"
KIND = Kind.NUMBER
NESTED = False
RATES_INTEREST = True
SMALLEST, LARGEST = 1, 5
"""Fewest stars, and most stars of a control without `maxRating`."""


def bounds(read: Callable[[str], float | None]) -> tuple[float | None, float | None, float | None]:
    """Return the fewest and the most stars, and 1, because stars are whole."""
    return SMALLEST, read("maxRating") or LARGEST, 1


def encode(rating: float, *, control: Control, score: float | None = None) -> Region:
    """Return the region of `rating`, rounded to whole stars within the control's bounds.

    Raises
    ------
    ControlError
        If `rating` is not finite.
    """
    finite(rating, of="a rating")
    return new_region(control, TAG, {"rating": round(round_to_step(float(rating), control))}, score=score)


def decode(region: Region) -> float:
    """Return the number of stars of an annotation; raise ControlError unless it is a whole number."""
    rating = read_value(region, TAG).get("rating")
    if isinstance(rating, bool) or not isinstance(rating, int | float) or rating % 1 != 0:
        raise ControlError(f"rating must be a whole number, not {quote(rating)}")
    try:
        return float(rating)
    except OverflowError as error:
        raise ControlError(f"rating must be a number of stars, not {quote(rating)}") from error


def faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield a fault if the page does not show that many stars."""
    nearest = round(round_to_step(float(value["rating"]), control))
    if value["rating"] != nearest:
        yield f"has the rating {value['rating']!r}, and {control.name!r} takes {nearest!r} at the nearest"


def instruction(control: Control) -> str:
    """Return the sentence that tells an annotator how to answer."""
    return f"Give {SMALLEST} to {control.maximum or LARGEST:g} stars with a click."
