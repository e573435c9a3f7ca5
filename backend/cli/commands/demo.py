"""`galaxyloop demo`: Label Studio, the backend and a worker on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.terminal import console, stop_for, wrong_call

__all__ = ["demo"]

MAX_PORT = 65535


def demo(
    images: Annotated[
        Path | None, typer.Option(help="Folder of PNG, JPEG, TIFF or FITS images; default: tiles of the Hubble deep field.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Folder of all files of the demo.")] = Path(".demo"),
    port: Annotated[int, typer.Option(help="Port of Label Studio.")] = 8080,
    backend_port: Annotated[int, typer.Option(help="Port of the backend.")] = 9090,
    label_studio: Annotated[Path, typer.Option(help="The label-studio command in its own virtual environment.")] = Path(
        ".venv-label-studio/bin/label-studio"
    ),
) -> None:
    """Start Label Studio, the backend and a worker on this machine, with pre-annotated galaxies."""
    from backend.demo.options import DemoError, DemoOptions, check_machine
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.local_server import StudioError

    for number in (port, backend_port):
        if not 1 <= number <= MAX_PORT:
            wrong_call(f"a port is a number from 1 to {MAX_PORT}, not {number}")
    if port == backend_port:
        wrong_call(f"--port and --backend-port are both {port}: Label Studio and the backend need a port each")
    options = DemoOptions(images, data_dir, port, backend_port, label_studio)
    try:
        check_machine(options)
        from backend.demo.run import run_demo

        run_demo(options, console)
    except (DemoError, StudioError, LabelStudioError, OSError) as error:
        stop_for(error)
