from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.heads.classification.morphology import MINIMUM_LABELS, Morphology
from backend.heads.errors import NotEnoughLabels

CLASSES = ("smooth", "spiral", "edge-on", "merger")
Data = tuple[NDArray[np.float32], NDArray[np.float32]]


def galaxies(n: int, *, k: int = 3, d: int = 64, shares: tuple[float, ...] = (), noise: float = 1.0, seed: int = 0) -> Data:
    """Return embeddings in k overlapping clusters, and one-hot targets."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(k, n, p=shares or None)
    middles = np.random.default_rng(99).normal(size=(k, d))
    return (middles[kind] * 0.4 + rng.normal(0, noise, (n, d))).astype(np.float32), np.eye(k, dtype=np.float32)[kind]


def log_loss(probabilities: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    return float(-(targets * np.log(probabilities)).sum(axis=1).mean())


def opinion(targets: NDArray[np.float32], *, right: float, seed: int = 0) -> NDArray[np.float32]:
    """Return log-probabilities of a calibrated base head with this probability of a right class."""
    rng = np.random.default_rng(seed)
    n, k = targets.shape
    votes = np.where(rng.random(n) < right, targets.argmax(axis=1), (targets.argmax(axis=1) + rng.integers(1, k, n)) % k)
    return np.log(np.where(np.eye(k)[votes] > 0, right, (1 - right) / (k - 1))).astype(np.float32)


def test_classes_are_predicted_and_their_probabilities_sum_to_one() -> None:
    embeddings, targets = galaxies(900)
    head = Morphology.fit(embeddings[:500], targets[:500], classes=CLASSES[:3], exclusive=True)
    probabilities = head.predict(embeddings[500:])
    assert (probabilities.argmax(axis=1) == targets[500:].argmax(axis=1)).mean() > 0.9
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_probabilities_are_frequencies_even_for_a_rare_class() -> None:
    embeddings, targets = galaxies(4000, k=2, d=16, shares=(0.93, 0.07), noise=2)
    probabilities = Morphology.fit(embeddings[:1000], targets[:1000], classes=CLASSES[:2], exclusive=True).predict(
        embeddings[1000:]
    )
    assert probabilities[:, 1].mean() == pytest.approx(targets[1000:, 1].mean(), abs=0.02)
    confident = probabilities[:, 1] > 0.3
    assert probabilities[confident, 1].mean() == pytest.approx(targets[1000:][confident, 1].mean(), abs=0.15)


def test_independent_classes_are_trained_separately() -> None:
    first, bar = galaxies(600, k=2, seed=1)
    second, ring = galaxies(600, k=2, seed=2)
    targets = np.stack([bar[:, 1], ring[:, 1]], axis=1)
    embeddings = np.concatenate([first, second], axis=1)
    head = Morphology.fit(embeddings[:300], targets[:300], classes=("bar", "ring"), exclusive=False)
    assert ((head.predict(embeddings[300:]) > 0.5) == targets[300:]).mean() > 0.9


def test_soft_labels_give_soft_predictions() -> None:
    embeddings = np.zeros((40, 8), np.float32)
    targets = np.tile(np.array([0.7, 0.3], np.float32), (40, 1))
    head = Morphology.fit(embeddings, targets, classes=CLASSES[:2], exclusive=True)
    assert head.predict(embeddings[:1])[0] == pytest.approx([0.7, 0.3], abs=0.06)


def test_a_class_without_an_example_keeps_a_small_probability() -> None:
    embeddings, targets = galaxies(60)
    wider = np.concatenate([targets, np.zeros((60, 1), np.float32)], axis=1)
    probabilities = Morphology.fit(embeddings, wider, classes=CLASSES, exclusive=True).predict(embeddings)
    assert probabilities[:, 3] == pytest.approx(0.01, abs=0.005)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n", [6, 10, 20])
def test_with_few_labels_a_head_is_not_worse_than_its_base_head(n: int) -> None:
    losses = []
    for seed in range(8):
        embeddings, targets = galaxies(n + 500, d=384, noise=2, seed=seed)
        offset = opinion(targets, right=0.8, seed=seed)
        try:
            head = Morphology.fit(embeddings[:n], targets[:n], classes=CLASSES[:3], exclusive=True, offset=offset[:n])
        except NotEnoughLabels:
            continue
        loss = log_loss(head.predict(embeddings[n:], offset=offset[n:]), targets[n:])
        losses.append(loss - log_loss(np.exp(offset[n:]), targets[n:]))
    assert np.mean(losses) < 0.03


def test_with_many_labels_a_head_is_better_than_its_base_head() -> None:
    embeddings, targets = galaxies(900, noise=2)
    offset = opinion(targets, right=0.7)
    with_base = Morphology.fit(embeddings[:400], targets[:400], classes=CLASSES[:3], exclusive=True, offset=offset[:400])
    without = Morphology.fit(embeddings[:400], targets[:400], classes=CLASSES[:3], exclusive=True)
    loss = log_loss(with_base.predict(embeddings[400:], offset=offset[400:]), targets[400:])
    assert loss < log_loss(np.exp(offset[400:]), targets[400:])
    assert loss < log_loss(without.predict(embeddings[400:]), targets[400:])


def test_a_wrong_base_head_is_outweighed() -> None:
    embeddings, targets = galaxies(400)
    offset = opinion(np.roll(targets, 1, axis=1), right=0.9)
    head = Morphology.fit(embeddings, targets, classes=CLASSES[:3], exclusive=True, offset=offset)
    assert (head.predict(embeddings, offset=offset).argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.9


def test_a_class_without_an_example_keeps_the_base_probability() -> None:
    embeddings, targets = galaxies(12, k=2)
    wider = np.concatenate([targets, np.zeros((12, 1), np.float32)], axis=1)
    offset = np.log(np.where(wider > 0, 0.9, 0.05)).astype(np.float32)
    head = Morphology.fit(embeddings, wider, classes=CLASSES[:3], exclusive=True, offset=offset)
    merger = np.log(np.array([[0.02, 0.03, 0.95]], np.float32))
    assert head.predict(embeddings[:1], offset=merger)[0].argmax() == 2


def test_a_head_with_an_offset_requires_it() -> None:
    embeddings, targets = galaxies(12)
    offset = opinion(targets, right=0.95)
    head = Morphology.fit(embeddings, targets, classes=CLASSES[:3], exclusive=True, offset=offset)
    with pytest.raises(ValueError, match="offset"):
        head.predict(embeddings)


def test_equal_seeds_give_equal_heads() -> None:
    embeddings, targets = galaxies(80)
    first, second = (Morphology.fit(embeddings, targets, classes=CLASSES[:3], exclusive=True, seed=4) for _ in range(2))
    assert (first.weights == second.weights).all()
    assert first.plan == second.plan


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_saved_head_is_loaded_unchanged(tmp_path: Path, exclusive: bool) -> None:
    embeddings, targets = galaxies(60)
    head = Morphology.fit(embeddings, targets, classes=CLASSES[:3], exclusive=exclusive)
    head.save(tmp_path)
    loaded_head = Morphology.load(tmp_path)
    assert loaded_head.classes == CLASSES[:3]
    assert (loaded_head.predict(embeddings) == head.predict(embeddings)).all()


def test_confidence_is_lowest_for_two_equally_likely_classes() -> None:
    embeddings, targets = galaxies(30)
    head = Morphology.fit(embeddings, targets, classes=CLASSES[:3], exclusive=True)
    assert head.confidence(np.array([[0.5, 0.5, 0], [0.9, 0.05, 0.05], [1, 0, 0]], np.float32)) == pytest.approx([0, 0.85, 1])


def test_confidence_of_independent_classes_is_lowest_at_one_half() -> None:
    embeddings, targets = galaxies(30)
    head = Morphology.fit(embeddings, targets, classes=CLASSES[:3], exclusive=False)
    assert head.confidence(np.array([[0.5, 0.5, 0.5], [1, 0, 1]], np.float32)) == pytest.approx([0, 1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(1, 4), st.booleans(), st.booleans(), st.integers(0, 1000))
def test_any_labels_give_probabilities_or_an_error(n: int, k: int, exclusive: bool, with_offset: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, 5))
    targets = rng.integers(0, 2, (n, k)).astype(np.float32)
    if exclusive:
        targets[targets.sum(axis=1) == 0, 0] = 1
    offset = np.log(rng.dirichlet(np.ones(k), n)).astype(np.float32) if with_offset else None
    try:
        head = Morphology.fit(embeddings, targets, classes=CLASSES[:k], exclusive=exclusive, offset=offset)
    except NotEnoughLabels:
        return
    probabilities = head.predict(embeddings, offset=offset)
    assert ((probabilities > 0) & (probabilities <= 1)).all()
    assert ((head.confidence(probabilities) >= 0) & (head.confidence(probabilities) <= 1)).all()


def test_too_few_labels_are_an_error() -> None:
    embeddings, targets = galaxies(5)
    with pytest.raises(NotEnoughLabels, match=f"at least {MINIMUM_LABELS}"):
        Morphology.fit(embeddings, targets, classes=CLASSES[:3], exclusive=True)


def test_a_single_class_is_an_error() -> None:
    embeddings, _ = galaxies(20)
    with pytest.raises(NotEnoughLabels, match="spiral"):
        Morphology.fit(embeddings, np.tile(np.array([0, 1], np.float32), (20, 1)), classes=CLASSES[:2], exclusive=True)


@pytest.mark.parametrize(
    ("embeddings", "targets", "message"),
    [
        (np.ones((8, 3)), np.ones((7, 2)), "7 targets"),
        (np.ones((8, 3)), np.full((8, 2), 2.0), "between 0 and 1"),
        (np.full((8, 3), np.nan), np.eye(2)[[0, 1] * 4], "not finite"),
        (np.ones((8, 3)), np.ones((8, 3)), "shape"),
        (np.ones((8, 3)), np.eye(2)[[0, 1] * 4] * np.arange(8)[:, None].clip(0, 1), "target 0"),
    ],
)
def test_arrays_of_other_shapes_are_an_error(
    embeddings: NDArray[np.float64], targets: NDArray[np.float64], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Morphology.fit(embeddings, targets, classes=CLASSES[:2], exclusive=True)


def test_a_thousand_galaxies_take_seconds_of_cpu_at_most() -> None:
    embeddings, targets = galaxies(1000, k=4, d=384)
    start = time.process_time()
    Morphology.fit(embeddings, targets, classes=CLASSES, exclusive=True)
    assert time.process_time() - start < 3


def new_class(n: int, share: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float64]]:
    """Return embeddings, classes 0 to 2, and log-probabilities of another head with the classes 0 and 1 only."""
    rng = np.random.default_rng(seed)
    kinds = np.where(rng.random(n) < share, 2, rng.integers(0, 2, n))
    embeddings = rng.normal(size=(n, 24)).astype(np.float32)
    embeddings[:, 0] += 6 * (kinds == 2)
    offset = np.full((n, 3), np.nan)
    offset[:, :2] = np.log(np.where(np.eye(2)[kinds.clip(0, 1)] > 0, 0.95, 0.05))
    return embeddings, kinds, offset


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_class_without_an_offset_needs_a_dozen_examples(exclusive: bool) -> None:
    embeddings, kinds, offset = new_class(40, 0.35, seed=1)
    assert 10 <= (kinds == 2).sum() <= 20
    head = Morphology.fit(embeddings, np.eye(3)[kinds], classes=list("abc"), exclusive=exclusive, offset=offset)
    others, truth, opinion = new_class(200, 0.35, seed=2)
    predictions = head.predict(others, offset=opinion).argmax(axis=1)
    assert (predictions[truth == 2] == 2).mean() > 0.9
    assert (predictions[truth != 2] != 2).mean() > 0.9


def test_a_class_without_offset_and_examples_is_very_improbable() -> None:
    embeddings, kinds, offset = new_class(30, 0.0, seed=3)
    head = Morphology.fit(embeddings, np.eye(3)[kinds], classes=list("abc"), exclusive=True, offset=offset)
    assert (head.predict(embeddings, offset=offset)[:, 2] < 0.02).all()


def test_a_stored_head_keeps_the_offset_of_unknown_classes(tmp_path: Path) -> None:
    embeddings, kinds, offset = new_class(30, 0.2, seed=4)
    head = Morphology.fit(embeddings, np.eye(3)[kinds], classes=list("abc"), exclusive=True, offset=offset)
    head.save(tmp_path)
    expected = head.predict(embeddings, offset=offset)
    assert Morphology.load(tmp_path).predict(embeddings, offset=offset) == pytest.approx(expected)


def test_an_old_head_gives_unknown_classes_the_mean_of_the_others() -> None:
    embeddings, kinds, offset = new_class(30, 0.2, seed=5)
    shared_offset = np.column_stack([offset[:, :2] + np.log(2 / 3), np.full(30, np.log(1 / 3))])
    head = Morphology.fit(embeddings, np.eye(3)[kinds], classes=list("abc"), exclusive=True, offset=shared_offset)
    old = replace(head, rates=np.full(3, np.nan, np.float32))
    assert old.predict(embeddings, offset=offset) == pytest.approx(head.predict(embeddings, offset=shared_offset), abs=1e-5)
