"""The demo's options, and quick checks of this machine before the demo imports large libraries."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from backend.demo.processes import port_is_free

__all__ = ["TESTED_LABEL_STUDIO", "DemoError", "DemoOptions", "check_machine", "describe_cost"]

INSTALLED_IN = ".venv-label-studio"
"""Label Studio's virtual environment below the folder in which the demo is started."""
TESTED_LABEL_STUDIO = "1.23.2"
NEEDED_BYTES = 500 * 2**20
MEMORY_BYTES = 3 * 2**30
"""Memory of Label Studio, server and worker together, while the worker trains."""
MEMORY_FILE = Path("/proc/meminfo")


class DemoError(RuntimeError):
    """The demo cannot start or continue; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of the command line.

    Attributes
    ----------
    images : Path or None
        Folder of the user's images; None for the Hubble deep field.
    data_dir : Path
        Folder of all files of the demo.
    port, backend_port : int
        Ports of Label Studio and of the backend, on loopback.
    label_studio : Path
        The `label-studio` command in Label Studio's virtual environment.
    """

    images: Path | None
    data_dir: Path
    port: int
    backend_port: int
    label_studio: Path


def check_machine(options: DemoOptions) -> None:
    """Create the data folder, and check Label Studio's program, the ports, the images' folder and the free disk space.

    Raises
    ------
    DemoError
        If one is missing; the message names it and what to do.
    """
    if not options.label_studio.exists():
        install = f"python3 -m venv {INSTALLED_IN} && {INSTALLED_IN}/bin/pip install label-studio=={TESTED_LABEL_STUDIO}"
        raise DemoError(
            f"Label Studio is not installed at {options.label_studio}: in a checkout run `make demo`, which installs it; "
            f"elsewhere `{install}`, 1 GB of disk, and then this command again"
        )
    for name, port, option in (
        ("Label Studio", options.port, "--port"),
        ("the backend", options.backend_port, "--backend-port"),
    ):
        if not port_is_free(port):
            variable = option.strip("-").replace("-", "_").upper()
            remedy = f"end that program, or choose another with {option} (`make demo {variable}=…`)"
            raise DemoError(f"port {port} for {name} is in use: {remedy}")
    if options.images is not None and not options.images.is_dir():
        raise DemoError(f"{options.images} is not a folder of images")
    options.data_dir.mkdir(parents=True, exist_ok=True)
    # Label Studio's database in the folder holds a token, and Label Studio makes it readable for every user of the machine.
    options.data_dir.chmod(0o700)
    free = shutil.disk_usage(options.data_dir).free
    if free < NEEDED_BYTES:
        raise DemoError(f"{options.data_dir} has {free // 2**20} MiB free, the demo needs {NEEDED_BYTES // 2**20} MiB")


def describe_cost(options: DemoOptions) -> str:
    """Return what the demo needs and what this machine has, in one sentence."""
    free = shutil.disk_usage(options.data_dir).free
    need = f"{NEEDED_BYTES / 1e9:.1f} GB of disk in {options.data_dir} and {MEMORY_BYTES / 2**30:.0f} GB of memory"
    available = _available_memory()
    has = f"{free / 1e9:.0f} GB of disk" + ("" if available is None else f" and {available / 2**30:.1f} GB of memory")
    little = available is not None and available < MEMORY_BYTES
    return f"the demo needs {need}; this machine has {has} free" + (": end other programs if it becomes slow" if little else "")


def _available_memory() -> int | None:
    """Return the available memory in bytes; None where Linux's file about it is missing."""
    try:
        lines = MEMORY_FILE.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
