"""`galaxyloop demo`: Label Studio, the backend and a worker on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.terminal import console, stop_for

__all__ = ["demo"]


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
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.local_server import StudioError

    options = DemoOptions(images, data_dir, port, backend_port, label_studio)
    try:
        check_machine(options)
        from backend.demo.run import run_demo

        run_demo(options, console)
    except (DemoError, StudioError, LabelStudioError, OSError) as error:
        stop_for(error)
