"""Choose the encoder that the next version of a project is trained on."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from backend.lvm.checkpoint import CheckpointError
from backend.lvm.encoder_records import SHIPPED, SHIPPED_CLASSIFIER
from backend.projects.encoders import reads_embeddings
from backend.registry.records import BASE, Project
from backend.services import Services

__all__ = ["EncoderTarget", "find_target"]

log = logging.getLogger("galaxyloop.encoders")


@dataclass(frozen=True, slots=True)
class EncoderTarget:
    """Encoders of a project.

    Attributes
    ----------
    current : str
        Fingerprint of the encoder of the live version.
    chosen_encoder : str
        Fingerprint of the encoder that the user has chosen, for the project or in the settings.
    spec : str
        Specification of the chosen encoder.
    problem : str
        Why the chosen encoder cannot be used, in one sentence; then `chosen_encoder` is `current`. Empty without a problem.
    """

    current: str
    chosen_encoder: str
    spec: str
    problem: str = ""

    @property
    def is_switch(self) -> bool:
        """Whether the project is to be switched to another encoder."""
        return self.chosen_encoder != self.current


def find_target(services: Services, project: Project) -> EncoderTarget:
    """Return the current and the chosen encoder of a project.

    The live version stays, and is trained further, if the chosen encoder cannot be used.
    """
    predictors, store = services.predictors, services.encoders
    live = services.registry.version(project.id, project.live_version)
    spec = services.settings.encoder or SHIPPED
    problem, name = "", project.encoder
    if not reads_embeddings(project.label_config):
        spec, name = SHIPPED_CLASSIFIER, predictors.shipped_encoder
    elif not name:
        try:
            name = store.resolve(spec).fingerprint
        except CheckpointError as error:
            problem = str(error)
    elif (entry := store.get(name)) is not None:
        spec = entry.spec
    if name and not predictors.has(name):
        problem = f"the encoder {name} of project {project.id} cannot be used: choose one with galaxyloop encoder use"
    # The shipped heads of a base version read the shipped encoder, whatever the project's own heads are trained on.
    fallback = live.encoder if live.encoder and predictors.has(live.encoder) else predictors.shipped_encoder
    if problem:
        log.error("event=encoder_not_used project=%d encoder=%s reason=%r", project.id, spec, problem)
        return EncoderTarget(fallback, fallback, spec, problem)
    return EncoderTarget(name if live.verdict == BASE else fallback, name, spec)
