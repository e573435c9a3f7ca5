"""Agreement of several annotators of one task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sync.export.consensus.agreement import Overlaps, class_agreement
from sync.export.consensus.votes import votes_of
from sync.export.reading.annotations import parse_annotations
from sync.export.records import ParsedAnnotation
from sync.geometry.shapes import Box
from sync.labelling.config import LabelConfig

SIZE = (40, 30)
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def read(config: LabelConfig, task: Say) -> Callable[..., list[ParsedAnnotation]]:
    return lambda *notes: parse_annotations(task(*notes), config, report=lambda reason, **_: pytest.fail(reason))


def test_krippendorffs_alpha_of_a_known_table(config: LabelConfig, read: Any, annotation: Say, region: Say) -> None:
    table = [("Spiral", "Spiral"), ("Smooth", "Smooth"), ("Spiral", "Smooth")]
    votes = [
        vote
        for number, labels in enumerate(table)
        for vote in votes_of(
            number, read(*(annotation(region("morphology", [label]), by=n) for n, label in enumerate(labels))), config
        )
    ]
    (agreement,) = class_agreement(votes)
    assert (agreement.topic, agreement.questions) == ("morphology", 3)
    assert agreement.alpha == pytest.approx(4 / 9)


def test_complete_agreement_is_one(config: LabelConfig, read: Any, annotation: Say, region: Say) -> None:
    annotations = read(*(annotation(region("morphology", ["Spiral"]), by=n) for n in range(3)))
    (agreement,) = class_agreement(list(votes_of(1, annotations, config)))
    assert agreement.alpha == 1


def test_an_empty_choice_disagrees_with_a_ticked_class(config: LabelConfig, read: Any, annotation: Say, region: Say) -> None:
    annotations = read(annotation(region("features", ["Bar"]), by=0), annotation(by=1))
    (agreement,) = class_agreement(list(votes_of(1, annotations, config)))
    assert (agreement.topic, agreement.questions) == ("features: Bar", 1)
    assert agreement.alpha < 1


def test_mean_overlap_is_over_matched_pairs(config: LabelConfig, read: Any, annotation: Say, region: Say) -> None:
    first = annotation(region("boxes", Box(0, 0, 10, 10), label="Star", size=SIZE), by=1)
    second = annotation(
        region("boxes", Box(0, 0, 10, 8), label="Star", size=SIZE),
        region("boxes", Box(20, 20, 5, 5), label="Star", size=SIZE),
        by=2,
    )
    overlaps = Overlaps()
    overlaps.add(read(first, second), config)
    (agreement,) = overlaps.agreement()
    assert (agreement.control, agreement.pairs, agreement.mean_overlap) == ("boxes", 1, pytest.approx(0.8))
    assert agreement.matched_share == pytest.approx(2 / 3)
