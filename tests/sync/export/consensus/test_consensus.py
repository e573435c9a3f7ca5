"""The exported annotation of tasks with several annotators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sync.export.consensus.consensus import CONSENSUS
from sync.export.consensus.votes import newest_of_each, votes_of
from sync.export.reading.annotations import parse_annotations
from sync.export.records import ParsedAnnotation
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Mask, Point
from sync.labelling.config import LabelConfig, parse

SIZE = (40, 30)
Say = Callable[..., dict[str, Any]]
Decide = Callable[..., list[list[ParsedAnnotation]]]


@pytest.fixture
def read(config: LabelConfig, task: Say) -> Callable[..., list[ParsedAnnotation]]:
    return lambda *notes: parse_annotations(task(*notes), config, report=lambda reason, **_: pytest.fail(reason))


@pytest.fixture
def decide(config: LabelConfig, read: Any) -> Decide:
    """Return a function that decides on tasks, each given by its annotations."""

    def of(how: str, *tasks: list[dict[str, Any]]) -> list[list[ParsedAnnotation]]:
        annotations_of = [read(*notes) for notes in tasks]
        votes = [
            vote
            for number, annotations in enumerate(annotations_of)
            for vote in votes_of(number, newest_of_each(annotations), config)
        ]
        decision = CONSENSUS[how](votes, config)
        return [decision(number, annotations) for number, annotations in enumerate(annotations_of)]

    return of


def mask_of(rows: slice, columns: slice) -> Mask:
    mask = np.zeros((30, 40), dtype=bool)
    mask[rows, columns] = True
    return mask


def test_latest_keeps_the_newest_annotation_and_all_keeps_all(decide: Decide, annotation: Say, region: Say) -> None:
    notes = [
        annotation(region("morphology", [label]), by=by, at=f"2026-11-0{day}T00:00:00Z")
        for by, label, day in ((1, "Spiral", 3), (2, "Smooth", 4), (3, "Merger", 2))
    ]
    assert [each.answers[0].labels for each in decide("latest", notes)[0]] == [("Smooth",)]
    assert [each.answers[0].labels for each in decide("all", notes)[0]] == [("Merger",), ("Spiral",), ("Smooth",)]


@pytest.mark.parametrize("how", ["majority", "dawid-skene"])
def test_a_single_annotation_is_unchanged(decide: Decide, read: Any, annotation: Say, region: Say, how: str) -> None:
    note = annotation(region("morphology", ["Spiral"]), region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE))
    ((decision,),) = decide(how, [note])
    assert decision.number == note["id"]
    assert decision.regions == tuple(note["result"])


def test_the_majority_gives_the_class_and_its_share(decide: Decide, annotation: Say, region: Say) -> None:
    notes = [annotation(region("morphology", [label]), by=n) for n, label in enumerate(["Spiral", "Smooth", "Spiral"])]
    ((decision,),) = decide("majority", notes)
    (answer,) = decision.answers
    assert (answer.labels, answer.probability) == (("Spiral",), pytest.approx(2 / 3))
    assert answer.provenance.annotators == (0, 1, 2)


def test_a_tie_goes_to_the_newest(decide: Decide, annotation: Say, region: Say) -> None:
    for newest in ("Spiral", "Smooth"):
        second = {"Spiral": "Smooth", "Smooth": "Spiral"}[newest]
        notes = [
            annotation(region("morphology", [second]), by=1, at="2026-11-01T00:00:00Z"),
            annotation(region("morphology", [newest]), by=2, at="2026-11-02T00:00:00Z"),
        ]
        assert decide("majority", notes)[0][0].answers[0].labels == (newest,)


def test_each_annotator_votes_once(decide: Decide, annotation: Say, region: Say) -> None:
    notes = [
        annotation(region("morphology", [label]), by=by, at=f"2026-11-0{day}T00:00:00Z")
        for by, label, day in ((1, "Spiral", 1), (1, "Spiral", 2), (2, "Smooth", 1), (3, "Smooth", 1))
    ]
    assert decide("majority", notes)[0][0].answers[0].labels == ("Smooth",)


def test_classes_are_voted_on_one_by_one_and_numbers_give_the_median(decide: Decide, annotation: Say, region: Say) -> None:
    votes = [(["Bar"], 1.0), (["Bar", "Ring"], 2.0), (["Bar"], 9.0)]
    notes = [annotation(region("features", labels), region("redshift", z), by=n) for n, (labels, z) in enumerate(votes)]
    ((consensus,),) = decide("majority", notes)
    features, redshift = consensus.answers
    assert features.labels == ("Bar",)
    assert redshift.number == 2.0


def test_paths_of_a_taxonomy_are_voted_on_whole(decide: Decide, annotation: Say, region: Say) -> None:
    paths = [("Featured", "Arms"), ("Featured", "Arms"), ("Round",)]
    ((consensus,),) = decide("majority", [annotation(region("tree", [path]), by=n) for n, path in enumerate(paths)])
    assert consensus.answers[0].labels == ("Featured/Arms",)


@pytest.mark.parametrize("how", ["majority", "dawid-skene"])
def test_an_empty_choice_is_a_vote_against(decide: Decide, annotation: Say, region: Say, how: str) -> None:
    """Label Studio stores no region for such an annotator, of this control or, if it is the only one, of any control."""
    notes = [annotation(region("features", ["Bar"]), by=0), annotation(region("redshift", 0.5), by=1), annotation(by=2)]
    ((consensus,),) = decide(how, notes)
    assert [answer.control for answer in consensus.answers] == ["redshift"]


def test_an_empty_choice_lowers_the_share_of_the_majority(decide: Decide, annotation: Say, region: Say) -> None:
    notes = [annotation(region("features", ["Bar"]), by=n) for n in range(2)] + [annotation(by=2)]
    ((consensus,),) = decide("majority", notes)
    (answer,) = consensus.answers
    assert (answer.labels, answer.probability) == (("Bar",), pytest.approx(2 / 3))


def test_an_empty_single_choice_does_not_vote(decide: Decide, annotation: Say, region: Say) -> None:
    ((consensus,),) = decide(
        "majority", [annotation(region("morphology", ["Spiral"]), by=0), annotation(by=1), annotation(by=2)]
    )
    assert consensus.answers[0].labels == ("Spiral",)


def test_a_shape_that_cannot_be_encoded_keeps_its_region(decide: Decide, annotation: Say, region: Say) -> None:
    """For example a rotated box whose corner is left of the image."""
    notes = []
    for by, label in enumerate(["Star", "Galaxy", "Galaxy"]):
        box = region("boxes", Box(0, 5, 20, 10, 350), label=label, size=SIZE)
        box["value"]["x"] = -2.5
        notes.append(annotation(box, region("morphology", ["Spiral"]), by=by))
    ((consensus,),) = decide("majority", notes)
    (obj,) = consensus.objects
    assert (consensus.answers[0].labels, obj.label, obj.probability) == (("Spiral",), "Galaxy", pytest.approx(2 / 3))
    assert obj.id == obj.region["id"]
    assert obj.region["value"] == {**notes[2]["result"][0]["value"], "rectanglelabels": ["Galaxy"]}
    assert obj.region["id"] in {note["result"][0]["id"] for note in notes}
    assert isinstance(obj.shape, Box)
    assert obj.shape.x == pytest.approx(-1)


def test_classes_from_the_task_data_are_voted_on(annotation: Say, region: Say, task: Say) -> None:
    config = parse(
        '<View><Image name="image" value="$image"/><Taxonomy name="tree" toName="image" value="$classes"/>'
        '<RectangleLabels name="boxes" toName="image" value="$classes"/></View>'
    )
    tree = {"from_name": "tree", "to_name": "image", "type": "taxonomy", "value": {"taxonomy": [["Lenticular", "S0/a"]]}}
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    box["value"]["rectanglelabels"] = ["Quasar"]
    notes = [annotation(tree, box, by=n) for n in range(2)]
    annotations = parse_annotations(task(*notes), config, report=lambda reason, **_: pytest.fail(reason))
    (consensus,) = CONSENSUS["majority"](list(votes_of(1, annotations, config)), config)(1, annotations)
    assert consensus.answers[0].labels == ("Lenticular/S0/a",)
    assert consensus.answers[0].region["value"] == {"taxonomy": [["Lenticular", "S0/a"]]}
    assert consensus.objects[0].label == "Quasar"


def test_dawid_and_skene_weight_reliable_annotators_more(decide: Decide, annotation: Say, region: Say) -> None:
    """Two careful annotators and three who guess: on the last task the three outvote the two."""
    random = np.random.default_rng(3)
    labels = ["Spiral", "Smooth"]
    tasks = []
    for number in range(60):
        truth = labels[number % 2]
        votes = [truth, truth, *(labels[random.integers(2)] for _ in range(3))]
        tasks.append([annotation(region("morphology", [label]), by=n) for n, label in enumerate(votes)])
    last = ["Spiral", "Spiral", "Smooth", "Smooth", "Smooth"]
    tasks.append([annotation(region("morphology", [label]), by=n) for n, label in enumerate(last)])
    assert decide("majority", *tasks)[-1][0].answers[0].labels == ("Smooth",)
    answer = decide("dawid-skene", *tasks)[-1][0].answers[0]
    assert answer.labels == ("Spiral",)
    assert answer.probability is not None
    assert answer.probability > 0.9


def test_an_object_needs_a_majority_of_annotators(decide: Decide, annotation: Say, region: Say) -> None:
    boxes = [[Box(4, 4, 10, 10)], [Box(5, 4, 10, 10), Box(30, 20, 5, 5)], [Box(4, 6, 10, 10)]]
    notes = [
        annotation(*(region("boxes", box, label="Galaxy", size=SIZE) for box in drawn_boxes), by=n)
        for n, drawn_boxes in enumerate(boxes)
    ]
    ((consensus,),) = decide("majority", notes)
    (obj,) = consensus.objects
    assert isinstance(obj.shape, Box)
    assert (obj.shape.x, obj.shape.y, obj.shape.width, obj.shape.height) == pytest.approx((4, 4, 10, 10))
    assert obj.provenance.annotators == (0, 1, 2)
    assert obj.probability == 1
    assert consensus.regions == (obj.region,)


def test_masks_merge_to_the_pixels_of_the_majority(decide: Decide, annotation: Say, region: Say) -> None:
    masks = [mask_of(slice(5, 15), slice(5, 15)), mask_of(slice(5, 15), slice(7, 17)), mask_of(slice(5, 17), slice(5, 15))]
    notes = [annotation(region("masks", mask, label="Arm", size=SIZE), by=n) for n, mask in enumerate(masks)]
    ((consensus,),) = decide("majority", notes)
    (obj,) = consensus.objects
    assert isinstance(obj.shape, Footprint)
    assert (obj.shape.to_mask(SIZE) == (np.sum(masks, axis=0) >= 2)).all()


def test_points_are_averaged_and_the_most_similar_shape_is_kept(decide: Decide, annotation: Say, region: Say) -> None:
    notes = [
        annotation(
            region("points", Point(10 + n, 10), label="Nucleus", size=SIZE),
            region("ellipses", Ellipse(20 + shift, 15, 8, 5, 10), label="Galaxy", size=SIZE),
            by=n,
        )
        for n, shift in enumerate((0, 1, 3))
    ]
    ((consensus,),) = decide("majority", notes)
    ellipse, point = consensus.objects
    assert isinstance(point.shape, Point)
    assert (point.shape.x, point.shape.y) == pytest.approx((11, 10))
    assert isinstance(ellipse.shape, Ellipse)
    assert ellipse.shape.x == pytest.approx(21)


def test_an_object_of_a_person_and_a_model_is_of_mixed_origin(decide: Decide, annotation: Say, region: Say) -> None:
    notes = [
        annotation(region("boxes", Box(4, 4, 10, 10), label="Star", size=SIZE, origin=origin), by=n, parent_version="v0003")
        for n, origin in enumerate(("manual", "prediction"))
    ]
    provenance = decide("majority", notes)[0][0].objects[0].provenance
    assert (provenance.made_by, provenance.state, provenance.version) == ("mixed", "mixed", "v0003")
