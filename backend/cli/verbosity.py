"""The options `--quiet` and `--verbose`, which every command has that ends by itself."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer
from rich.logging import RichHandler

from backend.cli.terminal import notices, stop_for
from sync.errors.failures import RunError

__all__ = ["add_verbosity"]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors, and no progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print the log, with the traceback of each item that failed.")]


def add_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the two options; typer reads the options of a command from its signature."""

    @wraps(command)
    def run(*, quiet: bool, verbose: bool, **options: Any) -> None:
        notices.quiet = quiet
        if verbose:
            logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", handlers=[RichHandler(console=notices)])
            logging.getLogger("galaxyloop").setLevel(logging.DEBUG)
        try:
            command(**options)
        except RunError as error:  # of an input that can no longer be read, such as a bucket
            stop_for(error)

    signature = inspect.signature(command)
    types = get_type_hints(command, include_extras=True) | {"quiet": Quiet, "verbose": Verbose}
    new_parameters = (inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False) for name in ("quiet", "verbose"))
    parameters = [
        parameter.replace(annotation=types[parameter.name]) for parameter in (*signature.parameters.values(), *new_parameters)
    ]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = types
    return run
