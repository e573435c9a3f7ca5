"""What `make demo` runs needs no package of an extra: these are imported only where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

EXTRAS = (
    *("astroquery", "boto3", "crowdkit", "lightly", "matplotlib", "mocpy", "pandas", "psycopg", "pyarrow", "pycocotools"),
    *("ray", "redis", "regions", "reproject", "sklearn"),
)


@pytest.mark.slow
def test_modules_are_imported_without_the_extras() -> None:
    modules = "backend.cli.app, backend.demo.run, backend.server.app, backend.loop.worker, backend.loop.cycle"
    script = f"import sys; sys.modules |= dict.fromkeys({EXTRAS}); import {modules}"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
