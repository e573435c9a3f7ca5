"""Embed the images of a project by the encoder that it is switched to, while the live version stays as it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from backend.jobs.lease import Lease, LeaseLostError
from backend.prediction.factory import read_config
from backend.prediction.project_heads import controls_to_predict
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.task_images import images_of_control, reference_of_image
from sync.label_studio.tasks import Task
from sync.labelling.config import LabelConfig

__all__ = ["Progress", "embed_ahead"]

log = logging.getLogger("galaxyloop.encoders")

CHUNK = 32
EMBED_FOR_S = 60.0
"""Longest time of one call: other projects wait for the worker meanwhile."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Images of a project that are embedded, or cannot be read, and all of its images."""

    count_done: int
    total: int

    @property
    def is_complete(self) -> bool:
        """Whether no image is left."""
        return self.count_done == self.total


def embed_ahead(
    services: Services,
    project: Project,
    tasks: Sequence[Task],
    encoder: str,
    *,
    pairs_done: set[tuple[str, str]],
    lease: Lease,
    seconds: float = EMBED_FOR_S,
) -> Progress:
    """Embed images without an embedding by this encoder, until an event arrives or the time is over.

    Parameters
    ----------
    tasks : sequence of Task
        All tasks of the project.
    encoder : str
        Fingerprint of the encoder.
    pairs_done : set of (str, str)
        Encoders and references of images that earlier calls have embedded, or found unreadable; updated.
    lease : Lease
    seconds : float
        Longest time; with 0 nothing is embedded.

    Raises
    ------
    LeaseLostError
        If another worker has taken over.
    """
    predictors = services.predictors.on(encoder)
    references = _references(tasks, read_config(project.label_config))
    waiting = []
    for reference in references:
        if (encoder, reference) not in pairs_done:
            if predictors.cached_embedding(reference) is None:
                waiting.append(reference)
            else:
                pairs_done.add((encoder, reference))
    pending, until = services.pending_events.pending(), time.monotonic() + seconds
    for start in range(0, len(waiting), CHUNK):
        if lease.is_set():
            raise LeaseLostError(f"project {project.id} was taken over by another worker")
        if time.monotonic() >= until or services.pending_events.pending() != pending:
            break
        part = waiting[start : start + CHUNK]
        predictors.extractor.extract_features(part, embed=True)
        pairs_done.update((encoder, reference) for reference in part)
    progress = Progress(sum((encoder, reference) in pairs_done for reference in references), len(references))
    if waiting and seconds:
        log.info(
            "event=embedded_ahead project=%d encoder=%s images=%d of=%d",
            project.id,
            encoder,
            progress.count_done,
            progress.total,
        )
    return progress


def _references(tasks: Sequence[Task], config: LabelConfig) -> list[str]:
    """Return the references of all images on which a control is predicted, each once."""
    controls = controls_to_predict(config)
    references = (
        reference_of_image(task.data, config, image)
        for task in tasks
        for control in controls
        for image in images_of_control(task.data, config, control)
    )
    return list(dict.fromkeys(reference for reference in references if reference))
