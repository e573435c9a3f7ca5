from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.labelling.config import Control, Label, parse
from sync.labelling.matching import match_labels, read_label
from sync.labelling.synonyms import SYNONYMS, normalise

CLASSES = ["elliptical", "spiral", "edge_on", "merger"]


def choices(*labels: str | Label) -> Control:
    return Control(
        name="m",
        to_name="image",
        tag="Choices",
        labels=tuple(label if isinstance(label, Label) else Label(label) for label in labels),
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["Elliptical", "Spiral", "Edge-on", "Merger"], ["Elliptical", "Spiral", "Edge-on", "Merger"]),
        (["elliptical", "spiral", "edge_on", "merger"], ["elliptical", "spiral", "edge_on", "merger"]),
        (["Smooth", "Featured or Disk", "Artifact"], ["Smooth", "Featured or Disk", "Featured or Disk", None]),
        (["E", "S", "Merging"], ["E", "S", "S", "Merging"]),
        (["Early-type", "Late-type", "Interacting"], ["Early-type", "Late-type", "Late-type", "Interacting"]),
        (["smooth galaxy", "Disc", "Cigar", "Disturbed"], ["smooth galaxy", "Disc", "Cigar", "Disturbed"]),
        (["S", "G"], [None, None, None, None]),
        (["Cat", "Dog"], [None, None, None, None]),
        ([], [None, None, None, None]),
    ],
)
def test_classes_find_the_labels_that_astronomers_mean(labels: list[str], expected: list[str | None]) -> None:
    matches = {name: label for name, label in zip(CLASSES, expected, strict=True) if label}
    assert match_labels(CLASSES, choices(*labels)) == matches


def test_predicted_values_come_before_everything() -> None:
    control = choices("spiral", Label("Whirl", aliases=("SPIRAL",)))
    assert match_labels(["spiral"], control) == {"spiral": "Whirl"}


def test_the_exact_name_comes_before_another_case() -> None:
    assert match_labels(["spiral"], choices("SPIRAL", "spiral")) == {"spiral": "spiral"}


def test_a_closer_synonym_comes_first_in_any_order() -> None:
    assert match_labels(["edge_on"], choices("Cigar", "Edge-on disk")) == {"edge_on": "Edge-on disk"}


def test_displayed_names_match_and_stored_names_are_returned() -> None:
    assert match_labels(["spiral"], choices(Label("c17", display_name="Spiral"))) == {"spiral": "c17"}


def test_ambiguous_letters_do_not_match_a_ring_or_a_star() -> None:
    control = choices("Ring", "Bar", "Star or artifact", "Spiral")
    assert match_labels(["ring", "bar", "star", "artifact", "lens"], control) == {
        "ring": "Ring",
        "bar": "Bar",
        "star": "Star or artifact",
        "artifact": "Star or artifact",
    }


def test_a_taxonomy_is_matched_by_its_leaves_and_by_its_paths() -> None:
    (control,) = parse(
        '<View><Image name="image" value="$image"/><Taxonomy name="t" toName="image">'
        '<Choice value="Smooth"/><Choice value="Disk"><Choice value="Edge-on"/><Choice value="Spiral"/></Choice>'
        "</Taxonomy></View>"
    ).controls
    matches = match_labels([*CLASSES, "disk spiral"], control)
    assert matches == {
        "elliptical": "Smooth",
        "spiral": "Disk/Spiral",
        "edge_on": "Disk/Edge-on",
        "disk spiral": "Disk/Spiral",
    }
    assert control.path(matches["spiral"]) == ("Disk", "Spiral")


@given(st.lists(st.text(max_size=8) | st.sampled_from([name for names in SYNONYMS.values() for name in names])))
def test_a_match_is_a_label_of_the_control_and_deterministic(labels: list[str]) -> None:
    control = choices(*(label for label in labels if label))
    matches = match_labels([*SYNONYMS, *CLASSES], control)
    assert set(matches.values()) <= set(labels)
    assert matches == match_labels([*SYNONYMS, *CLASSES], control)


@pytest.mark.parametrize("meaning", SYNONYMS)
def test_synonyms_are_normalised(meaning: str) -> None:
    assert [name for name in SYNONYMS[meaning] if normalise(name) != name] == []


def test_punctuation_case_and_underscores_do_not_matter() -> None:
    assert normalise("  Edge-on_Disk? ") == "edge on disk"


def labels_of(*labels: str) -> Control:
    return Control(name="boxes", to_name="image", tag="RectangleLabels", labels=tuple(map(Label, labels)))


def test_an_exact_name_comes_first() -> None:
    assert [read_label(name, labels_of("a", "A")) for name in ("a", "A")] == ["a", "A"]
    assert [read_label(name, labels_of("S+", "S-")) for name in ("S+", "S-", "s-", "S")] == ["S+", "S-", "S-", None]


def test_the_stored_name_comes_before_the_displayed_name() -> None:
    crossed_labels = replace(labels_of(), labels=(Label("star", display_name="galaxy"), Label("galaxy", display_name="star")))
    assert read_label("galaxy", crossed_labels) == "galaxy"


def test_a_name_that_fits_two_labels_is_not_read() -> None:
    assert read_label("early type", labels_of("Elliptical", "Smooth")) is None
    assert read_label("galaxy", labels_of("Source", "Object")) is None
    assert read_label("GALAXY", labels_of("Galaxy", "galaxy")) is None


def test_a_broader_class_does_not_match() -> None:
    assert read_label("edge-on", labels_of("Spiral", "Elliptical")) is None


def test_a_letter_is_read_as_itself_only() -> None:
    assert read_label("S", labels_of("Spiral", "Star")) is None
    assert read_label("s", labels_of("S", "E")) == "S"


def test_names_of_punctuation_only_differ() -> None:
    assert read_label("🌌", labels_of("🌀", "Ring")) is None
    assert read_label("🌀", labels_of("🌀", "Ring")) == "🌀"
