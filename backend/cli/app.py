"""The command line `galaxyloop`: `backend/cli/commands/` has one file for each group of commands.

Commands import their modules inside functions, so that `galaxyloop --help` does not load torch.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import Annotated

import typer

from backend.cli.commands.check import check
from backend.cli.commands.demo import demo
from backend.cli.commands.detach import detach, forget
from backend.cli.commands.doctor import doctor
from backend.cli.commands.embed import embed
from backend.cli.commands.encoder import list_encoders, rollback_encoder, try_encoder, use_encoder
from backend.cli.commands.export import export
from backend.cli.commands.import_ import import_
from backend.cli.commands.import_regions import import_regions
from backend.cli.commands.inspect_ import inspect
from backend.cli.commands.measure import measure
from backend.cli.commands.pin import pin, rollback, unpin
from backend.cli.commands.predict import predict
from backend.cli.commands.prelabel import prelabel
from backend.cli.commands.pretrain import pretrain
from backend.cli.commands.problems import problems
from backend.cli.commands.project import attach, create
from backend.cli.commands.project import status as project_status
from backend.cli.commands.project_list import list_projects
from backend.cli.commands.restore import restore
from backend.cli.commands.segment import segment
from backend.cli.commands.serve import server, worker
from backend.cli.commands.similar import similar
from backend.cli.commands.status import status
from backend.cli.commands.survey import survey
from backend.cli.commands.versions import versions
from backend.cli.terminal import console
from backend.cli.verbosity import add_verbosity

__all__ = ["app", "main"]

SERVICES: tuple[Callable[..., None], ...] = (server, worker)
"""Commands that run until they are stopped; the level of their log is a setting."""
COMMANDS: tuple[Callable[..., None], ...] = (
    demo,
    check,
    doctor,
    status,
    versions,
    rollback,
    pin,
    unpin,
    similar,
    inspect,
    embed,
    predict,
    prelabel,
    survey,
    segment,
    measure,
    restore,
    pretrain,
    export,
    import_regions,
)
PROJECT_COMMANDS: tuple[Callable[..., None], ...] = (create, attach, detach, forget, problems)

ENCODER_COMMANDS: dict[str, Callable[..., None]] = {
    "try": try_encoder,
    "use": use_encoder,
    "list": list_encoders,
    "rollback": rollback_encoder,
}

EXIT_CODES = "Exit codes: 0 success; 1 the work failed, or the listed items were left out; 2 wrong call, no work was started."

app = typer.Typer(
    epilog=EXIT_CODES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
project_app = typer.Typer(help="Create, attach, list and forget Label Studio projects.", no_args_is_help=True)
encoder_app = typer.Typer(help="Try, use and list the encoders of projects.", no_args_is_help=True)
app.add_typer(project_app, name="project")
app.add_typer(encoder_app, name="encoder")
for command in SERVICES:
    app.command()(command)
for command in COMMANDS:
    app.command()(add_verbosity(command))
app.command("import")(add_verbosity(import_))
project_app.command("status")(add_verbosity(project_status))
project_app.command("list")(add_verbosity(list_projects))
for name, command in ENCODER_COMMANDS.items():
    encoder_app.command(name)(add_verbosity(command))
for command in PROJECT_COMMANDS:
    project_app.command()(add_verbosity(command))


def _print_version(wanted: bool) -> None:
    if wanted:
        from galaxyloop import __version__

        console.print(f"galaxyloop {__version__}", highlight=False)
        raise typer.Exit()


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version of galaxyloop.")
]


@app.callback()
def describe(version: Version = False) -> None:
    """Pre-annotate galaxies in Label Studio with a model that is retrained on each batch of annotations."""


def main() -> None:
    """Run the command that the process was called with."""
    atexit.register(_mute_native_code)
    app()


def _mute_native_code() -> None:
    """Redirect standard error to the null device, for libraries that write to it while Python exits.

    Triton, a dependency of torch builds for GPUs, lists its leaked objects there: 30 lines below the command's sentence.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
