"""A sample of the tasks of a project with their inputs, for the map and the gallery of the least certain tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.heads.inputs import HeadInputs
from backend.loop.report.embeddings import EmbeddingReader
from backend.loop.report.inputs import ReportInputs
from backend.prediction.control_models import model_class
from sync.label_studio.task_images import images_of_control, reference_of_image
from sync.label_studio.tasks import Task
from sync.labelling.config import Control

__all__ = ["TaskSample", "sample_tasks"]

MOST_TASKS = 1500


@dataclass(frozen=True, eq=False)
class TaskSample:
    """n tasks.

    Attributes
    ----------
    tasks : list of Task
    references : list of str
        Reference of the first image of each task on which the control is predicted.
    inputs : HeadInputs
    """

    tasks: list[Task]
    references: list[str]
    inputs: HeadInputs


def sample_tasks(inputs: ReportInputs, control: Control, reader: EmbeddingReader) -> TaskSample:
    """Sample at most `MOST_TASKS` tasks: up to one half are annotated, the newest labels, and the others are open.

    Open tasks are sampled by a hash of their ids, so that the sample is the same in the next cycle. Tasks whose image cannot be
    read are left out.
    """
    annotated_tasks = sorted(
        (task for task in inputs.tasks if task.id in inputs.labelled_at), key=lambda task: inputs.labelled_at[task.id]
    )
    waiting = sorted((task for task in inputs.tasks if not task.annotated and task.id not in inputs.labelled_at), key=_order)
    newest = annotated_tasks[-max(MOST_TASKS // 2, MOST_TASKS - len(waiting)) :]
    tasks = [*newest, *waiting[: MOST_TASKS - len(newest)]]
    references = [_reference(inputs, control, task) for task in tasks]
    embeddings = reader.embeddings(references)
    readable = [place for place, embedding in enumerate(embeddings) if embedding is not None]
    vectors = [embedding for embedding in embeddings if embedding is not None]
    return TaskSample(
        [tasks[place] for place in readable],
        [references[place] for place in readable],
        HeadInputs(
            np.stack(vectors) if vectors else np.empty((0, 1), np.float32),
            tuple(inputs.predictors.blocks.read(tasks[place].data, only=model_class(control).trains_on) for place in readable),
        ),
    )


def _reference(inputs: ReportInputs, control: Control, task: Task) -> str:
    images: Sequence[tuple[str, int]] = images_of_control(task.data, inputs.config, control)
    return reference_of_image(task.data, inputs.config, images[0]) if images else ""


def _order(task: Task) -> bytes:
    """Return a sort key that puts tasks in a random order, the same in each call."""
    return hashlib.sha256(str(task.id).encode()).digest()
