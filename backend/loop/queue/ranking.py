"""Ranking of a project's open tasks: by its query strategy, or by similarity to the galaxies that a user has chosen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.active.pool import Indices, Pool
from backend.active.ranking import DEFAULT_OF_OBJECTS, DEFAULT_STRATEGY, INTEREST, select_batch, without_copies
from backend.active.similarity import similarity_to
from backend.loop.queue.front import front_length
from backend.loop.queue.labels import count_classes, rating_of, read_ratings
from backend.loop.queue.options import QueueOptions, read_queue_options
from backend.loop.queue.pool import build_pool, rarity_of_classes
from backend.prediction.control_models import ClassModel
from backend.prediction.task_embeddings import TaskEmbeddings, join_embeddings, ranked_model, read_task_embeddings
from backend.registry.records import Project
from backend.registry.task_queues import SimilarRequest
from backend.services import Services
from sync.controls import CONTROLS, Kind
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.label_studio.annotations import Annotation
from sync.label_studio.tasks import Task
from sync.labelling.config import LabelConfigError, parse

__all__ = ["Ranking", "rank_tasks", "read_ranking"]

log = logging.getLogger("galaxyloop.queue")


@dataclass(frozen=True, slots=True)
class Ranking:
    """What tasks are ranked by.

    Attributes
    ----------
    options : QueueOptions
    request : SimilarRequest or None
        Similarity to these galaxies comes before the options.
    length : int
        Number of tasks at the front.
    """

    options: QueueOptions
    request: SimilarRequest | None
    length: int

    @property
    def name(self) -> str:
        """The ranking in words."""
        if self.request is None:
            return self.options.name
        several = "s" if len(self.request.tasks) > 1 else ""
        return f"similarity to the task{several} {', '.join(map(str, self.request.tasks))}"

    @property
    def key(self) -> str:
        """The ranking and its length: a change makes a front outdated."""
        return f"{self.name}; {self.length} tasks"


def read_ranking(project: Project, request: SimilarRequest | None, *, batch: int) -> Ranking:
    """Return what the tasks of a project are ranked by.

    Parameters
    ----------
    project : Project
    request : SimilarRequest or None
    batch : int
        Number of annotations that start a training.
    """
    default = _default_strategy(project)
    try:
        options = read_queue_options(project.extra_params, default=default)
    except ValueError as error:  # /setup refuses these
        log.warning("event=queue_options_ignored project=%d reason=%r", project.id, str(error))
        options = QueueOptions(default)
    return Ranking(options, request, front_length(batch) if request is None else request.limit)


def _default_strategy(project: Project) -> str:
    """Return the order by interest for a project with a Rating, and that of objects for one without classes and numbers."""
    try:
        config = parse(project.label_config)
    except LabelConfigError:
        return DEFAULT_STRATEGY
    if rating_of(config) is not None:
        return INTEREST
    kinds = {CONTROLS[control.tag].KIND for control in config.controls}
    return DEFAULT_OF_OBJECTS if Kind.OBJECTS in kinds and not kinds & {Kind.CLASSES, Kind.NUMBER} else DEFAULT_STRATEGY


def rank_tasks(
    services: Services,
    project: Project,
    ranking: Ranking,
    candidates: Sequence[Task],
    *,
    tasks: Sequence[Task],
    training: Sequence[Annotation],
    own_scores: Callable[[], Mapping[int, float]],
) -> list[int]:
    """Return the ids of the first tasks of a ranking, without near copies of each other and of annotated ones.

    Tasks without a cached embedding are left out. If no chosen galaxy has one, the tasks are ranked by the strategy. If the
    ranking fails, the reason is logged and no task is returned.

    Parameters
    ----------
    candidates : sequence of Task
        The tasks to rank.
    tasks : sequence of Task
        All tasks of the project.
    training : sequence of Annotation
        The annotations that versions are trained on.
    own_scores : callable
        Returns the own score of the prediction of each task; called only if no control has classes.
    """
    predictor = services.predictors.of(project, label_config=project.label_config)
    model = ranked_model(predictor.models)
    if model is None or not candidates:
        return []
    config = predictor.config
    predictors, folder = services.predictors.on(*predictor.extractor.columns.parts), services.settings.data_dir

    def embeddings_of(data: Mapping[int, Mapping[str, object]]) -> TaskEmbeddings:
        return read_task_embeddings(predictors, data, config, model.control, folder=folder)

    candidate_rows = embeddings_of({task.id: task.data for task in candidates})
    labelled_rows = embeddings_of({annotation.task_id: annotation.data for annotation in training})
    requested_rows = embeddings_of(
        {task.id: task.data for task in tasks if ranking.request and task.id in ranking.request.tasks}
    )
    if ranking.request and not len(requested_rows.tasks):
        log.warning("event=request_ignored project=%d reason='no embedding' tasks=%s", project.id, ranking.request.tasks)
    scores = {} if isinstance(model, ClassModel) else own_scores()

    def select() -> Indices:
        rarity = None
        if ranking.options.rare_first and isinstance(model, ClassModel):
            rarity = rarity_of_classes(count_classes(training, config, model.control))
        pool = build_pool(
            model,
            candidate_rows,
            join_embeddings(labelled_rows, requested_rows, folder=folder),
            scores=scores,
            rarity=rarity,
            blocks=predictors.blocks,
        )
        if len(requested_rows.tasks):
            return _most_similar(pool, len(requested_rows.tasks), ranking.length)
        ratings = read_ratings(training, config)
        rated_pool = replace(
            pool, ratings=np.array([ratings.get(int(task), np.nan) for task in labelled_rows.tasks], np.float32)
        )
        source = np.random.default_rng(project.live_version)
        return select_batch(rated_pool, ranking.options.strategy, ranking.length, source=source)

    result = attempt(select)
    if isinstance(result, ImageError):  # the tasks keep the order of their own scores, and the cycle goes on
        log.error("event=queue_not_ranked project=%d by=%r reason=%r", project.id, ranking.name, str(result))
        return []
    return [int(task) for task in candidate_rows.tasks[result]]


def _most_similar(pool: Pool, request_row: int, length: int) -> Indices:
    """Return the indices of the galaxies that are most similar to the last `request_row` labelled ones."""
    similarity = similarity_to(pool.features, pool.labelled_features[-request_row:])
    order = np.argsort(-similarity, kind="stable")[: 3 * length]  # enough to replace copies
    return without_copies(pool, order)[:length]
