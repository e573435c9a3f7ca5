"""Pre-label a project: choose the tasks, predict and store them, verify what Label Studio has, and show it to annotators.

Label Studio is asked which tasks have a prediction of the live version, so whoever was killed goes on with the others. Chunks
are stored under the project's lease, and so never beside a worker or another pre-labelling that stores the same. The lease
outlives a kill, and a request without an answer, for some seconds, in which Label Studio ends an import that it had begun.
Label Studio itself asks for no lease: what it stores for a task that somebody opens meanwhile is taken away at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from backend.loop.audit import held_out_tasks, mix_in
from backend.loop.publication.publish import show_live
from backend.loop.publication.store import Storing
from backend.prediction.bulk import Engine, Pairs, predict_and_store
from backend.prediction.factory import read_config
from backend.prediction.predictor import Task
from backend.prediction.project_heads import controls_to_fill
from backend.prelabel.engines import Opening
from backend.prelabel.errors import NoProjectError, PrelabelError
from backend.prelabel.exclusive import exclusive_project
from backend.registry.damage import version_damage
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.annotations import read_annotations
from sync.label_studio.attach import attached, show_predictions
from sync.label_studio.client import LabelStudioError
from sync.label_studio.duplicates import delete_duplicates
from sync.label_studio.predictions import count_predictions, predicted_tasks
from sync.label_studio.projects import ProjectState, project_state
from sync.label_studio.tasks import Task as StudioTask
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import LabelConfigError, parse

__all__ = ["PrelabelError", "Prelabelled", "Wanted", "prelabel"]

log = logging.getLogger("galaxyloop.prelabel")

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks are predicted.

    Attributes
    ----------
    only_unlabelled : bool
        Leave out those that are annotated.
    limit : int or None
        At most so many.
    uncertain_first : bool
        Those that the live version is least sure of go first; all are predicted to know.
    """

    only_unlabelled: bool = False
    limit: int | None = None
    uncertain_first: bool = False


@dataclass(slots=True)
class Prelabelled:
    """What came of it.

    Attributes
    ----------
    version : str
        Name that the predictions carry.
    known : int
        Tasks that had its prediction before.
    stored : int
        Tasks that have it now and did not.
    made_again : int
        Tasks that had one that was made of other data, or without its picture, and have a new one now.
    lost : list of int
        Ids of tasks that Label Studio took no prediction for; its reasons are in the log.
    left_out : dict of int to str
        Ids of tasks whose picture could not be read, with the reason; their prediction is empty.
    doubled : list of int
        Ids of tasks that had more than one of its predictions, and have one now.
    shown : bool
        Whether annotators see this version's predictions.
    """

    version: str
    known: int
    stored: int = 0
    made_again: int = 0
    lost: list[int] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)
    shown: bool = False


Watch = Callable[[Iterator[Pairs], str, int], Iterator[Pairs]]
"""Gives batches on, under a bar with a title and a total."""


def prelabel(services: Services, project_id: int, wanted: Wanted, *, opening: Opening, watch: Watch) -> Prelabelled:
    """Store the live version's predictions for the tasks that lack one; of a project without a version, the shipped heads'.

    Parameters
    ----------
    opening : callable
        Opens the engine: `backend.prelabel.engines.here`, or `on_ray(address)`.
    watch : callable
        Shows how far it is.

    Raises
    ------
    PrelabelError
        If there is nothing to predict, or another version goes live meanwhile: what was stored until then stays.
    LabelStudioError
        If Label Studio refuses, or goes away: run it again.
    """
    state = _state(services, project_id)
    tasks = read_tasks(services.label_studio, project_id)
    if not tasks:
        raise PrelabelError(f"project {project_id} has no task: import images first")
    project = services.registry.register_project(project_id, label_config=state.label_config, extra_params=None)
    if reason := version_damage(services.registry, project_id, project.live_version):
        sentence = f"{project.live_name} of project {project_id} is damaged ({reason})"
        raise PrelabelError(f"{sentence}: start the worker, which lets the last good version go live")
    have = predicted_tasks(services.label_studio, project_id, project.live_name)
    done = Prelabelled(project.live_name, known=len(have))
    waiting = [task for task in tasks if task.id not in have and not (wanted.only_unlabelled and task.annotated)]
    chosen: list[Task] = []
    if waiting:
        held_out = held_out_tasks(project, tasks)
        with opening(services, project) as engine:
            chosen, known = _chosen(waiting, wanted, engine, watch, held_out)
            _store(services, project, chosen, lambda some: mix_in(engine(some), held_out, known=known), watch, done)
    with exclusive_project(services, project):
        done.made_again = _make_again(services, project, tasks) if wanted.limit is None else 0
        have = _verified(services, project, chosen, done)
        done.shown = _show(services, project, state, tasks, have)
    return done


def _state(services: Services, project_id: int) -> ProjectState:
    try:
        state = project_state(services.label_studio, project_id)
        fillable = controls_to_fill(parse(state.label_config))
    except LabelStudioError as error:
        if error.status != NOT_FOUND:
            raise
        raise NoProjectError(f"Label Studio at {services.settings.label_studio_url} has no project {project_id}") from error
    except LabelConfigError as error:
        raise PrelabelError(f"the labelling config of project {project_id} cannot be read: {error}") from error
    if not fillable:
        raise PrelabelError(f"the labelling config of project {project_id} has no control that galaxyloop can fill")
    return state


def _chosen(
    waiting: list[StudioTask], wanted: Wanted, engine: Engine, watch: Watch, held_out: frozenset[int]
) -> tuple[list[Task], list[float]]:
    """Choose the tasks to predict; return the scores of those that are not held out as well, where they are known by then."""
    tasks = [Task(id=task.id, data=task.data) for task in waiting]
    known: list[float] = []
    if wanted.uncertain_first:
        # Scores alone are kept: masks of a hundred thousand tasks would not fit. What the second pass needs is in the cache.
        looked = watch(engine(tasks), "looking", len(tasks))
        scored: Pairs = [(task, replace(prediction, result=[])) for batch in looked for task, prediction in batch]
        scores = {task.id: prediction.score for batch in mix_in([scored], held_out) for task, prediction in batch}
        tasks.sort(key=lambda task: (scores[task.id], task.id))
        known = [score for task, score in scores.items() if task not in held_out]
    return tasks[: wanted.limit], known


def _store(services: Services, project: Project, tasks: list[Task], engine: Engine, watch: Watch, done: Prelabelled) -> None:
    keys = set(read_config(project.label_config).image_key.values())
    recorded = services.prediction_records.recording(engine(tasks), project.id, project.live_version, keys=keys)
    predicted = watch(recorded, "predicting", len(tasks))
    for chunk in predict_and_store(
        services.label_studio, project.id, predicted, exclusive=lambda: exclusive_project(services, project)
    ):
        done.left_out |= {task.id: prediction.problem for task, prediction in chunk.pairs if prediction.problem}
        log.info("event=stored project=%d version=%s stored=%d", project.id, done.version, chunk.count)


def _make_again(services: Services, project: Project, tasks: list[StudioTask]) -> int:
    """Predict the tasks again whose stored prediction no longer holds; return how many there were."""
    storing = Storing(services, project)
    due = storing.due(tasks)
    annotated = [task.id for task in (*due.changed, *due.failed) if task.annotations]
    notes = read_annotations(services.label_studio, project.id, task_ids=annotated)
    parents = {note.parent_prediction for note in notes if note.parent_prediction is not None}
    return storing.make_again(due.changed, parents=parents) + storing.try_again(due.failed, parents=parents)


def _verified(services: Services, project: Project, tasks: list[Task], done: Prelabelled) -> set[int]:
    """Ask Label Studio what it has now, task by task; where a task has two, leave one."""
    have = predicted_tasks(services.label_studio, project.id, done.version)
    done.lost = [task.id for task in tasks if task.id not in have]
    done.stored = len(tasks) - len(done.lost)
    if count_predictions(services.label_studio, project.id, done.version) > len(have):
        # Somebody opened a task while it was stored, and Label Studio stored the backend's answer beside it; or just now.
        done.duplicates = delete_duplicates(services.label_studio, project.id, done.version)
        log.info("event=undoubled project=%d version=%s tasks=%d", project.id, done.version, len(done.duplicates))
    return have


def _show(services: Services, project: Project, state: ProjectState, tasks: list[StudioTask], have: set[int]) -> bool:
    """Let annotators see this version once no task is left without its prediction; return whether they do.

    A project that shows nothing yet shows the first there are. One without a backend, whose images nobody sends to us, shows
    them all the same: Label Studio knows the version by its predictions.
    """
    client, name = services.label_studio, project.live_name
    complete = all(task.annotated or task.id in have for task in tasks)
    if not have or (not complete and state.model_version):
        return state.model_version == name
    if complete and attached(client, project.id, url=services.settings.public_url)[0]:
        show_live(services, project, tasks=state.task_count)
        return True
    show_predictions(client, project.id, version=name)
    if complete:
        services.registry.set_published(project.id, project.live_version, tasks=state.task_count)
    return True
