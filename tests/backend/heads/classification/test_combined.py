"""Classes from image, columns and spectrum: folds choose blocks that help; galaxies without them keep the image's answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.classification.class_expert import PlainClasses
from backend.heads.classification.column_choice import choose_class_features
from backend.heads.classification.combined import CombinedClasses
from backend.heads.classification.combined_fitting import fit_combined
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.labelled_images import LabelledImages
from backend.heads.classification.links import link_of
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.questions import QuestionTree
from backend.heads.errors import HeadError
from backend.heads.feature_blocks import COLUMNS, IMAGE, SPECTRUM, Block, FeatureBlocks
from backend.heads.inputs import HeadInputs

CLASSES = ("Spiral", "Smooth")
PATHS = (("Disk", "Arms"), ("Disk", "Bar"), ("Smooth",))
TREE = QuestionTree.of(PATHS)


def embeddings(kinds: Sequence[int], *, seed: int = 0) -> NDArray[np.float32]:
    """Return embeddings of two overlapping clusters."""
    noise = np.random.default_rng(seed).normal(0, 1, (len(kinds), 16))
    return (noise + 0.4 * np.asarray(kinds)[:, None] * np.eye(1, 16)).astype(np.float32)


def colours(kinds: Sequence[int], *, seed: int = 0, noise: float = 0.3) -> list[FeatureBlocks]:
    """Return magnitudes whose colour differs between the classes, on a curve that no line separates."""
    rng = np.random.default_rng(100 + seed)
    blocks: list[FeatureBlocks] = []
    for kind in kinds:
        magnitude, colour = float(rng.normal(18, 1)), float(rng.choice([-1, 1]) * (1.2 if kind else 0.2))
        blocks.append({COLUMNS: Block({"mag_g": magnitude + 1 + colour + float(rng.normal(0, noise)), "mag_r": magnitude})})
    return blocks


def fit_plain(
    features: NDArray[np.floating],
    targets: NDArray[np.floating],
    *,
    offset: NDArray[np.floating] | None,
    like: PlainClasses | None = None,
    caution: float = 1.0,
) -> Morphology:
    plan = like.plan if isinstance(like, Morphology) else None
    return Morphology.fit(features, targets, classes=CLASSES, exclusive=True, offset=offset, caution=caution, plan=plan)


def fit(kinds: Sequence[int], blocks: Sequence[FeatureBlocks], *, seed: int = 0) -> PlainClasses | CombinedClasses:
    inputs, targets = HeadInputs(embeddings(kinds, seed=seed), tuple(blocks)), np.eye(2)[list(kinds)]
    images = LabelledImages(
        inputs, targets, fit=fit_plain, offset=None, leaf_targets=lambda each: each, link=link_of(exclusive=True)
    )
    return fit_combined(images, choose_class_features(blocks, targets, control="kind", labels=CLASSES))


KINDS = [0, 1] * 60


@pytest.fixture(scope="module")
def combined_head() -> CombinedClasses:
    head = fit(KINDS, [blocks if place % 4 else {} for place, blocks in enumerate(colours(KINDS))])
    assert isinstance(head, CombinedClasses)
    return head


def test_columns_that_separate_the_classes_are_used(combined_head: CombinedClasses) -> None:
    inputs = HeadInputs(embeddings(KINDS, seed=1), tuple(colours(KINDS, seed=1)))
    right = combined_head.predict(inputs).argmax(axis=1) == KINDS
    by_image = combined_head.predict(HeadInputs.of_images(inputs.embeddings)).argmax(axis=1) == KINDS
    assert right.mean() > 0.85
    assert by_image.mean() < 0.75
    assert combined_head.blocks == {COLUMNS}
    (trial,) = combined_head.trials
    assert trial.used
    assert trial.galaxies == 90
    assert trial.image_loss - trial.loss > 2 * trial.gain_error


def test_galaxies_without_columns_get_the_answer_of_the_image(combined_head: CombinedClasses) -> None:
    blocks = colours([0, 1, 0])
    inputs = HeadInputs(embeddings([0, 1, 0], seed=2), (blocks[0], {}, {COLUMNS: Block(missing={"mag_g": "text"})}))
    expected = combined_head.image.predict(inputs.embeddings)
    probabilities = combined_head.predict(inputs)
    assert np.array_equal(probabilities[1:], expected[1:])
    assert not np.allclose(probabilities[0], expected[0], atol=0.02)
    assert [COLUMNS in blocks for blocks in combined_head.blocks_used(inputs)] == [True, False, False]
    uncertainty = combined_head.uncertainty(inputs)
    assert np.array_equal(uncertainty.epistemic[1:], combined_head.image.uncertainty(inputs.embeddings).epistemic[1:])
    assert np.isfinite(uncertainty.epistemic).all()


@pytest.mark.slow
def test_columns_of_noise_are_not_used() -> None:
    rng = np.random.default_rng(3)
    count_used = 0
    for seed in range(5):
        noise: list[FeatureBlocks] = [
            {COLUMNS: Block({"mag_g": float(rng.normal(18, 1)), "mag_r": float(rng.normal(18, 1))})} for _ in KINDS
        ]
        head = fit(KINDS, noise, seed=seed)
        assert isinstance(head, CombinedClasses)
        count_used += bool(head.blocks)
        assert head.trials[0].galaxies == len(KINDS)
    assert count_used <= 1


def test_without_blocks_the_head_is_the_plain_one() -> None:
    assert isinstance(fit(KINDS, [{}] * len(KINDS)), Morphology)


def test_a_set_of_blocks_that_few_galaxies_have_uses_a_part_of_it() -> None:
    blocks = colours(KINDS)
    for place in range(8):
        blocks[place] = {**blocks[place], SPECTRUM: Block({"rest_d4000": 1.0 + 0.1 * place})}
    head = fit(KINDS, blocks)
    assert isinstance(head, CombinedClasses)
    inputs = HeadInputs(embeddings([0, 1]), tuple(blocks[:2]))
    assert all(COLUMNS in blocks and SPECTRUM not in blocks for blocks in head.blocks_used(inputs))


def test_missing_and_wild_values_give_finite_probabilities(combined_head: CombinedClasses) -> None:
    blocks: list[FeatureBlocks] = [{COLUMNS: Block({"mag_g": 1e30, "mag_r": -1e30})}, {COLUMNS: Block({"mag_r": 18.0})}]
    probabilities = combined_head.predict(HeadInputs(embeddings([0, 1]), tuple(blocks)))
    assert np.isfinite(probabilities).all()
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("kind", lambda kind: kind + 0.1, "the name of the control"),
        ("catalogue_spiral", lambda kind: kind + 0.1, "the name of the label 'Spiral'"),
        ("type_code", lambda kind: 3 + 2 * kind, "codes of the labels"),
        ("survey", lambda kind: 1.0, "is 1 for all labelled galaxies"),
    ],
)
def test_a_column_that_holds_the_class_is_left_out(name: str, column: object, reason: str) -> None:
    blocks = [
        {COLUMNS: Block({**each[COLUMNS].values, name: float(column(kind))})}  # type: ignore[operator]
        for kind, each in zip(KINDS, colours(KINDS), strict=True)
    ]
    table = choose_class_features(blocks, np.eye(2)[KINDS], control="kind", labels=CLASSES)
    assert table.names[COLUMNS] == ("mag_g", "mag_r")
    (sentence,) = table.left_out
    assert reason in sentence


@pytest.mark.slow
def test_a_decision_tree_uses_columns_too(tmp_path: Path) -> None:
    kinds = [0, 1, 2] * 40
    targets = np.stack([TREE.shares([[PATHS[kind]]], exclusive=True) for kind in kinds])
    blocks = tuple(colours([kind % 2 for kind in kinds]))
    inputs = HeadInputs(embeddings([int(kind == 2) for kind in kinds]) * np.float32(3), blocks)

    def fit_tree(
        features: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        offset: NDArray[np.floating] | None,
        like: PlainClasses | None = None,
        caution: float = 1.0,
    ) -> DecisionTree:
        other = like if isinstance(like, DecisionTree) else None
        return DecisionTree.fit(features, targets, paths=PATHS, exclusive=True, offset=offset, caution=caution, like=other)

    images = LabelledImages(
        inputs,
        targets,
        fit=fit_tree,
        offset=None,
        leaf_targets=lambda each: each[:, TREE.ends],
        link=link_of(exclusive=True),
    )
    head = fit_combined(images, choose_class_features(blocks, targets, control="kind", labels=CLASSES))
    assert isinstance(head, CombinedClasses)
    assert head.blocks == {COLUMNS}
    nodes = head.predict_nodes(inputs)
    assert nodes[:, TREE.ends] == pytest.approx(head.predict(inputs), abs=1e-5)
    bar = nodes[:, TREE.nodes.index(("Disk", "Bar"))] / nodes[:, TREE.nodes.index(("Disk",))]
    assert bar[1::3].mean() - bar[::3].mean() > 0.5
    head.save(tmp_path)
    assert np.array_equal(CombinedClasses.load(tmp_path).predict_nodes(inputs), nodes)


def test_a_stored_head_predicts_the_same(combined_head: CombinedClasses, tmp_path: Path) -> None:
    combined_head.save(tmp_path)
    copy = CombinedClasses.load(tmp_path)
    inputs = HeadInputs(embeddings(KINDS, seed=5), (*colours(KINDS[2:], seed=5), {}, {}))
    assert np.array_equal(copy.predict(inputs), combined_head.predict(inputs))
    assert copy.blocks_used(inputs) == combined_head.blocks_used(inputs)
    assert copy.trials == combined_head.trials
    assert IMAGE in copy.blocks_used(inputs)[-1]


def test_a_damaged_head_is_named(combined_head: CombinedClasses, tmp_path: Path) -> None:
    combined_head.save(tmp_path)
    fields = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps({**fields, "expert_of_blocks": [[["columns"], 4]]}))
    with pytest.raises(HeadError, match="damaged"):
        CombinedClasses.load(tmp_path)


def without_images(inputs: HeadInputs) -> HeadInputs:
    return HeadInputs(np.full_like(inputs.embeddings, np.nan), inputs.blocks)


def test_galaxies_without_an_image_are_predicted_from_their_columns(combined_head: CombinedClasses, tmp_path: Path) -> None:
    inputs = without_images(HeadInputs(embeddings(KINDS, seed=1), (*colours(KINDS[2:], seed=1), {}, {})))
    probabilities = combined_head.predict(inputs)
    assert np.isnan(probabilities).all(axis=1).tolist() == [False] * (len(KINDS) - 2) + [True, True]
    assert (probabilities[:-2].argmax(axis=1) == KINDS[:-2]).mean() > 0.8
    assert probabilities[:-2].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert combined_head.blocks_used(inputs)[-3:] == [(COLUMNS,), (), ()]
    assert combined_head.blocks_without_image == {COLUMNS}
    epistemic = combined_head.uncertainty(inputs).epistemic
    assert np.isfinite(epistemic[:-2]).all()
    assert np.isnan(epistemic[-2:]).all()
    combined_head.save(tmp_path)
    assert np.array_equal(CombinedClasses.load(tmp_path).predict(inputs), probabilities, equal_nan=True)


def test_labelled_galaxies_without_an_image_are_examples_too() -> None:
    vectors = embeddings(KINDS)
    vectors[20:] = np.nan
    targets, blocks = np.eye(2)[KINDS], colours(KINDS)
    images = LabelledImages(
        HeadInputs(vectors, tuple(blocks)),
        targets,
        fit=fit_plain,
        offset=None,
        leaf_targets=lambda each: each,
        link=link_of(exclusive=True),
    )
    head = fit_combined(images, choose_class_features(blocks, targets, control="kind", labels=CLASSES))
    assert isinstance(head, CombinedClasses)
    new = without_images(HeadInputs(embeddings(KINDS, seed=1), tuple(colours(KINDS, seed=1))))
    assert (head.predict(new).argmax(axis=1) == KINDS).mean() > 0.85


@pytest.mark.slow
def test_columns_of_noise_predict_no_galaxy_without_an_image() -> None:
    rng = np.random.default_rng(3)
    used_count = 0
    for seed in range(5):
        noise: list[FeatureBlocks] = [{COLUMNS: Block({"mag_g": float(rng.normal(18, 1))})} for _ in KINDS]
        head = fit(KINDS, noise, seed=seed)
        assert isinstance(head, CombinedClasses)
        used_count += bool(head.blocks_without_image)
    assert used_count <= 1


def test_heads_stored_before_galaxies_without_an_image_load(combined_head: CombinedClasses, tmp_path: Path) -> None:
    combined_head.save(tmp_path)
    fields = json.loads((tmp_path / "head.json").read_text())
    del fields["expert_without_image"]
    (tmp_path / "head.json").write_text(json.dumps(fields))
    old = CombinedClasses.load(tmp_path)
    inputs = HeadInputs(embeddings([0, 1]), tuple(colours([0, 1])))
    assert np.array_equal(old.predict(inputs), combined_head.predict(inputs))
    assert np.isnan(old.predict(without_images(inputs))).all()
