from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import taxonomy
from sync.errors.controls import ControlError
from sync.labelling.config import parse

(CONTROL,) = parse(
    '<View><Image name="image" value="$image"/><Taxonomy name="t" toName="image"><Choice value="Smooth"/>'
    '<Choice value="Disk"><Choice value="Spiral"/><Choice value="Edge-on"/></Choice></Taxonomy></View>'
).controls


@given(st.lists(st.sampled_from(CONTROL.paths), min_size=1, unique=True))
def test_encoded_values_are_decoded(paths: list[tuple[str, ...]]) -> None:
    region = taxonomy.encode(paths, control=CONTROL, score=0.5)
    assert region["value"] == {"taxonomy": [list(path) for path in paths]}
    assert taxonomy.decode(region) == tuple(paths)


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [([], "needs a path"), ([("Spiral",)], "no path"), ([("Disk", "Bar")], "no path")],
)
def test_a_path_that_the_tree_lacks_is_refused(paths: list[tuple[str, ...]], sentence: str) -> None:
    with pytest.raises(ControlError, match=sentence):
        taxonomy.encode(paths, control=CONTROL)


def test_a_taxonomy_of_one_use_takes_one_path() -> None:
    with pytest.raises(ControlError, match="takes one path, not 2"):
        taxonomy.encode([("Smooth",), ("Disk",)], control=replace(CONTROL, multiple=False))


@pytest.mark.parametrize("value", [None, [], "Disk", ["Disk"], [[]], [[1]], [[""]], [["Disk"], None]])
def test_invalid_lists_of_paths_are_rejected(value: Any) -> None:
    with pytest.raises(ControlError):
        taxonomy.decode({"type": "taxonomy", "value": {"taxonomy": value}})
