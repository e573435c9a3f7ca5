"""Uncertainty: the epistemic part falls with labels and is high far from them; the aleatoric part remains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.classification.morphology import Morphology
from backend.heads.classification.uncertainty import Uncertainty

Floats = NDArray[np.float32]


def galaxies(n: int, *, seed: int = 0, d: int = 24) -> tuple[Floats, Floats]:
    """Return two classes that the first feature separates; one galaxy in four is ambiguous, with a random class."""
    rng = np.random.default_rng(seed)
    kind, is_mixed = rng.integers(0, 2, n), np.arange(n) % 4 == 0
    embeddings = rng.normal(0, 1, (n, d))
    embeddings[:, 0] = np.where(is_mixed, 0, 5 * (2 * kind - 1)) + rng.normal(0, 0.3, n)
    return embeddings.astype(np.float32), np.eye(2, dtype=np.float32)[kind]


def fit(n: int, *, exclusive: bool = True, seed: int = 0) -> Morphology:
    embeddings, targets = galaxies(n, seed=seed)
    return Morphology.fit(embeddings, targets, classes=("a", "b"), exclusive=exclusive)


UNSEEN, _ = galaxies(200, seed=50)
MIXED, PURE = UNSEEN[::4], np.delete(UNSEEN, np.s_[::4], axis=0)


@pytest.mark.parametrize("exclusive", [True, False])
def test_epistemic_uncertainty_falls_as_labels_grow(exclusive: bool) -> None:
    means = [fit(n, exclusive=exclusive).uncertainty(UNSEEN).epistemic.mean() for n in (20, 80, 320, 1280)]
    assert means[0] > 2 * means[2]
    assert means[1] > means[2] > means[3]


def test_epistemic_uncertainty_is_higher_far_from_the_labels() -> None:
    head, away = fit(200), np.random.default_rng(3).normal(0, 10, UNSEEN.shape).astype(np.float32)
    away[:, 0] = 0
    assert head.uncertainty(MIXED + away[: len(MIXED)]).epistemic.mean() > 3 * head.uncertainty(MIXED).epistemic.mean()


def test_directions_without_labels_stay_uncertain_in_long_embeddings() -> None:
    embeddings, targets = galaxies(12, d=200)
    head = Morphology.fit(embeddings, targets, classes=("a", "b"), exclusive=True)
    unseen, _ = galaxies(50, d=200, seed=9)
    assert head.uncertainty(unseen).epistemic.mean() > head.uncertainty(embeddings).epistemic.mean()


def test_aleatoric_uncertainty_remains_for_ambiguous_galaxies() -> None:
    few, many = fit(160).uncertainty(MIXED), fit(1280).uncertainty(MIXED)
    assert many.epistemic.mean() < few.epistemic.mean() / 2
    assert many.aleatoric.mean() >= few.aleatoric.mean()
    assert many.aleatoric.mean() > 0.6  # of ln 2 = 0.69
    assert fit(1280).uncertainty(PURE).aleatoric.mean() < many.aleatoric.mean() / 2


@pytest.mark.parametrize("exclusive", [True, False])
def test_both_add_up_to_about_the_entropy_of_the_prediction(exclusive: bool) -> None:
    head = fit(400, exclusive=exclusive)
    split = head.uncertainty(UNSEEN)
    entropy = head.link.entropy(head.predict(UNSEEN))
    assert np.abs(split.epistemic + split.aleatoric - entropy).mean() < 0.1


def test_a_head_that_uses_an_offset_requires_it() -> None:
    embeddings, targets = galaxies(40)
    offset = np.log(targets * 0.9 + 0.05)
    head = Morphology.fit(embeddings, targets, classes=("a", "b"), exclusive=True, offset=offset)
    uncertainty = head.uncertainty(embeddings, offset=offset)
    assert (uncertainty.epistemic > 0).all()
    with pytest.raises(ValueError, match="offset"):
        head.uncertainty(embeddings)


def test_a_class_without_an_example_keeps_uncertainty_finite() -> None:
    embeddings, targets = galaxies(60)
    wider = np.concatenate([targets, np.zeros((60, 1), np.float32)], axis=1)
    for exclusive in (True, False):
        uncertainty = Morphology.fit(embeddings, wider, classes=("a", "b", "c"), exclusive=exclusive).uncertainty(UNSEEN)
        assert np.isfinite(uncertainty.epistemic).all()
        assert np.isfinite(uncertainty.aleatoric).all()


def test_uncertainty_is_deterministic_and_survives_saving(tmp_path: Path) -> None:
    head = fit(60)
    head.save(tmp_path)
    results: list[Uncertainty] = [each_head.uncertainty(UNSEEN) for each_head in (head, head, Morphology.load(tmp_path))]
    assert all((result.epistemic == results[0].epistemic).all() for result in results)
