"""`galaxyloop encoder`: try, use and list encoders of a project, and return to the one before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.encoder_figures import list_rows, list_rows_of_project, print_rows, print_trial, record_trial
from backend.cli.progress import show_step, track_items
from backend.cli.startup import limit_threads, open_existing_services, open_label_studio, read_settings
from backend.cli.terminal import AsJson, ProjectId, console, print_json, stop, stop_for, wrong_call
from backend.registry.records import MAX_ID

if TYPE_CHECKING:
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


def try_encoder(project: ProjectId, spec: Spec = "", embeddings: EmbeddingsFile = None, as_json: AsJson = False) -> None:
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
    print_json(record_trial(services, project, result)) if as_json else print_trial(services, result)
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


def list_encoders(
    project: Annotated[int | None, typer.Argument(min=1, max=MAX_ID, help="Number of a project.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the encoders of the data folder, and which versions of a project stand on them."""
    settings = read_settings()
    if project is None:
        from backend.lvm.encoder_store import EncoderStore

        rows = list_rows(EncoderStore(settings.encoders_dir))
    else:
        services = open_existing_services(settings)
        from backend.registry.records import RegistryError

        try:
            rows = list_rows_of_project(services, project)
        except RegistryError as error:
            stop_for(error)
    print_json([asdict(row) for row in rows]) if as_json else print_rows(rows)


def rollback_encoder(project: ProjectId) -> None:
    """Return to the encoder before the last switch, effective immediately, or end a switch that has not happened yet."""
    services = open_existing_services(read_settings())
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
    return open_existing_services(settings)


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
