"""Commands that only read import no library of images, tables or networks: they start in 1.3 s and take 100 MB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.services import Services
from backend.settings import Settings

CONFIG = """<View><Image name="image" value="$image"/><Choices name="class" toName="image"><Choice value="Spiral"/></Choices>
<PolygonLabels name="outline" toName="image"><Label value="Galaxy"/></PolygonLabels></View>"""
HEAVY = ("astropy", "label_studio_sdk", "pandas", "photutils", "scipy", "skimage", "sklearn", "timm", "torch", "torchvision")
PROJECT = 7
SCRIPT = """
import contextlib, sys
from backend.cli.app import main
for command in sys.argv[1:]:
    sys.argv = ["galaxyloop", *command.split()]
    with contextlib.suppress(SystemExit):
        main()
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.slow
def test_commands_that_only_read_import_no_heavy_library(tmp_path: Path) -> None:
    services = Services(Settings(data_dir=tmp_path, label_studio_url="http://127.0.0.1:1", label_studio_api_key="token"))
    services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    commands = [
        "status",
        f"status {PROJECT}",
        f"versions {PROJECT}",
        f"rollback {PROJECT} v0009",
        f"project status {PROJECT}",
        "project list",
        "predict",
        f"project attach {PROJECT}",
        f"project problems {PROJECT}",
        f"project detach {PROJECT}",
        f"prelabel {PROJECT}",
        f"similar {PROJECT} --task 12",
        "encoder list",
        f"encoder list {PROJECT}",
        f"encoder rollback {PROJECT}",
        f"encoder try {PROJECT} nosuch:thing",
        f"encoder use {PROJECT} local-dir:none",
        f"predict galaxy.png --project {PROJECT} --version v0009 --output tasks.json",
    ]
    environment = {
        **os.environ,
        "GALAXYLOOP_DATA_DIR": str(tmp_path),
        "LABEL_STUDIO_URL": "http://127.0.0.1:1",
        "LABEL_STUDIO_API_KEY": "",
    }
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, *commands], capture_output=True, text=True, timeout=300, check=True, env=environment
    )
    *_, module_names = process.stderr.splitlines()
    assert module_names.startswith("imported: ")
    assert "sqlalchemy" in module_names.split()
    assert "v0009" in process.stderr
    assert not {*HEAVY, "huey", "psycopg", "redis"} & set(module_names.split())


@pytest.mark.slow
def test_wrong_calls_of_commands_that_compute_import_no_network(tmp_path: Path) -> None:
    missing_file = str(tmp_path / "none.fits")
    out = str(tmp_path / "out")
    commands = [
        f"predict {missing_file} --config morphology --output {out}.csv",
        f"embed {missing_file} --output {out}.npz",
        f"segment {missing_file} --point 1,1 --output {out}.png",
        f"measure {missing_file} --catalogue {out}.csv",
        f"restore {missing_file} --output {out}.fits",
        f"survey {missing_file} --output {out} --config morphology",
        f"pretrain {missing_file} --output {out}.safetensors",
        f"inspect {missing_file}",
    ]
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, *commands], capture_output=True, text=True, timeout=300, check=True, cwd=tmp_path
    )
    *_, module_names = process.stderr.splitlines()
    assert process.stderr.count("none.fits") + process.stdout.count("none.fits") >= len(commands)
    assert not {"sklearn", "skimage", "statmorph", "timm", "torch", "torchvision"} & set(module_names.split())


@pytest.mark.slow
@pytest.mark.parametrize("module", ["backend.server.app", "backend.loop.worker"])
def test_idle_processes_import_no_heavy_library(module: str) -> None:
    script = f"import {module}, sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert not process.stdout.split()
