"""The questions of a taxonomy, and the answers to each of them that a picked path implies."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.classification.questions import QuestionTree
from sync.labelling.config import parse

PATHS = (("Smooth", "Round"), ("Smooth", "Cigar"), ("Disk", "Arms"), ("Disk", "Bar"), ("Star",))
TREE = QuestionTree.of(PATHS)


def share(tree: QuestionTree, *votes: list[tuple[str, ...]], exclusive: bool = True) -> dict[str, float]:
    shares = tree.shares(votes, exclusive=exclusive)
    return {"/".join(node): round(float(value), 3) for node, value in zip(tree.nodes, shares, strict=True) if value}


def questions_of(tree: QuestionTree) -> dict[str, list[str]]:
    return {
        "" if question.asked_at is None else tree.nodes[question.asked_at][-1]: [
            tree.nodes[answer][-1] for answer in question.answers
        ]
        for question in tree.questions
    }


def test_each_node_with_children_is_a_question() -> None:
    assert questions_of(TREE) == {"": ["Smooth", "Disk", "Star"], "Smooth": ["Round", "Cigar"], "Disk": ["Arms", "Bar"]}
    assert TREE.depth == 2


def test_a_path_that_ends_at_an_inner_node_is_an_answer() -> None:
    tree = QuestionTree.of([("Disk",), ("Disk", "Arms"), ("Disk", "Bar"), ("Star",)])
    assert questions_of(tree) == {"": ["Disk", "Star"], "Disk": ["", "Arms", "Bar"]}
    assert share(tree, [("Disk",)]) == {"Disk": 1, "Disk/": 1}


def test_the_shipped_config_has_the_questions_of_galaxy_zoo() -> None:
    control = parse((files("labeling_configs") / "decision_tree.xml").read_text()).controls[0]
    questions = questions_of(QuestionTree.of(control.paths))
    assert list(questions) == ["", "Smooth", "Features or disk", "Edge-on", "Face-on", "Spiral arms", "Odd"]
    assert questions["Smooth"] == ["", "Completely round", "In between", "Cigar-shaped"]
    assert len(questions["Spiral arms"]) == 1 + 3 + 5  # no further answer, winding, number of arms


def test_annotators_give_the_share_of_each_node() -> None:
    shares_of_nodes = share(TREE, [("Disk", "Arms")], [("Disk", "Bar")], [("Smooth", "Round")])
    assert shares_of_nodes == {"Disk": 0.667, "Disk/Arms": 0.333, "Disk/Bar": 0.333, "Smooth": 0.333, "Smooth/Round": 0.333}


def test_an_annotator_with_several_paths_counts_for_each() -> None:
    paths: list[tuple[str, ...]] = [("Disk", "Arms"), ("Disk", "Bar")]
    assert share(TREE, paths, [("Star",)], exclusive=False) == {"Disk": 0.5, "Disk/Arms": 0.5, "Disk/Bar": 0.5, "Star": 0.5}


def test_an_annotator_with_an_unknown_path_does_not_count() -> None:
    assert share(TREE, [("Nebula",)], [("Star",)]) == {"Star": 1}
    assert share(TREE, [("Nebula",)]) == {}


@given(st.lists(st.sampled_from(PATHS), min_size=1, max_size=6))
def test_node_probabilities_are_sums_of_path_probabilities(paths: list[tuple[str, ...]]) -> None:
    shares = TREE.shares([[path] for path in paths], exclusive=True)
    assert TREE.gather(shares[None, TREE.ends])[0] == pytest.approx(shares)
    roots = [index for index, node in enumerate(TREE.nodes) if len(node) == 1]
    assert np.sum(shares[roots]) == pytest.approx(1)


@pytest.mark.parametrize("paths", [[], [()], [("A",), ("A",)]])
def test_invalid_paths_are_an_error(paths: list[tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="different paths"):
        QuestionTree.of(paths)
