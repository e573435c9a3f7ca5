"""Ratings: stars from 1 to the control's maximum."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import rating
from sync.errors.controls import ControlError
from sync.labelling.config import parse
from sync.labelling.reading import read_region

CONFIG = '<View><Image name="image" value="$image"/><Rating name="interest" toName="image" {0}/></View>'
(STARS,) = parse(CONFIG.format("")).controls
(TEN,) = parse(CONFIG.format('maxRating="10"')).controls


@given(st.integers(1, 5))
def test_an_encoded_rating_is_decoded(stars: int) -> None:
    region = rating.encode(stars, control=STARS)
    assert rating.decode(region) == read_region(region, STARS) == stars
    assert not list(rating.faults(region["value"], STARS))


@pytest.mark.parametrize(("prediction", "stars"), [(-3.0, 1), (2.4, 2), (2.6, 3), (99.0, 5)])
def test_a_predicted_rating_is_a_whole_number_of_stars(prediction: float, stars: int) -> None:
    assert rating.encode(prediction, control=STARS)["value"] == {"rating": stars}


def test_the_config_states_the_most_stars() -> None:
    assert rating.encode(8, control=TEN)["value"] == {"rating": 8}
    assert (STARS.minimum, STARS.maximum, TEN.maximum) == (1, 5, 10)


@pytest.mark.parametrize("value", [None, "many", True, [3], 2.5, float("nan"), float("inf"), 10**400])
def test_an_invalid_rating_is_refused(value: Any) -> None:
    with pytest.raises(ControlError):
        read_region({"type": "rating", "value": {"rating": value}}, STARS)


@pytest.mark.parametrize("value", [0, 6])
def test_a_rating_outside_the_stars_is_refused(value: int) -> None:
    with pytest.raises(ControlError, match="takes numbers from 1 to 5"):
        read_region({"type": "rating", "value": {"rating": value}}, STARS)


def test_a_rating_as_text_is_read() -> None:
    assert read_region({"type": "rating", "value": {"rating": "4"}}, STARS) == 4
