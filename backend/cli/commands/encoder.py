"""`galaxyloop encoder`: try, use and list encoders of a project, and return to the one before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from backend.cli.progress import show_step, track_items
from backend.cli.startup import limit_threads, open_label_studio, open_services, read_settings
from backend.cli.tables import print_table
from backend.cli.terminal import ProjectId, console, format_time, stop, stop_for, wrong_call

if TYPE_CHECKING:
    from backend.loop.encoders.trial import Trial
    from backend.lvm.encoder_records import StoredEncoder
    from backend.services import Services

__all__ = ["list_encoders", "rollback_encoder", "try_encoder", "use_encoder"]

Spec = Annotated[
    str,
    typer.Argument(
        help="shipped, shipped-classifier, hf_hub:OWNER/NAME, local-dir:FOLDER, a name of timm, or a checkpoint of galaxyloop "
        "pretrain."
    ),
]
EmbeddingsFile = Annotated[
    Path | None,
    typer.Option("--embeddings", help="Parquet file of columns id and vector, computed by another program, instead of SPEC."),
]


def try_encoder(project: ProjectId, spec: Spec = "", embeddings: EmbeddingsFile = None) -> None:
    """Compare an encoder with the live one on the project's own labels; only annotated tasks are embedded."""
    services = _open(spec, embeddings)
    from backend.projects.encoders import live_encoder

    with _stop_for_errors():
        encoder, _ = _add(services, project, spec, embeddings)
        if encoder.fingerprint == live_encoder(services, project):
            wrong_call(f"project {project} stands on the encoder {encoder.spec} already: try another one")
        open_label_studio(services)
        from backend.loop.encoders import trial  # loads torch, which no error above needs

        result = trial.try_encoder(
            services,
            project,
            encoder.fingerprint,
            show=lambda controls: track_items(controls, "comparing", total=len(controls), unit="controls"),
        )
    _print_trial(services, result)
    if not result.controls:
        stop("no control could be compared")


def use_encoder(project: ProjectId, spec: Spec = "", embeddings: EmbeddingsFile = None) -> None:
    """Switch a project to an encoder: the worker embeds its images, trains and compares; the old version is live until then."""
    services = _open(spec, embeddings)
    from backend.jobs.liveness import describe_next_work
    from backend.projects.encoders import choose_encoder

    with _stop_for_errors():
        encoder, missing = _add(services, project, spec, embeddings)
        choose_encoder(services, project, encoder)
    next_work = describe_next_work(
        services.engine, "embeds its images, and then trains a version and compares it with the live one"
    )
    console.print(f"the encoder of project {project} is {encoder.spec} ({encoder.fingerprint}); {next_work}", soft_wrap=True)
    if missing:
        stop(f"{missing} images of project {project} have no vector, and cannot be predicted")


def list_encoders(project: Annotated[int | None, typer.Argument(min=1, help="Number of a project.")] = None) -> None:
    """List the encoders of the data folder, and which versions of a project stand on them."""
    services = open_services(read_settings())
    from backend.projects.encoders import live_encoder
    from backend.registry.records import RegistryError

    versions, live, encoder_of_settings = [], "", ""
    if project is not None:
        try:
            live, encoder_of_settings = live_encoder(services, project), services.registry.project(project).encoder
        except RegistryError as error:
            stop_for(error)
        versions = services.registry.versions(project)
    table = Table(Column("encoder", no_wrap=True), "specification", "numbers", "image", "added", "versions")
    default = services.encoders.shipped_name
    for encoder in [*services.encoders.shipped_encoders, *services.encoders.encoders()]:
        names = [version.name for version in versions if (version.encoder or default) == encoder.fingerprint]
        marks = ["live"] * (encoder.fingerprint == live) + ["chosen"] * (encoder.fingerprint == encoder_of_settings != live)
        table.add_row(
            Text(encoder.fingerprint, "bold" if marks else ""),
            encoder.spec,
            str(encoder.dimension or ""),
            f"{encoder.image_px} px" if encoder.image_px else "",
            format_time(encoder.added_at) if encoder.added_at else "",
            "; ".join([*marks, *names]),
        )
    print_table(table)


def rollback_encoder(project: ProjectId) -> None:
    """Return to the encoder before the last switch, effective immediately, or end a switch that has not happened yet."""
    services = open_services(read_settings())
    from backend.projects.encoders import return_to_earlier_encoder

    with _stop_for_errors():
        encoder, version = return_to_earlier_encoder(services, project)
    name = encoder.spec if encoder else "an encoder whose files are gone"
    what = f"{version.name} is live again" if version else "the switch is ended, and the live version stays"
    console.print(f"project {project} stands on {name}: {what}", soft_wrap=True)


def _open(spec: str, embeddings: Path | None) -> Services:
    if bool(spec) == (embeddings is not None):
        wrong_call("name either an encoder or a file with --embeddings")
    if embeddings is not None and find_spec("pyarrow") is None:
        stop("embeddings in Parquet need pyarrow, not installed here: pip install 'galaxyloop[survey]'")
    settings = read_settings()
    limit_threads(settings)
    return open_services(settings)


def _add(services: Services, project: int, spec: str, embeddings: Path | None) -> tuple[StoredEncoder, int]:
    """Add an encoder, or imported embeddings, to the data folder; return it and the number of images without a vector."""
    services.registry.project(project)
    if embeddings is None:
        with show_step("reading the encoder"):
            return services.encoders.add(spec), 0
    from backend.prediction.factory import read_config
    from backend.projects.imported_embeddings import read_embeddings_file
    from sync.label_studio.tasks import read_tasks

    config = read_config(services.registry.project(project).label_config)
    rows = read_embeddings_file(embeddings, read_tasks(open_label_studio(services), project), config)
    entry = services.encoders.add_vectors(str(embeddings), rows.references, rows.vectors)
    return entry, rows.missing


@contextmanager
def _stop_for_errors() -> Iterator[None]:
    from backend.lvm.checkpoint_files import CheckpointError
    from backend.projects.imported_embeddings import EmbeddingsError
    from backend.projects.live_version import DamagedVersionError
    from backend.registry.records import RegistryError
    from sync.label_studio.client import LabelStudioError

    try:
        yield
    except DamagedVersionError as error:
        stop(str(error))
    except (CheckpointError, EmbeddingsError, RegistryError, LabelStudioError) as error:
        stop_for(error)


def _print_trial(services: Services, trial: Trial) -> None:
    names = [
        encoder.spec if (encoder := services.encoders.get(name)) else name
        for name in (trial.current_encoder, trial.trial_encoder)
    ]
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
