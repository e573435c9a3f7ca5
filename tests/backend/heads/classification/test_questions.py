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


def share(tree: QuestionTree, *said_by: list[tuple[str, ...]], exclusive: bool = True) -> dict[str, float]:
    shares = tree.shares(said_by, exclusive=exclusive)
    return {"/".join(node): round(float(one), 3) for node, one in zip(tree.nodes, shares, strict=True) if one}


def asked(tree: QuestionTree) -> dict[str, list[str]]:
    return {
        "" if one.asked_at is None else tree.nodes[one.asked_at][-1]: [tree.nodes[answer][-1] for answer in one.answers]
        for one in tree.questions
    }


def test_each_node_with_others_below_it_is_a_question() -> None:
    assert asked(TREE) == {"": ["Smooth", "Disk", "Star"], "Smooth": ["Round", "Cigar"], "Disk": ["Arms", "Bar"]}
    assert TREE.depth == 2


def test_where_a_path_may_end_half_way_that_is_an_answer_too() -> None:
    tree = QuestionTree.of([("Disk",), ("Disk", "Arms"), ("Disk", "Bar"), ("Star",)])
    assert asked(tree) == {"": ["Disk", "Star"], "Disk": ["", "Arms", "Bar"]}
    assert share(tree, [("Disk",)]) == {"Disk": 1, "Disk/": 1}


def test_the_shipped_decision_tree_asks_galaxy_zoo_s_questions() -> None:
    control = parse((files("labeling_configs") / "decision_tree.xml").read_text()).controls[0]
    questions = asked(QuestionTree.of(control.paths))
    assert list(questions) == ["", "Smooth", "Features or disk", "Edge-on", "Face-on", "Spiral arms", "Odd"]
    assert questions["Smooth"] == ["", "Completely round", "In between", "Cigar-shaped"]
    assert len(questions["Spiral arms"]) == 1 + 3 + 5  # no further answer, winding, number of arms


def test_annotators_become_the_share_that_came_through_each_node() -> None:
    said = share(TREE, [("Disk", "Arms")], [("Disk", "Bar")], [("Smooth", "Round")])
    assert said == {"Disk": 0.667, "Disk/Arms": 0.333, "Disk/Bar": 0.333, "Smooth": 0.333, "Smooth/Round": 0.333}


def test_an_annotator_with_several_paths_came_through_all_of_them() -> None:
    barred = [("Disk", "Arms"), ("Disk", "Bar")]
    assert share(TREE, barred, [("Star",)], exclusive=False) == {"Disk": 0.5, "Disk/Arms": 0.5, "Disk/Bar": 0.5, "Star": 0.5}


def test_an_annotator_of_a_path_that_has_left_the_tree_does_not_count() -> None:
    assert share(TREE, [("Nebula",)], [("Star",)]) == {"Star": 1}
    assert share(TREE, [("Nebula",)]) == {}


@given(st.lists(st.sampled_from(PATHS), min_size=1, max_size=6))
def test_the_probabilities_of_paths_give_those_of_the_nodes_as_the_annotators_do(picked: list[tuple[str, ...]]) -> None:
    shares = TREE.shares([[path] for path in picked], exclusive=True)
    assert TREE.gather(shares[None, TREE.ends])[0] == pytest.approx(shares)
    roots = [index for index, node in enumerate(TREE.nodes) if len(node) == 1]
    assert np.sum(shares[roots]) == pytest.approx(1)


@pytest.mark.parametrize("paths", [[], [()], [("A",), ("A",)]])
def test_what_is_no_tree_is_refused(paths: list[tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="different paths"):
        QuestionTree.of(paths)
