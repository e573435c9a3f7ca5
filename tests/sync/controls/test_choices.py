from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import choices
from sync.errors.controls import ControlError
from sync.labelling.config import Control, Label

LABELS = tuple(Label(name) for name in ("Spiral", "Elliptical", "Merger"))
SINGLE = Control(name="m", to_name="image", tag="Choices", labels=LABELS)
MULTIPLE = Control(name="m", to_name="image", tag="Choices", labels=LABELS, multiple=True)


def test_a_choice_is_written_as_label_studio_stores_it() -> None:
    region = choices.encode(["Spiral"], control=SINGLE, score=0.7)
    assert len(region.pop("id")) >= 10
    assert region == {
        "from_name": "m",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": ["Spiral"]},
        "score": 0.7,
    }


def test_ids_are_new_each_time() -> None:
    assert len({choices.encode(["Spiral"], control=SINGLE)["id"] for _ in range(100)}) == 100


@given(st.lists(st.sampled_from([label.value for label in LABELS]), min_size=1, unique=True))
def test_encoded_values_are_decoded(labels: list[str]) -> None:
    assert choices.decode(choices.encode(labels, control=MULTIPLE)) == tuple(labels)


@pytest.mark.parametrize(
    ("labels", "control", "sentence"),
    [
        ([], SINGLE, "needs a label"),
        (["Spiral", "Merger"], SINGLE, "takes one label, not 2"),
        (["Spiral", "Spiral"], MULTIPLE, "twice"),
        (["Cat"], SINGLE, "no label 'Cat'"),
        (["Spiral"], Control(name="n", to_name="image", tag="BrushLabels", labels=LABELS), "is a BrushLabels"),
    ],
)
def test_unsupported_labels_are_rejected(labels: list[str], control: Control, sentence: str) -> None:
    with pytest.raises(ControlError, match=sentence):
        choices.encode(labels, control=control)


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_outside_0_to_1_is_refused(score: float) -> None:
    with pytest.raises(ControlError, match="score"):
        choices.encode(["Spiral"], control=SINGLE, score=score)


@pytest.mark.parametrize(
    "region",
    [
        None,
        [],
        {},
        {"type": "taxonomy", "value": {"choices": ["A"]}},
        {"type": ["choices"], "value": {"choices": ["A"]}},
        {"type": "choices"},
        {"type": "choices", "value": ["A"]},
        {"type": "choices", "value": {}},
        {"type": "choices", "value": {"choices": "A"}},
        {"type": "choices", "value": {"choices": []}},
        {"type": "choices", "value": {"choices": [1]}},
        {"type": "choices", "value": {"choices": [""]}},
        {"type": "choices", "value": {"choices": [["A", "B"]]}},
    ],
)
def test_invalid_choices_are_rejected(region: Any) -> None:
    with pytest.raises(ControlError):
        choices.decode(region)
