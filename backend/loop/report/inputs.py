"""What all figures of a report are computed from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from backend.loop.examples.snapshot import Snapshot
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.prediction.live import LivePredictors
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.tasks import Task
from sync.labelling.config import Control, LabelConfig

__all__ = ["Check", "ReportInputs"]

Check = Callable[[], None]
"""Called between two pieces of work; raises an exception to stop."""
TIMED_ANNOTATIONS = 200
"""Number of annotations, the newest, whose median time is the time of the next labels."""


@dataclass(frozen=True)
class ReportInputs:
    """The project at the end of a cycle.

    Attributes
    ----------
    services : Services
    project : Project
    config : LabelConfig
    controls : tuple of Control
        The controls that are predicted.
    tasks : sequence of Task
        All tasks of the project.
    snapshot : Snapshot
        Current annotations, divided into training, held-out and set-aside tasks.
    truth : mapping
        Control's name to the current labels of all annotated images.
    scores : mapping
        Task id to the score of its stored prediction, as far as known.
    check : callable
        Raises an exception if the report must stop.
    """

    services: Services
    project: Project
    config: LabelConfig
    controls: tuple[Control, ...]
    tasks: Sequence[Task]
    snapshot: Snapshot
    truth: Mapping[str, Examples]
    scores: Mapping[int, float | None]
    check: Check

    @cached_property
    def predictors(self) -> LivePredictors:
        """The predictors of this process, with the embeddings of every encoder that a version of the project stands on."""
        versions = self.services.registry.versions(self.project.id)
        return self.services.predictors.on(*(version.encoder for version in versions if version.encoder))

    @cached_property
    def encoder(self) -> str:
        """Fingerprint of the encoder of the live version."""
        live = self.services.registry.version(self.project.id, self.project.live_version).encoder
        predictors = self.services.predictors
        return live if live and predictors.has(live) else predictors.shipped_encoder

    @cached_property
    def training_tasks(self) -> frozenset[int]:
        """Annotated tasks that versions are trained on."""
        return frozenset(annotation.task_id for annotation in self.snapshot.training)

    @cached_property
    def held_out_tasks(self) -> frozenset[int]:
        """Annotated tasks that are used for validation only."""
        return frozenset(annotation.task_id for annotation in self.snapshot.validation)

    @cached_property
    def labelled_at(self) -> Mapping[int, str]:
        """Task id to the time when its first annotation that counts was last changed, ISO 8601."""
        times: dict[int, str] = {}
        for annotation in self.snapshot.annotations:
            task = annotation.task_id
            times[task] = min(times.get(task, annotation.updated_at), annotation.updated_at)
        return times

    @cached_property
    def seconds(self) -> float | None:
        """Median time of the newest annotations, seconds; None if Label Studio has none."""
        newest = sorted(self.snapshot.annotations, key=lambda annotation: annotation.updated_at)[-TIMED_ANNOTATIONS:]
        times = [annotation.lead_time for annotation in newest if annotation.lead_time is not None]
        times = [time for time in times if math.isfinite(time) and time >= 0]
        return median(times) if times else None

    def galaxy(self, image: ImageOfTask) -> str:
        """Return the name of the galaxy or file that an annotated image shows."""
        return self.snapshot.sides.galaxies.get(image.task, str(image.task))

    def newest(self, images: Sequence[ImageOfTask], *, limit: int) -> list[ImageOfTask]:
        """Return the images that were labelled last, at most `limit`, ordered by task."""
        newest_first = sorted(images, key=lambda image: (self.labelled_at.get(image.task, ""), image))
        return sorted(newest_first[-limit:])
