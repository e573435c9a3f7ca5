"""The pool of a project: what the strategies get of classes, numbers and objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.heads.classification.morphology import Morphology
from backend.heads.regression import Parameters
from backend.loop.queue.labels import count_classes, read_ratings
from backend.loop.queue.pool import build_pool, rarity_of_classes
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import ClassModel, NumberModel
from backend.prediction.factory import BASE_MORPHOLOGY
from backend.prediction.task_embeddings import TaskEmbeddings, join_embeddings, ranked_model
from sync.controls.control import Control
from sync.label_studio.annotations import Annotation
from sync.labelling.config import LabelConfig, parse

CONFIG = parse("""<View><Image name="image" value="$image"/><Rating name="interest" toName="image"/>
<Choices name="kind" toName="image"><Choice value="Ring"/><Choice value="Shell"/><Choice value="Neither"/></Choices></View>""")


def control(name: str, config: LabelConfig = CONFIG) -> Control:
    class_control = config.control(name)
    assert class_control is not None
    return class_control


@pytest.fixture(scope="module")
def base() -> BaseClassifier:
    return BaseClassifier.alone(Morphology.load(BASE_MORPHOLOGY))


@pytest.fixture(scope="module")
def head(base: BaseClassifier, embeddings: Callable[..., Any]) -> Morphology:
    vectors, targets = embeddings([0, 1, 2] * 8, classes=3, dimension=len(base.morphology.mean))
    return Morphology.fit(vectors, targets, classes=["Ring", "Shell", "Neither"], exclusive=True)


def task_embeddings(base: BaseClassifier, count: int, *, seed: int = 0) -> TaskEmbeddings:
    rows = np.random.default_rng(seed).standard_normal((count, len(base.morphology.mean))).astype(np.float16)
    return TaskEmbeddings(np.arange(100, 100 + count), rows)


def note(task: int, **values: Any) -> Annotation:
    regions = [
        {"id": f"{name}{task}", "from_name": name, "to_name": "image", "type": kind, "value": {kind: value}}
        for name, kind, value in (
            (name, "rating" if name == "interest" else "choices", value) for name, value in values.items()
        )
    ]
    return Annotation(
        id=task,
        task_id=task,
        data={"image": f"/data/upload/1/{task}.png"},
        result=regions,
        updated_at="2026-03-02T00:00:00Z",
        was_cancelled=False,
        ground_truth=False,
        completed_by=1,
        parent_prediction=None,
        lead_time=None,
    )


def test_a_trained_head_gives_probabilities_and_information(base: BaseClassifier, head: Morphology) -> None:
    pool = build_pool(ClassModel(control("kind"), head, base), task_embeddings(base, 12), task_embeddings(base, 3), scores={})
    assert pool.probabilities.shape == (12, 3)
    assert pool.is_trained
    assert ((pool.information >= 0) & (pool.information <= 1)).all()
    assert np.linalg.norm(pool.features, axis=1) == pytest.approx(np.ones(12), abs=1e-4)
    assert pool.predict is not None
    assert pool.predict(pool.embeddings[:2], np.arange(2)).shape == (2, 3)


def test_without_a_head_of_the_project_nothing_is_known(base: BaseClassifier) -> None:
    model = ClassModel(control("kind"), None, base)
    pool = build_pool(model, task_embeddings(base, 12), task_embeddings(base, 0), scores={})
    assert not pool.is_trained
    assert not pool.information.any()


def test_other_controls_are_ranked_by_the_own_scores(base: BaseClassifier) -> None:
    values = np.random.default_rng(0).random(8)
    model = NumberModel(control("interest"), Parameters.fit(task_embeddings(base, 8).rows[:].astype(np.float32), values), base)
    pool = build_pool(model, task_embeddings(base, 4), task_embeddings(base, 0), scores={100: 0.25, 101: 0.75})
    assert pool.information.tolist() == [0.75, 0.25, 0.5, 0.5]
    assert ranked_model([model]) is model
    assert ranked_model([model, classes := ClassModel(control("kind"), None, base)]) is classes
    assert ranked_model([]) is None


@pytest.mark.slow
def test_rare_classes_weigh_more(base: BaseClassifier, head: Morphology) -> None:
    rarity = rarity_of_classes(np.array([9.0, 2.0, 1.0]))
    assert rarity.tolist() == pytest.approx([0.5, 5 / 3, 2.5])
    model, candidates = ClassModel(control("kind"), head, base), task_embeddings(base, 20)
    plain = build_pool(model, candidates, task_embeddings(base, 0), scores={})
    weighted_pool = build_pool(model, candidates, task_embeddings(base, 0), scores={}, rarity=rarity)
    expected = plain.information * rarity[plain.probabilities.argmax(axis=1)]
    assert weighted_pool.information == pytest.approx(expected)


def test_classes_and_ratings_are_read_from_annotations() -> None:
    notes = [note(1, kind=["Ring"], interest=4), note(2, kind=["Ring"]), note(3, kind=["Shell"], interest=1)]
    assert count_classes(notes, CONFIG, control("kind")).tolist() == [2, 1, 0]
    assert read_ratings(notes, CONFIG) == {1: 4.0, 3: 1.0}
    assert read_ratings(notes, parse('<View><Image name="image" value="$image"/></View>')) == {}


def test_embeddings_are_joined_in_order(base: BaseClassifier) -> None:
    joined_rows = join_embeddings(task_embeddings(base, 2), task_embeddings(base, 3, seed=1))
    assert joined_rows.tasks.tolist() == [100, 101, 100, 101, 102]
    assert joined_rows.rows[:].shape == (5, len(base.morphology.mean))
