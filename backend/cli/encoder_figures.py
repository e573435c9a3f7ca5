"""The encoders of a data folder and the result of a trial, as `galaxyloop encoder` prints them: as text or for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table
from rich.text import Text

from backend.cli.tables import print_table
from backend.cli.terminal import console, format_time

if TYPE_CHECKING:
    from backend.loop.encoders.trial import Trial
    from backend.lvm.encoder_records import StoredEncoder
    from backend.lvm.encoder_store import EncoderStore
    from backend.services import Services

__all__ = ["EncoderRow", "list_rows", "list_rows_of_project", "print_rows", "print_trial", "record_trial"]


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """One encoder of the list; `docs/commands.md` documents the fields, which are the keys of its JSON.

    Attributes
    ----------
    encoder : str
        Its fingerprint.
    specification : str
        What it was added by.
    numbers : int or None
        Length of an embedding; None for a shipped encoder.
    image_px : int or None
        Side of its images, pixels; None for a shipped encoder and imported embeddings.
    added_at : float or None
        Unix time; None for a shipped encoder.
    live, chosen : bool
        Whether the live version of the project stands on it, and whether it is the project's choice for the next one.
    versions : list of str
        Names of the versions of the project that stand on it.
    """

    encoder: str
    specification: str
    numbers: int | None
    image_px: int | None
    added_at: float | None
    live: bool
    chosen: bool
    versions: list[str]


def list_rows(store: EncoderStore) -> list[EncoderRow]:
    """List the encoders of a data folder, the shipped ones first."""
    return [_row(encoder) for encoder in _encoders(store)]


def list_rows_of_project(services: Services, project: int) -> list[EncoderRow]:
    """List the encoders of the data folder with the versions of a project that stand on them.

    Raises
    ------
    RegistryError
        If the backend is not attached to the project.
    """
    from backend.projects.encoders import live_encoder

    live, chosen = live_encoder(services, project), services.registry.project(project).encoder
    names: dict[str, list[str]] = {}
    for version in services.registry.versions(project):
        names.setdefault(version.encoder or services.encoders.shipped_name, []).append(version.name)
    return [
        _row(
            encoder,
            live=encoder.fingerprint == live,
            chosen=encoder.fingerprint == chosen != live,
            versions=names.get(encoder.fingerprint, []),
        )
        for encoder in _encoders(services.encoders)
    ]


def print_rows(rows: Iterable[EncoderRow]) -> None:
    """Print the list as a table."""
    table = Table(Column("encoder", no_wrap=True), "specification", "numbers", "image", "added", "versions")
    for row in rows:
        marks = ["live"] * row.live + ["chosen"] * row.chosen
        table.add_row(
            Text(row.encoder, "bold" if marks else ""),
            row.specification,
            str(row.numbers or ""),
            f"{row.image_px} px" if row.image_px else "",
            format_time(row.added_at or 0),
            "; ".join([*marks, *row.versions]),
        )
    print_table(table)


def record_trial(services: Services, project: int, trial: Trial) -> dict[str, Any]:
    """Return the result of a trial for JSON; `docs/commands.md` documents the keys, which scripts read."""
    encoders = {
        key: {"encoder": name, "specification": _specification(services, name), "images_per_s": trial.speeds.get(name)}
        for key, name in (("live", trial.current_encoder), ("tried", trial.trial_encoder))
    }
    controls = [
        {
            "control": row.control,
            "answer": row.comparison.answer,
            "difference": row.comparison.difference,
            "low": row.comparison.low,
            "high": row.comparison.high,
            "live_score": row.current_score,
            "tried_score": row.trial_score,
            "tasks": row.comparison.tasks,
            "by": row.by,
        }
        for row in trial.controls
    ]
    return {"project": project, **encoders, "controls": controls, "not_compared": dict(trial.not_compared)}


def print_trial(services: Services, trial: Trial) -> None:
    """Print the result of a trial as sentences."""
    names = [_specification(services, name) for name in (trial.current_encoder, trial.trial_encoder)]
    console.print(f"live encoder: {names[0]}; tried encoder: {names[1]}", soft_wrap=True)
    for row in trial.controls:
        comparison = row.comparison
        is_undecided = comparison.answer == "cannot tell"
        answer = "no significant difference" if is_undecided else f"the tried encoder is {comparison.answer}"
        interval = f"{comparison.difference:+.3f}, 90 % interval {comparison.low:+.3f} to {comparison.high:+.3f}"
        console.print(
            f"{row.control}: {answer} ({interval}); agreement with the annotators {row.current_score:.3f} on the live encoder "
            f"and {row.trial_score:.3f} on the tried one, {comparison.tasks} tasks, {row.by}",
            soft_wrap=True,
        )
    for control, reason in trial.not_compared.items():
        console.print(f"{control} was not compared: {reason}", soft_wrap=True)
    for name, fingerprint in zip(names, (trial.current_encoder, trial.trial_encoder), strict=True):
        speed = trial.speeds.get(fingerprint)
        console.print(f"{name}: {'imported' if speed is None else f'{speed:.1f} images/s'}", soft_wrap=True)


def _encoders(store: EncoderStore) -> list[StoredEncoder]:
    return [*store.shipped_encoders, *store.encoders()]


def _row(encoder: StoredEncoder, *, live: bool = False, chosen: bool = False, versions: Iterable[str] = ()) -> EncoderRow:
    numbers, image_px, added_at = encoder.dimension or None, encoder.image_px or None, encoder.added_at or None
    return EncoderRow(encoder.fingerprint, encoder.spec, numbers, image_px, added_at, live, chosen, list(versions))


def _specification(services: Services, name: str) -> str:
    encoder = services.encoders.get(name)
    return encoder.spec if encoder else name
