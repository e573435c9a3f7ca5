"""Decision trees: conditional probabilities are fitted at the nodes that annotators reached, and multiplied along the path."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.questions import QuestionTree
from backend.heads.errors import HeadError, NotEnoughLabels

PATHS = (("Smooth", "Round"), ("Smooth", "Cigar"), ("Disk", "Arms"), ("Disk", "Bar"))
TREE = QuestionTree.of(PATHS)
BARRED = [("Disk", "Arms"), ("Disk", "Bar")]
Floats = NDArray[np.float32]


def galaxies(kinds: Sequence[int], *, d: int = 16, noise: float = 1.0, seed: int = 0) -> Floats:
    """Return embeddings in one cluster per path; those of one branch are on one side."""
    middles = np.random.default_rng(99).normal(0, 1, (len(PATHS), d))
    middles += np.repeat([[2.0], [-2.0]], 2, axis=0)
    return (middles[list(kinds)] + np.random.default_rng(seed).normal(0, noise, (len(kinds), d))).astype(np.float32)


def targets_of_paths(kinds: Sequence[int], *, exclusive: bool = True) -> NDArray[np.float64]:
    return np.stack([TREE.shares([[PATHS[kind]]], exclusive=exclusive) for kind in kinds])


def fit(kinds: Sequence[int], **keywords: Any) -> DecisionTree:
    options: dict[str, Any] = {"paths": PATHS, "exclusive": True} | keywords
    return DecisionTree.fit(galaxies(kinds), targets_of_paths(kinds, exclusive=options["exclusive"]), **options)


KINDS = [0, 1, 2, 3] * 25


def test_paths_are_predicted_and_their_probabilities_sum_to_one() -> None:
    head, unseen = fit(KINDS), galaxies(KINDS, seed=1)
    probabilities = head.predict(unseen)
    assert (probabilities.argmax(axis=1) == KINDS).mean() > 0.9
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_probability_of_a_path_is_the_product_of_its_answers() -> None:
    head = fit(KINDS)
    nodes = head.predict_nodes(galaxies(KINDS))
    node = {path: nodes[:, index] for index, path in enumerate(TREE.nodes)}
    assert node["Disk", "Arms"] + node["Disk", "Bar"] == pytest.approx(node["Disk",], abs=1e-5)
    below = head.heads[2]
    assert below is not None
    assert node["Disk", "Arms"] == pytest.approx(node["Disk",] * below.predict(galaxies(KINDS))[:, 0], abs=1e-5)


def test_a_question_is_trained_on_the_galaxies_that_reach_it() -> None:
    head = fit([0, 1] * 20 + [2, 3] * 4)
    assert head.counts.tolist() == [48, 40, 8]
    below = head.heads[2]
    assert below is not None
    assert (below.predict(galaxies([2, 3] * 20, seed=1)).argmax(axis=1) == [0, 1] * 20).mean() > 0.9


def test_disagreement_at_a_question_affects_only_that_question() -> None:
    kinds = [0, 2] * 20
    answers = [
        [[("Smooth", "Round")]] if kind == 0 else [[("Disk", "Arms")], [("Disk", "Arms")], [("Disk", "Bar")]] for kind in kinds
    ]
    targets = np.stack([TREE.shares(paths, exclusive=True) for paths in answers])
    head = DecisionTree.fit(galaxies(kinds), targets, paths=PATHS, exclusive=True)
    disk = head.predict_nodes(galaxies([2] * 20, seed=1)).mean(axis=0)
    at = dict(zip(TREE.nodes, disk.tolist(), strict=True))
    assert at["Disk",] > 0.9
    assert at["Disk", "Arms"] / at["Disk",] == pytest.approx(2 / 3, abs=0.07)


def test_a_galaxy_counts_by_the_share_of_annotators_in_a_branch() -> None:
    kinds = [2] * 40
    mostly_smooth = TREE.shares([[("Smooth", "Round")]] * 9 + [[("Disk", "Bar")]], exclusive=True)
    surely_disk = TREE.shares([[("Disk", "Arms")]] * 10, exclusive=True)
    targets = np.stack([mostly_smooth, surely_disk] * 20)
    head = DecisionTree.fit(np.zeros((40, 4), np.float32), targets, paths=PATHS, exclusive=True)
    at = dict(zip(TREE.nodes, head.predict_nodes(np.zeros((1, 4), np.float32))[0].tolist(), strict=True))
    assert at["Disk", "Bar"] / at["Disk",] == pytest.approx(1 / 11, abs=0.05)
    assert len(kinds) == len(targets)


def test_in_a_multiple_tree_several_paths_can_be_likely() -> None:
    kinds = [0, 2, 3] * 20
    answers = [[PATHS[0]] if kind == 0 else BARRED if kind == 3 else [PATHS[2]] for kind in kinds]
    targets = np.stack([TREE.shares([paths], exclusive=False) for paths in answers])
    head = DecisionTree.fit(galaxies(kinds), targets, paths=PATHS, exclusive=False)
    likely = head.predict(galaxies([0, 2, 3] * 10, seed=1)) > 0.5
    assert (likely == ([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]] * 10)).mean() > 0.95


def test_an_unreached_question_uses_the_offset_or_even_odds() -> None:
    kinds = [0, 1] * 5 + [2]
    offset = np.log(np.tile([0.25, 0.25, 0.4, 0.1], (len(kinds), 1)))
    plain, offset_head = fit(kinds), fit(kinds, offset=offset)
    alone, with_offset = plain.predict(galaxies([2])), offset_head.predict(galaxies([2]), offset=offset[:1])
    assert alone[0, 2] / alone[0, 3] == pytest.approx(2)  # one label, and a uniform prior
    assert with_offset[0, 2] / with_offset[0, 3] == pytest.approx(4)


def test_a_question_with_one_answer_predicts_that_answer() -> None:
    head = fit([0, 1] * 10 + [2] * 20)
    disk = head.predict(galaxies([2] * 5))
    assert disk[:, 2] / disk[:, 3] == pytest.approx(21)


def test_without_a_trainable_question_there_is_an_error() -> None:
    with pytest.raises(NotEnoughLabels, match="same label \\(Disk\\)"):
        fit([2] * 20)
    with pytest.raises(NotEnoughLabels, match="at least 6"):
        fit([0, 2])
    with pytest.raises(NotEnoughLabels, match="no question has two answers"):
        DecisionTree.fit(galaxies(KINDS), np.ones((100, 2)), paths=[("A", "B")], exclusive=True)


def test_targets_of_another_tree_are_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        DecisionTree.fit(galaxies([0, 1]), np.ones((2, 3)), paths=PATHS, exclusive=True)


def test_the_uncertainty_of_a_question_is_weighted_by_its_probability() -> None:
    head = fit([0, 1] * 20 + [2, 3] * 3)
    smooth, disk = head.uncertainty(galaxies([0] * 20, seed=1)), head.uncertainty(galaxies([2] * 20, seed=1))
    assert disk.epistemic.mean() > 2 * smooth.epistemic.mean()  # six annotations reached the question below it
    assert (smooth.epistemic >= 0).all()
    assert (smooth.aleatoric >= 0).all()


def test_the_uncertainty_of_an_unreached_question_is_epistemic() -> None:
    few, many = fit([0, 1] * 20 + [2] * 2), fit([0, 1] * 20 + [2] * 60)
    at = galaxies([2] * 10, seed=1)
    assert few.uncertainty(at).epistemic.mean() > 3 * many.uncertainty(at).epistemic.mean()


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_saved_head_is_loaded_unchanged(tmp_path: Path, exclusive: bool) -> None:
    head = fit([0, 1] * 20 + [2] * 3, exclusive=exclusive)
    head.save(tmp_path)
    loaded_head = DecisionTree.load(tmp_path)
    at = galaxies(KINDS)
    assert loaded_head.classes == ("Smooth/Round", "Smooth/Cigar", "Disk/Arms", "Disk/Bar")
    assert (loaded_head.predict(at) == head.predict(at)).all()
    assert (loaded_head.uncertainty(at).epistemic == head.uncertainty(at).epistemic).all()


def test_a_damaged_tree_is_an_error(tmp_path: Path) -> None:
    fit(KINDS).save(tmp_path)
    Morphology.fit(galaxies(KINDS), np.eye(4)[KINDS], classes="abcd", exclusive=True).save(tmp_path / "question-0")
    with pytest.raises(HeadError, match="has not 2 answers"):
        DecisionTree.load(tmp_path)
    fields = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps(fields | {"paths": [["A"], ["A"]]}))
    with pytest.raises(HeadError, match="paths"):
        DecisionTree.load(tmp_path)


def test_a_thousand_galaxies_take_about_a_second_of_cpu_at_most() -> None:
    kinds = [0, 1, 2, 3] * 250
    embeddings, targets = galaxies(kinds, d=384, noise=4), targets_of_paths(kinds)
    start = time.process_time()
    DecisionTree.fit(embeddings, targets, paths=PATHS, exclusive=True)
    assert time.process_time() - start < 3  # 0.4 s on an idle machine
