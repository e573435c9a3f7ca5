"""Limit how much a head may change the class predictions of tasks, above all of those without an annotation.

Annotators work on the tasks on which the live head is least certain, so the annotated tasks are not a random sample: on Galaxy
Zoo 2 a head that was better by 0.07 on the annotated galaxies was worse by 0.15 on the others (`docs/benchmarks.md`, Trust). It
changed its predictions of the others four times as much as those of the annotated galaxies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from backend.loop.gate.candidates import CandidateScores
from backend.loop.gate.decision import Decision, EncoderSwitch, HeadOrigin, decide_on_change
from backend.loop.gate.head_scorer import ComparedHead, model_of
from backend.loop.scores.comparison import Comparison, compare
from backend.prediction.control_models import ClassModel
from backend.prediction.control_models.agreement import class_agreement
from backend.prediction.control_models.training_data import inputs_of
from backend.prediction.image_features import ImageFeatures
from backend.prediction.live import LivePredictors
from sync.label_studio.task_images import images_of_control, reference_of_image
from sync.label_studio.tasks import Task
from sync.labelling.config import Control, LabelConfig

__all__ = ["MOST_TASKS", "ProjectTasks", "change_of_classes", "limit_change"]

MOST_TASKS = 200
"""Largest number of tasks that the change is measured on; its error is then below 0.01."""
PLACES = {HeadOrigin.CANDIDATE: 0, HeadOrigin.LIVE: 1, HeadOrigin.SHIPPED: 2}
"""Index of each head in `CandidateScores.scores`."""


@dataclass(frozen=True)
class ProjectTasks:
    """The tasks of a project, its labelling config, and the predictors that extract the features of its images."""

    tasks: Sequence[Task]
    config: LabelConfig
    predictors: LivePredictors


def limit_change(
    decision: Decision,
    scores: CandidateScores,
    compared_heads: Sequence[ComparedHead],
    control: Control,
    project: ProjectTasks,
    *,
    held_out: Collection[int],
    switch: EncoderSwitch,
) -> tuple[Decision, float | None]:
    """Apply `decide_on_change` to the decision on a control that holds classes.

    Parameters
    ----------
    decision : Decision
        From `decide`.
    scores : CandidateScores
        Scores of the candidate's, the live and the shipped head.
    compared_heads : sequence of ComparedHead
        The candidate's head and the live version's head.
    control : Control
    project : ProjectTasks
    held_out : collection of int
        Tasks that are used for validation and never for training.
    switch : EncoderSwitch
        Whether the candidate's head stands on another encoder than the live one, and why.

    Returns
    -------
    Decision
        The decision to apply.
    float or None
        Change on the tasks without an annotation; None if it was not measured, since `decision` keeps the live head or one of
        the heads has no class model.
    """
    if decision.origin is HeadOrigin.LIVE:
        return decision, None
    head = compared_heads[PLACES[decision.origin]].head if decision.origin is HeadOrigin.CANDIDATE else None
    live_head = compared_heads[PLACES[HeadOrigin.LIVE]].head
    new, live = (model_of(project.predictors, control, each) for each in (head, live_head))
    if not isinstance(new, ClassModel) or not isinstance(live, ClassModel):
        return decision, None
    change, annotated_change = (
        change_of_classes(new, live, project, only_annotated=only_annotated) for only_annotated in (False, True)
    )
    alone = _score_held_out(scores, decision.origin, held_out)
    final_decision = decide_on_change(decision, change=change, annotated_change=annotated_change, held_out=alone, switch=switch)
    return final_decision, change


def change_of_classes(new: ClassModel, live: ClassModel, project: ProjectTasks, *, only_annotated: bool) -> float:
    """Return the agreement that the new head would lose if the live head's probabilities were true, from 0 to 1.

    Parameters
    ----------
    new, live : ClassModel
    project : ProjectTasks
    only_annotated : bool
        Whether to measure on the tasks with an annotation or on those without; at most `MOST_TASKS` of them, sampled by a hash
        of their ids.

    Returns
    -------
    float
        0 if no image of these tasks can be read.
    """
    control, config = live.control, project.config
    tasks = (task for task in project.tasks if bool(task.annotations) is only_annotated)
    sample = sorted(tasks, key=lambda task: _order(task.id))[:MOST_TASKS]
    references = [reference_of_image(task.data, config, images_of_control(task.data, config, control)[0]) for task in sample]
    pairs = [(task, reference) for task, reference in zip(sample, references, strict=True) if reference]
    features_of_images = project.predictors.extractor.extract_features([reference for _, reference in pairs], embed=True)
    block_names = new.needs_blocks | live.needs_blocks
    readable = [
        replace(features, blocks=project.predictors.blocks.read(task.data, only=block_names))
        for (task, _), features in zip(pairs, features_of_images, strict=True)
        if isinstance(features, ImageFeatures)
    ]
    if not readable:
        return 0.0
    inputs = inputs_of(readable)
    probabilities = [model.shares(inputs) for model in (new, live)]
    levels = live.tree.depth if live.tree else 1
    return float(1 - class_agreement(*probabilities, exclusive=not control.multiple, levels=levels).mean())


def _score_held_out(scores: CandidateScores, origin: HeadOrigin, held_out: Collection[int]) -> Comparison:
    """Compare the chosen head with the live head on held-out tasks only."""
    alone = [
        place
        for place, (image, is_refitted) in enumerate(zip(scores.images, scores.is_resampled, strict=True))
        if image.task in held_out and not is_refitted
    ]
    agreements = [scores.agreement(PLACES[head])[:, alone] for head in (origin, HeadOrigin.LIVE)]
    return compare(*agreements, groups=[scores.groups[place] for place in alone])


def _order(task: int) -> bytes:
    """Return a sort key that puts tasks in a random order, the same in each call."""
    return hashlib.sha256(str(task).encode()).digest()
