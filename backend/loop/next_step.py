"""Choose the next step of a project in a cycle: train a version, restore an earlier one, or wait.

The decision is a pure function of the registry's rows and of the snapshot, so that a table of cases can test it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.registry.records import BASE, DAMAGED, RETIRED, Version

__all__ = ["CycleState", "Restore", "Step", "Train", "Wait", "decide", "trained_versions"]


@dataclass(frozen=True, slots=True)
class CycleState:
    """All inputs of the decision.

    Attributes
    ----------
    versions : sequence of Version
        All versions of the project, oldest first; each has been through the gate.
    live_version : int
        Number of the live version.
    config_hash : str
        Hash of the current labelling config.
    fingerprint : str
        Fingerprint of the current snapshot.
    changes : int
        Annotations that are new, changed or deleted since the newest of `trained_versions` was trained.
    batch : int
        Number of changes that start a training.
    training_requested : bool
        Whether a user pressed "Start Training".
    encoder : str
        Fingerprint of the encoder that the next version is trained on.
    """

    versions: Sequence[Version]
    live_version: int
    config_hash: str
    fingerprint: str
    changes: int
    batch: int
    training_requested: bool = False
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class Train:
    """Train a version on the snapshot.

    Attributes
    ----------
    config_changed : bool
        Whether the live version was trained for another labelling config. Then a new version is needed, if necessary one
        without a trained head.
    """

    config_changed: bool


@dataclass(frozen=True, slots=True)
class Restore:
    """Promote `version` again: the project has returned to the labelling config that the version was trained for."""

    version: Version


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing; `reason` is a clause for `galaxyloop status`."""

    reason: str


Step = Train | Restore | Wait


def decide(state: CycleState) -> Step:
    """Choose the next step of a project."""
    live = next(version for version in state.versions if version.number == state.live_version)
    config_changed = live.config_hash != state.config_hash
    earlier_versions = trained_versions(state.versions)
    same = next((version for version in earlier_versions if _is_of(version, state)), None)
    if same is not None:
        return Restore(_newest_fitting(state) or same) if config_changed else Wait(f"nothing new since {same.name}")
    encoder_changed = bool(earlier_versions) and state.encoder not in (live.encoder, earlier_versions[-1].encoder)
    if config_changed or encoder_changed or state.training_requested or state.changes >= state.batch:
        return Train(config_changed)
    since = earlier_versions[-1].name if earlier_versions else live.name
    return Wait(f"{state.changes} of {state.batch} changed annotations gathered since {since}")


def trained_versions(versions: Sequence[Version]) -> list[Version]:
    """Select the versions that the worker trained and whose files are intact, oldest first."""
    return [version for version in versions if version.verdict not in (BASE, DAMAGED)]


def _is_of(version: Version, state: CycleState) -> bool:
    """Return whether a version was trained on this snapshot for this labelling config, on this encoder."""
    state_of_config = (state.config_hash, state.fingerprint, state.encoder)
    return (version.config_hash, version.fingerprint, version.encoder) == state_of_config


def _newest_fitting(state: CycleState) -> Version | None:
    """Select the newest version that was live under this labelling config; the gate rejected the others."""
    fitting = [version for version in state.versions if version.config_hash == state.config_hash]
    return next((version for version in reversed(fitting) if version.verdict in (BASE, RETIRED)), None)
