"""Similarity to chosen galaxies."""

from __future__ import annotations

import numpy as np
import pytest

from backend.active.similarity import similarity_to


def test_a_galaxy_like_all_chosen_ones_is_more_similar_than_one_like_one() -> None:
    examples = np.eye(3, dtype=np.float32)[:2]
    features = np.array([[1, 0, 0], [0.6, 0.8, 0], [0.70710678, 0.70710678, 0], [0, 0, 1]], np.float32)
    assert similarity_to(features, examples) == pytest.approx([0.75, 0.75, 0.70710678, 0])


def test_similarity_to_one_galaxy_is_the_cosine() -> None:
    examples = np.array([[0.6, 0.8]], np.float32)
    assert similarity_to(np.array([[1, 0], [0, 1]], np.float32), examples) == pytest.approx([0.6, 0.8])
