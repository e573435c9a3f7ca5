"""The versions that a report shows, with their heads."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.heads import HeadError
from backend.loop.examples.training_labels import read_training_labels
from backend.loop.report.inputs import ReportInputs
from backend.prediction.project_heads import PROMPTS, ProjectHeads
from backend.registry.records import BASE, BASE_NUMBER, DAMAGED, Version, config_hash

__all__ = ["ShownVersion", "read_versions", "select_versions"]

log = logging.getLogger("galaxyloop.report")

MOST_VERSIONS = 9
NEWEST = 4
"""Number of the newest versions that are shown in any case: whether predictions still change is read from them."""
MOST_TOUCHED = 0.2
"""Share of the held-out tasks that a version may have been trained on, because they were held out later; those tasks are left
out for all versions. A version above this share is left out instead."""


@dataclass(frozen=True)
class ShownVersion:
    """A version with its heads.

    Attributes
    ----------
    sources : mapping
        Control's name to the number of the version whose folder holds its head.
    training_tasks : frozenset of int
        Tasks that its heads were trained on.
    """

    version: Version
    heads: ProjectHeads
    sources: Mapping[str, int]
    training_tasks: frozenset[int] = field(default=frozenset())


def select_versions(versions: Sequence[Version], live: int, *, config: str) -> list[Version]:
    """Select the live version, the newest ones, and others spread evenly over the number of labels.

    Parameters
    ----------
    versions : sequence of Version
        All versions of a project, oldest first.
    live : int
        Number of the live version.
    config : str
        Hash of the labelling config; versions of another one are left out, except for the live version.
    """
    fitting = [
        version
        for version in versions
        if version.number == live or (version.verdict != DAMAGED and (version.config_hash == config or version.verdict == BASE))
    ]
    numbers = {live, *(version.number for version in fitting[-NEWEST:])}
    candidates = sorted(
        (version for version in fitting if version.number not in numbers), key=lambda version: version.learned_from
    )
    free = min(MOST_VERSIONS - len(numbers), len(candidates))
    numbers |= {candidates[round(place * (len(candidates) - 1) / max(free - 1, 1))].number for place in range(free)}
    return [version for version in fitting if version.number in numbers]


def read_versions(inputs: ReportInputs) -> list[ShownVersion]:
    """Read the heads of the selected versions; a version whose files are damaged is left out."""
    project, registry = inputs.project, inputs.services.registry
    versions_of_report = select_versions(
        registry.versions(project.id), project.live_version, config=config_hash(project.label_config)
    )
    read = []
    for version in versions_of_report:
        inputs.check()
        try:
            read.append(_read(inputs, version))
        except (HeadError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("event=version_not_in_report project=%d version=%s reason=%r", project.id, version.name, str(error))
    held_out = inputs.held_out_tasks
    limit = MOST_TOUCHED * len(held_out)
    live = project.live_version
    return [entry for entry in read if entry.version.number == live or len(_tasks_of_heads(entry, inputs) & held_out) <= limit]


def _read(inputs: ReportInputs, version: Version) -> ShownVersion:
    project, registry, predictors = inputs.project, inputs.services.registry, inputs.predictors
    heads = predictors.heads_of(project.id, version.number, inputs.config)
    if missing := heads.encoders - predictors.extractor.columns.parts.keys():
        raise HeadError(f"its encoder {' and '.join(sorted(missing))} is not here")
    heads = predictors.usable(heads)
    sources = {name: version.head_from(name) for name in heads.by_control}
    training_tasks: set[int] = set()
    numbers = set(sources.values()) | ({version.head_from(PROMPTS)} if heads.prompted_masks is not None else set())
    for number in numbers - {BASE_NUMBER}:
        labels = read_training_labels(registry.path(project.id, number), inputs.truth)
        training_tasks |= {image.task for examples in labels.values() for image in examples.references}
    return ShownVersion(version, heads, sources, frozenset(training_tasks))


def _tasks_of_heads(version: ShownVersion, inputs: ReportInputs) -> set[int]:
    """Return the tasks that a version was trained on, and their neighbours."""
    neighbours = inputs.snapshot.sides.neighbours
    return {other for task in version.training_tasks for other in (task, *neighbours.get(task, ()))}
