"""The order of a queue in Label Studio: which tasks are at its front, and that no score is lost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.active.ranking import STRATEGIES
from backend.jobs.lease import LeaseLostError
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.publication.stored_predictions import StoredPredictions
from backend.loop.queue.order import Queue, order_queue, own_scores
from backend.prediction.prediction import LEAST_SCORE
from backend.registry.records import Project
from backend.registry.task_queues import SimilarRequest, TaskQueues
from backend.services import Services
from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioError
from sync.label_studio.scores import set_score
from sync.label_studio.tasks import read_tasks
from tests.backend.loop.conftest import CHOICES
from tests.small_label_studio import PROJECT, SmallLabelStudio

pytestmark = pytest.mark.slow

TASKS = range(1, 13)
COPY = 12
"""Shows the same image as task 1."""


class State:
    """A project with predicted tasks whose embeddings are in the cache, and a worker's memory of it."""

    def __init__(self, services: Services, label_studio: SmallLabelStudio) -> None:
        self.services = services
        self.label_studio = label_studio
        self.queues = TaskQueues(services.engine)
        self.stored = StoredPredictions()
        self.lease = threading.Event()
        self.own = {task: 0.3 + task / 50 for task in TASKS}
        for task in TASKS:
            label_studio.predict(task, self.project.live_name, score=self.own[task])
        self.publish()

    @property
    def project(self) -> Project:
        return self.services.registry.project(PROJECT)

    def publish(self) -> None:
        self.services.registry.set_published(PROJECT, self.project.live_version, tasks=len(TASKS))

    def configure(self, **extra_params: Any) -> None:
        self.services.registry.register_project(PROJECT, label_config=CHOICES, extra_params={"audit": 0, **extra_params})

    def order(self) -> str:
        client = self.services.label_studio
        tasks = read_tasks(client, PROJECT)
        self.stored.update(client, PROJECT, self.project.live_name, tasks={task.id for task in tasks}, max_age_s=60)
        snapshot = take_snapshot(read_annotations(client, PROJECT))
        return order_queue(self.services, Queue(self.project, tasks, snapshot, self.stored, 10, self.lease))

    @property
    def scores(self) -> dict[int, float]:
        """Scores of the live version in Label Studio."""
        name = self.project.live_name
        rows = [row for task in self.label_studio.tasks.values() for row in task["predictions"]]
        return {row["task"]: row["score"] for row in rows if row["model_version"] == name}

    @property
    def front(self) -> list[int]:
        """The tasks whose scores in Label Studio are below those of predictions, the lowest first."""
        return sorted((task for task, score in self.scores.items() if score < LEAST_SCORE), key=self.scores.__getitem__)

    @property
    def others(self) -> dict[int, float]:
        return {task: score for task, score in self.scores.items() if score >= LEAST_SCORE}


@pytest.fixture(scope="module")
def embedding_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the embeddings that the first test has computed; it does not exist before."""
    return tmp_path_factory.mktemp("embeddings") / "cache"


@pytest.fixture
def state(
    attached_services: Services, label_studio: SmallLabelStudio, png: Callable[..., bytes], embedding_cache: Path
) -> State:
    cache = attached_services.settings.cache_dir
    if embedding_cache.exists():
        shutil.copytree(embedding_cache, cache, dirs_exist_ok=True)
    for task in TASKS:
        path = f"/data/upload/{PROJECT}/{task}.png"
        seed = 1 if task == COPY else task
        label_studio.files[path] = png(spots=((20 + 10 * seed, 50, 2 + seed),), seed=seed)
        label_studio.add_task(task)
        attached_services.predictors.extractor.extract_features([path], embed=True)
    if not embedding_cache.exists():
        shutil.copytree(cache, embedding_cache)
    state_of_project = State(attached_services, label_studio)
    state_of_project.configure()
    return state_of_project


def annotate(state: State, *tasks: int) -> None:
    region = {"id": "c", "from_name": "morphology", "to_name": "image", "type": "choices", "value": {"choices": ["Spiral"]}}
    for task in tasks:
        state.label_studio.annotate(task, [region])


def test_the_front_is_below_all_others_and_these_keep_their_scores(state: State) -> None:
    assert state.order() == "the next 11 tasks are ordered by dropquery"
    assert len(state.front) == 11
    assert state.others == {task: state.own[task] for task in TASKS if task not in state.front}
    assert {task: state.stored.scores[task] for task in state.front} == {task: state.scores[task] for task in state.front}


def test_the_own_scores_of_the_front_are_known(state: State) -> None:
    state.order()
    scores = own_scores(state.services, state.project, state.stored.scores)
    assert {task: scores[task] for task in state.front} == {task: state.own[task] for task in state.front}


def test_near_copies_are_left_out_of_the_front(state: State) -> None:
    state.order()
    assert len({1, COPY} & set(state.front)) == 1


def test_the_predictions_keep_their_ids(state: State) -> None:
    before = state.label_studio.predictions()
    state.order()
    assert state.label_studio.predictions() == before


def test_nothing_is_sent_while_the_front_is_up_to_date(state: State) -> None:
    state.order()
    state.label_studio.requests.clear()
    assert state.order() == ""
    assert not [request for request in state.label_studio.requests if request.startswith("PATCH")]


def test_a_process_that_has_not_placed_the_front_reads_its_scores(state: State) -> None:
    state.order()
    state.stored = StoredPredictions()
    state.order()
    known_scores = {task: score for task, score in state.stored.scores.items() if score is not None}
    assert known_scores == {task: state.scores[task] for task in state.front}


def test_a_new_front_is_placed_when_fewer_than_half_of_its_tasks_are_open(state: State) -> None:
    state.order()
    first = state.front
    annotate(state, *first[:5])
    assert state.order() == ""
    annotate(state, first[5])
    assert "ordered by dropquery" in state.order()
    assert set(state.front) <= set(TASKS) - set(first[:6])
    assert all(state.scores[task] == state.own[task] for task in first[:6])


def test_a_new_version_gets_a_front_of_its_own(state: State) -> None:
    state.order()
    before = state.project.live_name
    with state.services.registry.create_version(PROJECT, label_config=CHOICES, fingerprint="f", learned_from=1) as (folder, _):
        (folder / "heads.json").write_text("{}")
    state.services.registry.promote(PROJECT, 2)
    assert state.order() == "", "its predictions are not published yet"
    for task in TASKS:
        state.label_studio.predict(task, state.project.live_name, score=0.9)
    state.publish()
    state.stored = StoredPredictions()
    state.order()
    assert state.front
    state.services.registry.promote(PROJECT, 1)
    state.publish()
    state.stored = StoredPredictions()
    state.configure(strategy="random")
    state.order()
    assert state.project.live_name == before
    assert state.others == {task: state.own[task] for task in TASKS if task not in state.front}


def test_another_strategy_reorders_the_queue(state: State) -> None:
    state.order()
    state.configure(strategy="random")
    assert state.order().endswith("ordered by random")


@pytest.mark.parametrize("kill_after", [0, 1, 4, 8])
def test_a_kill_while_scores_are_changed_loses_none(state: State, monkeypatch: pytest.MonkeyPatch, kill_after: int) -> None:
    from backend.loop.queue import placing

    state.order()
    state.configure(strategy="random")
    calls: list[tuple[Any, ...]] = []

    def fail(*arguments: Any) -> None:
        if len(calls) >= kill_after:
            raise KeyboardInterrupt
        calls.append(arguments)
        set_score(*arguments)

    monkeypatch.setattr(placing, "set_score", fail)
    with pytest.raises(KeyboardInterrupt):
        state.order()
    monkeypatch.undo()
    state.stored = StoredPredictions()
    state.order()
    assert set(state.front) == set(state.queues.front(PROJECT).tasks)
    assert state.front == list(state.queues.front(PROJECT).tasks)
    assert state.others == {task: state.own[task] for task in TASKS if task not in state.front}
    assert state.queues.front(PROJECT).own_scores[state.project.live_name] == {task: state.own[task] for task in state.front}


def test_a_task_that_is_predicted_again_stays_at_its_place(state: State) -> None:
    state.order()
    task = state.front[2]
    (row,) = state.label_studio.tasks[task]["predictions"]
    row["score"] = state.stored.scores[task] = 0.99
    before = state.queues.front(PROJECT).tasks
    state.order()
    assert state.front == list(before)
    assert state.queues.front(PROJECT).own_scores[state.project.live_name][task] == 0.99


def test_a_refused_request_leaves_the_own_scores_in_the_registry(state: State) -> None:
    for number in range(100, 130):
        state.label_studio.refusals[f"PATCH /api/predictions/{number}/"] = (400, {"detail": "no"})
    with pytest.raises(LabelStudioError):
        state.order()
    state.label_studio.refusals.clear()
    state.order()
    assert len(state.front) == 11


def test_a_lost_lease_stops_before_anything_is_changed(state: State) -> None:
    state.lease.set()
    with pytest.raises(LeaseLostError):
        state.order()
    assert not state.front


def test_held_out_tasks_are_in_the_front_at_their_share(state: State) -> None:
    state.configure(audit=0.5)
    state.order()
    assert state.front


def test_similar_galaxies_come_first_after_a_request(state: State) -> None:
    state.queues.set_request(PROJECT, SimilarRequest((5,), 3))
    assert state.order() == "the next 3 tasks are ordered by similarity to the task 5"
    assert set(state.front[:2]) < {3, 4, 6, 7}
    state.queues.set_request(PROJECT, SimilarRequest((5,), 5))
    assert state.order().startswith("the next 5 tasks")
    state.queues.set_request(PROJECT, None)
    assert "dropquery" in state.order()
    assert len(state.front) > 3


def test_a_request_without_an_embedding_falls_back_to_the_strategy(state: State) -> None:
    state.queues.set_request(PROJECT, SimilarRequest((999,), 3))
    state.order()
    assert len(state.front) == 3


def test_a_task_without_a_cached_embedding_is_not_in_the_front(state: State, label_studio: SmallLabelStudio) -> None:
    label_studio.predict(label_studio.add_task(20), state.project.live_name)
    label_studio.requests.clear()
    state.order()
    assert 20 not in state.front
    assert not [request for request in label_studio.requests if "/data/upload/" in request]


def test_a_task_whose_image_cannot_be_read_is_not_in_the_front(state: State) -> None:
    from backend.prediction.records import PredictionRecord

    state.services.prediction_records.write(PROJECT, 1, {3: PredictionRecord("h", 1.0)})
    state.order()
    assert 3 not in state.front


def test_a_project_whose_tasks_are_all_annotated_has_no_front(state: State) -> None:
    annotate(state, *TASKS)
    assert state.order() == ""
    assert not state.front


def test_rare_classes_come_first_where_asked(state: State) -> None:
    state.configure(rare_first=True)
    annotate(state, 1, 2)
    assert state.order().endswith("ordered by herding, rare classes first")


def test_a_strategy_that_fails_does_not_end_the_cycle(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FloatingPointError("a bug")

    monkeypatch.setitem(STRATEGIES, "dropquery", fail)
    assert state.order() == ""
    assert state.others == state.own


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_orders_the_queue_with_one_class_of_labels(state: State, strategy: str) -> None:
    annotate(state, 1, 2, 3)
    state.configure(strategy=strategy)
    assert state.order().endswith(f"ordered by {strategy}")
    assert state.front
