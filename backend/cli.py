"""The commands of `galaxyloop`; what they do stands elsewhere.

Imports are inside the commands: `galaxyloop --help` answers without loading torch.
"""

from __future__ import annotations

import datetime
import gc
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from backend.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="Annotate galaxies in Label Studio with a model that learns from every batch.", no_args_is_help=True)
project_app = typer.Typer(help="Label Studio projects.", no_args_is_help=True)
app.add_typer(project_app, name="project")
console = Console()

ProjectId = Annotated[
    int, typer.Argument(metavar="PROJECT", min=1, max=2**31 - 1, help="Number of the project in Label Studio's address.")
]


@app.command()
def demo(
    images: Annotated[Path | None, typer.Option(help="A folder of PNG, JPEG, TIFF or FITS images.")] = None,
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path(".demo"),
    port: Annotated[int, typer.Option(help="Label Studio's port.")] = 8080,
    backend_port: Annotated[int, typer.Option(help="The backend's port.")] = 9090,
    label_studio: Annotated[Path, typer.Option(help="The label-studio command of its own environment.")] = Path(
        ".venv-label-studio/bin/label-studio"
    ),
) -> None:
    """Start Label Studio, the backend and a worker on this machine, with real galaxies already annotated."""
    from backend.demo.options import DemoError, DemoOptions, check_machine
    from sync.client import LabelStudioError
    from sync.studio import StudioError

    options = DemoOptions(images, data_dir, port, backend_port, label_studio)
    try:
        check_machine(options)
        from backend.demo.run import run_demo

        run_demo(options, console)
    except (DemoError, StudioError, LabelStudioError, OSError) as error:
        _stop(str(error))


@app.command()
def server() -> None:
    """Serve Label Studio's ML protocol."""
    settings = _settings()
    _bound_threads(settings)
    import torch
    import uvicorn

    from backend.server import create_app
    from backend.services import Services

    _log_to_stderr()
    open_to_all = not settings.basic_auth_password.get_secret_value()
    if open_to_all and settings.host not in {"127.0.0.1", "localhost", "::1"}:
        _stop(f"set GALAXYLOOP_BASIC_AUTH_PASSWORD before listening on {settings.host}: everybody could call the backend")
    if open_to_all and settings.webhook_secret.get_secret_value():
        _stop("set GALAXYLOOP_BASIC_AUTH_PASSWORD beside the webhook secret: Start Training carries nothing else")
    torch.set_num_threads(settings.threads)
    # A full garbage collection over all that torch brings stops every thread for 0.3 s: what is there now stays, unexamined.
    gc.freeze()
    uvicorn.run(create_app(Services(settings)), host=settings.host, port=settings.port, access_log=False, log_config=None)


@app.command()
def worker() -> None:
    """Run the training worker."""
    settings = _settings()
    _bound_threads(settings)
    from backend.loop.worker import run_worker
    from backend.services import Services

    _log_to_stderr()
    services = Services(settings)
    gc.freeze()  # as in the server
    run_worker(services)


@app.command()
def status() -> None:
    """Say of each project what is live, what waits, and what the loop last did or why it did nothing."""
    from backend.services import Services

    services = Services(_settings())
    ringing = services.bell.ringing()
    table = Table("project", "live", "published", "events wait", "when", "what the loop last did")
    for project in services.registry.projects():
        live = services.registry.version(project.id, project.live_version)
        published = "yes" if project.published_version == project.live_version else "not yet"
        waits = "yes" if project.id in ringing else "no"
        table.add_row(str(project.id), live.name, published, waits, _time(project.status_at), project.status)
    console.print(table)


@app.command()
def versions(project: ProjectId) -> None:
    """List a project's versions with the evidence for and against each."""
    from backend.records import RegistryError
    from backend.services import Services

    registry = Services(_settings()).registry
    try:
        live = registry.project(project).live_version
    except RegistryError as error:
        _stop(str(error))
    table = Table("version", "verdict", "made", "learned from", "judged on", "score", "live then", "reason")
    for version in registry.versions(project):
        evidence = version.evidence
        table.add_row(
            f"[bold]{version.name}[/]" if version.number == live else version.name,
            "live" if version.number == live else version.verdict,
            _time(version.created_at),
            str(version.learned_from),
            str(evidence.get("judged_on", "")),
            _score(evidence.get("candidate")),
            _score(evidence.get("live")),
            str(evidence.get("reason", "")),
        )
    console.print(table)


@app.command()
def rollback(project: ProjectId, version: Annotated[str, typer.Argument(help="Its name, like v0003.")]) -> None:
    """Bring a version back: it is live at once, and the worker publishes its predictions."""
    from backend.records import RegistryError, version_number
    from backend.services import Services

    services = Services(_settings())
    try:
        services.registry.promote(project, version_number(version))
    except RegistryError as error:
        _stop(str(error))
    services.ring_at_once(project)
    console.print(f"{version} of project {project} is live; the worker stores its predictions")


@project_app.command()
def create(
    title: Annotated[str, typer.Option(help="At least three characters.")],
    config: Annotated[str, typer.Option(help="A name from labeling_configs, or an XML file.")],
) -> None:
    """Create a project in Label Studio and print its number."""
    from importlib.resources import files

    from sync.client import LabelStudioClient, LabelStudioError
    from sync.projects import create_project

    path = Path(config)
    shipped = files("labeling_configs").joinpath(f"{config}.xml")
    if not path.is_file() and not shipped.is_file():
        _stop(f"{config} is neither an XML file nor a name in labeling_configs")
    xml = path.read_text() if path.is_file() else shipped.read_text()
    settings = _settings()
    try:
        with LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value()) as client:
            console.print(create_project(client, title, xml))
    except (LabelStudioError, ValueError) as error:
        _stop(str(error))


@project_app.command()
def attach(
    project: ProjectId,
    batch: Annotated[int | None, typer.Option(min=1, help="Annotations that make a training.")] = None,
) -> None:
    """Attach the backend to a project so that it predicts, hears of every annotation, and is asked for uncertain tasks."""
    from backend.services import Services
    from sync.client import LabelStudioError
    from sync.projects import attach_backend, project_state

    services = Services(_settings())
    settings = services.settings
    password = settings.basic_auth_password.get_secret_value()
    try:
        client = services.label_studio
        state = project_state(client, project)
        services.meet(project, label_config=state.label_config, extra_params={"batch": batch} if batch else None)
        live = services.registry.version(project, services.registry.project(project).live_version)
        attach_backend(
            client,
            project,
            url=settings.public_url,
            title=live.name,
            basic_auth=(settings.basic_auth_user, password) if password else None,
            webhook_secret=settings.webhook_secret.get_secret_value() or None,
            extra_params={"batch": batch} if batch else None,
        )
    except (LabelStudioError, ValueError) as error:
        _stop(str(error))
    services.ring_at_once(project)
    console.print(f"project {project} is attached; the worker stores its first predictions")


@app.command()
def pretrain(
    data: Annotated[Path, typer.Argument(help="A Parquet file with a column `image` of encoded images.")],
    output: Annotated[Path, typer.Option(help="The checkpoint to write; a killed run goes on.")],
    epochs: Annotated[int, typer.Option(min=1)] = 40,
) -> None:
    """Pre-train the encoder without labels."""
    from backend.lvm.encoder import EncoderConfig
    from backend.lvm.pretrain import PretrainConfig, pretrain, read_pool

    try:
        frames = read_pool(data)
    except (KeyError, OSError, ValueError) as error:
        _stop(f"{data} is no Parquet file with a column `image` of encoded images: {str(error).splitlines()[0]}")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        pretrain(frames, output=output, config=PretrainConfig(epochs=epochs), network=EncoderConfig())
    except ValueError as error:
        _stop(str(error))


def _settings() -> Settings:
    """Read the settings, or say which one makes no sense."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"GALAXYLOOP_{name.upper()}"
        _stop(f"the setting {variable} is {first['input']!r}: {first['msg']}")


def _bound_threads(settings: Settings) -> None:
    """Bound the threads of every numerical library, which read this when they are loaded."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(settings.threads))


def _stop(reason: str) -> NoReturn:
    print(f"galaxyloop: {reason}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(1)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def _score(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""


if __name__ == "__main__":
    app()
