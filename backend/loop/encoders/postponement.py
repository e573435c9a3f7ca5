"""After the gate has rejected a chosen encoder, versions stand on that of the live one until there are more annotations."""

from __future__ import annotations

import math

from backend.loop.encoders.target import EncoderTarget
from backend.loop.examples.snapshot import read_stamps
from backend.loop.next_step import trained_versions
from backend.registry.records import REJECTED, Project, config_hash
from backend.services import Services

__all__ = ["find_postponement"]

RETRY_GROWTH = 1.5
"""The chosen encoder is tried again once annotations have grown by this factor: a few more would not change the comparison."""


def find_postponement(services: Services, project: Project, target: EncoderTarget, *, annotations: int) -> str:
    """Return why the next version is not trained on the chosen encoder, although it could be.

    Without this, a project for which the chosen encoder is truly worse would train versions on it with each batch, and reject
    all of them.

    Parameters
    ----------
    services : Services
    project : Project
    target : EncoderTarget
    annotations : int
        Number of annotations that count now.

    Returns
    -------
    str
        One sentence for `galaxyloop status`; empty if the chosen encoder is to be used.
    """
    if not target.is_switch:
        return ""
    config = config_hash(project.label_config)
    versions = [
        version
        for version in trained_versions(services.registry.versions(project.id))
        if version.encoder == target.chosen_encoder and version.config_hash == config
    ]
    if not versions or versions[-1].verdict != REJECTED:
        return ""
    last = versions[-1]
    due = math.ceil(RETRY_GROWTH * len(read_stamps(services.registry.path(project.id, last.number))))
    if annotations >= due:
        return ""
    return f"{last.name} on the encoder {target.spec} was rejected; it is tried again with {due} annotations"
