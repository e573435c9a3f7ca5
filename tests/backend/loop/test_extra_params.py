"""The check of a backend's extra params: a name or a value that is not read is named."""

from __future__ import annotations

from typing import Any

import pytest

from backend.loop.extra_params import check_extra_params, read_batch


@pytest.mark.parametrize(
    "params", [{}, {"audit": 0}, {"batch": 1}, {"batch": 25.0}, {"strategy": "badge"}, {"rare_first": True, "strategy": "bald"}]
)
def test_params_that_are_read_pass(params: dict[str, Any]) -> None:
    check_extra_params(params)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"bacth": 25}, "'bacth' is not an extra param: audit, batch, rare_first, strategy are"),
        ({"batch": 0}, "the extra param batch is a whole number of annotations, at least 1, not 0"),
        ({"batch": None}, "at least 1, not None"),
        ({"batch": "25"}, "at least 1, not '25'"),
        ({"batch": 2.5}, r"at least 1, not 2\.5"),
        ({"audit": 0.9}, "the extra param audit is a share"),
        ({"strategy": "best"}, "the extra param strategy is one of"),
    ],
)
def test_a_param_that_is_not_read_is_named(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_extra_params(params)


@pytest.mark.parametrize("batch", [True, [], {}, float("nan"), float("inf"), -3])
def test_a_batch_that_is_no_whole_number_is_not_read(batch: object) -> None:
    assert read_batch({"batch": batch}) is None
