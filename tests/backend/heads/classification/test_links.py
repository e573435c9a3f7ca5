"""Link functions: loss, gradient and curvature of exclusive and independent classes agree; stored heads stay readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.heads.classification.link import Link
from backend.heads.classification.links import Independent, Multinomial, link_of
from backend.heads.classification.morphology import Morphology

LINKS = [Multinomial(), Independent()]
RNG = np.random.default_rng(0)
# In double precision, as the gradient is compared with differences of losses.
LOGITS: Any = RNG.normal(0, 2, (6, 3))
TARGETS: Any = RNG.dirichlet(np.ones(3), 6)
IMPORTANCE: Any = RNG.uniform(0.5, 1.5, 6)
STORED = Path(__file__).parent / "data"


def parts(link: Link) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of the positive answers and of all answers, shape (6, 3) and (6, 1 or 3)."""
    weights = link.weights(TARGETS, IMPORTANCE)
    return TARGETS * weights[0] * IMPORTANCE[:, None], link.mass(TARGETS, IMPORTANCE, weights)


def test_a_head_uses_the_link_function_of_its_classes() -> None:
    assert link_of(exclusive=True) == Multinomial()
    assert link_of(exclusive=False) == Independent()


@pytest.mark.parametrize("link", LINKS)
def test_the_gradient_is_the_derivative_of_the_loss(link: Link) -> None:
    pull, mass = parts(link)
    _, gradient = link.loss(LOGITS, pull=pull, mass=mass)
    for place in np.ndindex(LOGITS.shape):
        step = np.zeros_like(LOGITS)
        step[place] = 1e-5
        higher, lower = (link.loss(LOGITS + sign * step, pull=pull, mass=mass)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((higher - lower) / 2e-5, abs=1e-5)


@pytest.mark.parametrize("link", LINKS)
def test_the_curvature_is_the_derivative_of_the_gradient(link: Link) -> None:
    pull, mass = parts(link)
    curvature = link.curvature(link.probabilities(LOGITS), mass)
    for column in range(3):
        step = 1e-4 * np.eye(3)[column]
        higher, lower = (link.loss(LOGITS + sign * step, pull=pull, mass=mass)[1] for sign in (1, -1))
        assert curvature[:, column] == pytest.approx(((higher - lower) / 2e-4).mean(axis=0), abs=1e-3)


@pytest.mark.parametrize("link", LINKS)
def test_class_weights_have_a_mean_of_one(link: Link) -> None:
    positive, negative = link.weights(TARGETS, IMPORTANCE)
    shares = IMPORTANCE @ TARGETS / IMPORTANCE.sum()
    mean = (positive * shares).sum() if link == Multinomial() else positive * shares + negative * (1 - shares)
    assert mean == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["exclusive", "independent"])
def test_a_head_stored_by_an_older_release_predicts_the_same(name: str) -> None:
    """Commit a7c70b3 stored both heads; its predictions for the same random numbers are in `expected.json`."""
    head = Morphology.load(STORED / name)
    expected = json.loads((STORED / name / "expected.json").read_text())
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(5, len(head.mean))).astype(np.float32)
    offset = np.log(rng.dirichlet(np.ones(len(head.classes)), 5)).astype(np.float32)
    uncertainty = head.uncertainty(embeddings, offset=offset)
    assert head.predict(embeddings, offset=offset) == pytest.approx(np.array(expected["probabilities"]), abs=1e-5)
    assert uncertainty.epistemic == pytest.approx(np.array(expected["epistemic"]), abs=1e-5)
    assert uncertainty.aleatoric == pytest.approx(np.array(expected["aleatoric"]), abs=1e-5)
