"""The encoder of a project: choosing one, and returning to the one before."""

from __future__ import annotations

from backend.lvm.encoder_records import StoredEncoder
from backend.projects.live_version import make_live
from backend.registry.records import BASE, RETIRED, RegistryError, Version, config_hash
from backend.services import Services
from sync.controls import CONTROLS, Kind

__all__ = ["choose_encoder", "live_encoder", "reads_embeddings", "return_to_earlier_encoder"]


def reads_embeddings(label_config: str) -> bool:
    """Return whether a labelling config has controls of classes or numbers: heads of objects stay on the shipped network."""
    from backend.prediction.factory import read_config  # loads torch, which `encoder list` and `encoder rollback` do not need
    from backend.prediction.project_heads import controls_to_predict

    controls = controls_to_predict(read_config(label_config))
    return any(CONTROLS[control.tag].KIND is not Kind.OBJECTS for control in controls)


def live_encoder(services: Services, project_id: int) -> str:
    """Return the fingerprint of the encoder that the live version of a project stands on.

    Raises
    ------
    RegistryError
        If the backend is not attached to the project.
    """
    project = services.registry.project(project_id)
    return services.registry.version(project_id, project.live_version).encoder or services.encoders.shipped_name


def choose_encoder(services: Services, project_id: int, encoder: StoredEncoder) -> None:
    """Record the encoder of a project, and request a cycle; the worker embeds the images, and then switches.

    Raises
    ------
    RegistryError
        If the backend is not attached to the project, or no control of it reads embeddings.
    """
    if not reads_embeddings(services.registry.project(project_id).label_config):
        raise RegistryError(
            f"project {project_id} has no control of classes or numbers: boxes and masks stay on the shipped network"
        )
    services.registry.set_encoder(project_id, encoder.fingerprint)
    services.mark_now(project_id)


def return_to_earlier_encoder(services: Services, project_id: int) -> tuple[StoredEncoder | None, Version | None]:
    """End a switch that has not happened yet, or make the last version on another encoder live again.

    Returns
    -------
    encoder : StoredEncoder or None
        The encoder of the project from now on; None if its files are gone.
    version : Version or None
        The version that is live again; None if a switch was ended, and the live version stays.

    Raises
    ------
    RegistryError
        If the backend is not attached to the project, or no version stood on another encoder.
    DamagedVersionError
        If the files of that version are damaged.
    """
    registry = services.registry
    project = registry.project(project_id)
    current = live_encoder(services, project_id)
    live = registry.version(project_id, project.live_version)
    if project.encoder and project.encoder != current and live.verdict != BASE:
        registry.set_encoder(project_id, current)
        services.mark_now(project_id)
        return services.encoders.get(current), None
    fitting = config_hash(project.label_config)
    earlier = [
        version
        for version in registry.versions(project_id)
        if version.verdict == RETIRED and version.encoder != current and version.config_hash == fitting
    ]
    if not earlier:
        raise RegistryError(
            f"no version of project {project_id} was live on another encoder: choose one with galaxyloop encoder use"
        )
    version = earlier[-1]
    registry.set_encoder(project_id, version.encoder)
    make_live(services, project_id, version.name)
    return services.encoders.get(version.encoder), version
