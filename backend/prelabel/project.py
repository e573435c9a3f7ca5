"""Pre-label a project: choose the tasks, predict them, store and verify the predictions, and show them to annotators.

Label Studio lists the tasks that have a prediction of the live version, so a run after a kill continues with the others. A run
stores chunks under the project's lease, so a worker or another run never stores the same predictions at the same time. After a
kill, or a request without an answer, the lease lasts for some more seconds, in which Label Studio finishes an import that it
has begun. Label Studio itself takes no lease: at its end the run deletes the duplicates that Label Studio stores when an
annotator opens a task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from backend.loop.audit import held_out_tasks, randomise_held_out
from backend.loop.publication.publish import show_live
from backend.loop.publication.publisher import Publisher
from backend.loop.publication.stored_predictions import StoredPredictions
from backend.prediction.bulk import Engine, Pairs, predict_and_store
from backend.prediction.predictor import PredictionTask
from backend.prediction.project_heads import controls_to_predict
from backend.prelabel.engines import EngineFactory
from backend.prelabel.errors import NoProjectError, PrelabelError
from backend.prelabel.exclusive import exclusive_project
from backend.registry.damage import find_version_damage
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.annotations import read_annotations
from sync.label_studio.attach import check_attachment, show_predictions
from sync.label_studio.client import LabelStudioError
from sync.label_studio.duplicates import delete_duplicates
from sync.label_studio.predictions import count_predictions, predicted_tasks
from sync.label_studio.projects import ProjectState, project_state
from sync.label_studio.tasks import Task, read_tasks
from sync.labelling.config import LabelConfigError, parse

__all__ = ["Outcome", "PrelabelError", "TaskSelection", "prelabel"]

log = logging.getLogger("galaxyloop.prelabel")

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class TaskSelection:
    """The tasks to predict.

    Attributes
    ----------
    only_unlabelled : bool
        Leave out annotated tasks.
    limit : int or None
        Largest number of tasks.
    uncertain_first : bool
        Take the tasks with the lowest scores first; this predicts all tasks twice.
    """

    only_unlabelled: bool = False
    limit: int | None = None
    uncertain_first: bool = False


@dataclass(slots=True)
class Outcome:
    """The result of a run.

    Attributes
    ----------
    version : str
        Name of the version that predicted.
    known_count : int
        Number of tasks that had its prediction before the run.
    stored_count : int
        Number of tasks that received its prediction.
    replaced_count : int
        Number of tasks whose outdated or failed prediction was replaced.
    refused_tasks : list of int
        Ids of tasks whose prediction Label Studio did not store; the log has the reasons.
    left_out : dict of int to str
        Ids of tasks whose image could not be read, with the reason; their prediction is empty.
    duplicates : list of int
        Ids of tasks that had more than one prediction of the version; all but one were deleted.
    shown : bool
        Whether annotators see this version's predictions.
    """

    version: str
    known_count: int
    stored_count: int = 0
    replaced_count: int = 0
    refused_tasks: list[int] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)
    shown: bool = False


Progress = Callable[[Iterator[Pairs], str, int], Iterator[Pairs]]
"""Function that yields the given batches and shows a progress bar with a title and a total."""


def prelabel(
    services: Services, project_id: int, choice: TaskSelection, *, open_engine: EngineFactory, progress: Progress
) -> Outcome:
    """Store the live version's predictions for tasks without one; before the first training, those of the shipped heads.

    Parameters
    ----------
    services : Services
    project_id : int
    choice : TaskSelection
        The tasks to predict.
    open_engine : callable
        `backend.prelabel.engines.local_engine`, or `ray_engine(address)`.
    progress : callable
        Shows a progress bar.

    Raises
    ------
    PrelabelError
        If the project has no task, an unreadable labelling config, no control that galaxyloop predicts, or a damaged live
        version, or if another version goes live during the run; predictions stored until then are kept.
    LabelStudioError
        If Label Studio refuses a request or does not answer; a second run continues.
    """
    state = _read_state(services, project_id)
    tasks = read_tasks(services.label_studio, project_id)
    if not tasks:
        raise PrelabelError(f"project {project_id} has no task: import images first")
    project = services.registry.register_project(project_id, label_config=state.label_config, extra_params=None)
    if reason := find_version_damage(services.registry, project_id, project.live_version):
        sentence = f"{project.live_name} of project {project_id} is damaged ({reason})"
        raise PrelabelError(f"{sentence}: start the worker, which makes the last undamaged version live")
    predicted_ids = predicted_tasks(services.label_studio, project_id, project.live_name)
    outcome = Outcome(project.live_name, known_count=len(predicted_ids))
    waiting = [task for task in tasks if task.id not in predicted_ids and not (choice.only_unlabelled and task.annotated)]
    tasks_to_predict: list[PredictionTask] = []
    if waiting:
        held_out = held_out_tasks(project, tasks)
        with open_engine(services, project) as engine:
            tasks_to_predict, known_count = _choose(waiting, choice, engine, progress, held_out)
            predictions = randomise_held_out(engine(tasks_to_predict), held_out, known_scores=known_count)
            _store(services, project, progress(predictions, "predicting", len(tasks_to_predict)), outcome)
    with exclusive_project(services, project):
        outcome.replaced_count = _replace_outdated(services, project, tasks) if choice.limit is None else 0
        predicted_ids = _verify(services, project, tasks_to_predict, outcome)
        outcome.shown = _show(services, project, state, tasks, predicted_ids)
    return outcome


def _read_state(services: Services, project_id: int) -> ProjectState:
    try:
        state = project_state(services.label_studio, project_id)
        fillable = controls_to_predict(parse(state.label_config))
    except LabelStudioError as error:
        if error.status != NOT_FOUND:
            raise
        raise NoProjectError(f"Label Studio at {services.settings.label_studio_url} has no project {project_id}") from error
    except LabelConfigError as error:
        raise PrelabelError(f"the labelling config of project {project_id} cannot be read: {error}") from error
    if not fillable:
        raise PrelabelError(f"the labelling config of project {project_id} has no control that galaxyloop predicts")
    return state


def _choose(
    waiting: list[Task], choice: TaskSelection, engine: Engine, progress: Progress, held_out: frozenset[int]
) -> tuple[list[PredictionTask], list[float]]:
    """Choose the tasks to predict; return them, and the scores computed so far for tasks that are not held out."""
    tasks = [PredictionTask(id=task.id, data=task.data) for task in waiting]
    known_scores: list[float] = []
    if choice.uncertain_first:
        # Only scores are kept: the masks of 100,000 tasks would not fit in memory. The second pass reads the cache.
        batches = progress(engine(tasks), "computing the order", len(tasks))
        pairs: Pairs = [(task, replace(prediction, result=[])) for batch in batches for task, prediction in batch]
        randomised_batches = randomise_held_out([pairs], held_out)
        scores = {task.id: prediction.score for batch in randomised_batches for task, prediction in batch}
        tasks.sort(key=lambda task: (scores[task.id], task.id))
        known_scores = [score for task, score in scores.items() if task not in held_out]
    return tasks[: choice.limit], known_scores


def _store(services: Services, project: Project, predictions: Iterator[Pairs], outcome: Outcome) -> None:
    keys = services.predictors.data_keys(project)
    batches = services.prediction_records.record_batches(predictions, project.id, project.live_version, keys=keys)
    for chunk in predict_and_store(
        services.label_studio, project.id, batches, exclusive=lambda: exclusive_project(services, project)
    ):
        outcome.left_out |= {task.id: prediction.problem for task, prediction in chunk.pairs if prediction.problem}
        log.info("event=stored project=%d version=%s stored=%d", project.id, outcome.version, chunk.count)


def _replace_outdated(services: Services, project: Project, tasks: list[Task]) -> int:
    """Replace outdated predictions, and failed ones that succeed now; return their number."""
    publisher = Publisher(services, project, StoredPredictions())
    tasks_to_predict = publisher.choose(tasks)
    annotated_ids = [task.id for task in (*tasks_to_predict.changed_tasks, *tasks_to_predict.failed_tasks) if task.annotations]
    annotations = read_annotations(services.label_studio, project.id, task_ids=annotated_ids)
    parents = {annotation.parent_prediction for annotation in annotations if annotation.parent_prediction is not None}
    return publisher.replace(tasks_to_predict.changed_tasks, parents=parents) + publisher.retry(
        tasks_to_predict.failed_tasks, parents=parents
    )


def _verify(services: Services, project: Project, tasks: list[PredictionTask], outcome: Outcome) -> set[int]:
    """Return the ids of the tasks that have a prediction in Label Studio; record refused tasks, and delete duplicates."""
    predicted_ids = predicted_tasks(services.label_studio, project.id, outcome.version)
    outcome.refused_tasks = [task.id for task in tasks if task.id not in predicted_ids]
    outcome.stored_count = len(tasks) - len(outcome.refused_tasks)
    if count_predictions(services.label_studio, project.id, outcome.version) > len(predicted_ids):
        # An annotator opened a task during the import, and Label Studio stored the backend's answer as well.
        outcome.duplicates = delete_duplicates(services.label_studio, project.id, outcome.version)
        log.info(
            "event=duplicates_deleted project=%d version=%s tasks=%d", project.id, outcome.version, len(outcome.duplicates)
        )
    return predicted_ids


def _show(services: Services, project: Project, state: ProjectState, tasks: list[Task], predicted_ids: set[int]) -> bool:
    """Show this version to annotators once all open tasks have its prediction; return whether it is shown.

    If the project shows no version yet, also an incomplete one is shown. In a project without this backend, Label Studio reads
    the version's name from the stored predictions.
    """
    client, name = services.label_studio, project.live_name
    complete = all(task.annotated or task.id in predicted_ids for task in tasks)
    if not predicted_ids or (not complete and state.model_version):
        return state.model_version == name
    if complete and check_attachment(client, project.id, url=services.settings.public_url)[0]:
        show_live(services, project, tasks=state.task_count)
        return True
    show_predictions(client, project.id, version=name)
    if complete:
        services.registry.set_published(project.id, project.live_version, tasks=state.task_count)
    return True
