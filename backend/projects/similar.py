"""Requests to order a project's queue by similarity to chosen galaxies: "find more like this"."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from backend.registry.task_queues import SimilarRequest, TaskQueues
from backend.services import Services
from sync.errors.failures import WrongCallError
from sync.label_studio.tasks import read_tasks

__all__ = ["SIMILAR_LIMIT", "SimilarError", "clear_similar", "embeddings_of_chosen", "request_similar"]

SIMILAR_LIMIT = 100
LARGEST_LIMIT = 500
"""Most tasks that are moved to the front: the worker changes about ten scores a second in Label Studio."""


class SimilarError(WrongCallError, ValueError):
    """A task cannot be compared with others; the message is one sentence."""


def request_similar(services: Services, project_id: int, tasks: Collection[int], *, limit: int = SIMILAR_LIMIT) -> None:
    """Store a request, and mark the project: the worker orders its queue by similarity to these tasks' galaxies.

    Parameters
    ----------
    services : Services
    project_id : int
    tasks : collection of int
        Ids of tasks of the project, at least one, annotated or not.
    limit : int
        Number of similar tasks at the front of the queue.

    Raises
    ------
    RegistryError
        If the backend is not attached to the project.
    SimilarError
        If the limit is too large, or a task does not exist or has no embedding yet.
    LabelStudioError
        If Label Studio refuses the request or cannot be reached.
    """
    if not 0 < limit <= LARGEST_LIMIT:
        raise SimilarError(f"the limit is {limit}: give a number of tasks from 1 to {LARGEST_LIMIT}")
    embeddings_of_chosen(services, project_id, tasks)
    TaskQueues(services.engine).set_request(project_id, SimilarRequest(tuple(sorted(set(tasks))), limit))
    services.mark_now(project_id)


def clear_similar(services: Services, project_id: int) -> bool:
    """End the request of a project, and mark the project; return whether it had one.

    Raises
    ------
    RegistryError
        If the backend is not attached to the project.
    """
    services.registry.project(project_id)
    queues = TaskQueues(services.engine)
    had_one = queues.request(project_id) is not None
    if had_one:
        queues.set_request(project_id, None)
        services.mark_now(project_id)
    return had_one


def embeddings_of_chosen(services: Services, project_id: int, tasks: Collection[int]) -> NDArray[np.float32]:
    """Return the cached embeddings of tasks by the shipped encoder, shape (n, d), as surveys have them.

    Raises
    ------
    RegistryError, SimilarError, LabelStudioError
        As `request_similar`.
    """
    project = services.registry.project(project_id)
    try:
        label_studio = services.label_studio
    except ValueError as error:  # without a key, or with an invalid address
        raise SimilarError(str(error)) from error
    data_of_tasks = {task.id: task.data for task in read_tasks(label_studio, project_id, task_ids=tasks)}
    if missing_tasks := sorted(set(tasks) - data_of_tasks.keys()):
        raise SimilarError(f"project {project_id} has no task {_format_tasks(missing_tasks)}")
    from backend.prediction.task_embeddings import ranked_model, read_task_embeddings  # loads torch, which no error above needs

    predictor = services.predictors.of(project, label_config=project.label_config)
    model = ranked_model(predictor.models)
    if model is None:
        raise SimilarError(f"the labelling config of project {project_id} has no control that galaxyloop predicts")
    predictors = services.predictors.on(*predictor.extractor.columns.parts)
    embeddings = read_task_embeddings(predictors, data_of_tasks, predictor.config, model.control)
    if missing_tasks := sorted(data_of_tasks.keys() - set(embeddings.tasks.tolist())):
        raise SimilarError(
            f"task {_format_tasks(missing_tasks)} of project {project_id} has no embedding: "
            "the worker has not predicted it yet, or its image could not be read"
        )
    return predictors.base.read(embeddings.rows[:].astype(np.float32), predictors.shipped_encoder)


def _format_tasks(tasks: list[int]) -> str:
    return ", ".join(map(str, tasks))
