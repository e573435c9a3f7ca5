"""The server loads torch and its networks at the start if it has projects, otherwise at the first request that needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = '<View><Image name="image" value="$image"/><Choices name="c" toName="image"><Choice value="Spiral"/></Choices></View>'
IDLE_MB = 250
"""Largest resident memory of a server without predictions; it takes 120 to 140 MB here."""
SCRIPT = f"""
import resource, sys
from pathlib import Path
from fastapi.testclient import TestClient
from backend.server.app import create_app
from backend.services import Services
from backend.settings import Settings

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

services = Services(Settings(data_dir=Path(sys.argv[1]), label_studio_url="http://127.0.0.1:1", label_studio_api_key="token"))
with TestClient(create_app(services)) as client:
    event = {{"action": "ANNOTATION_CREATED", "project": {{"id": 7, "label_config": {CONFIG!r}}}}}
    for answer in (client.get("/health"), client.post("/webhook", json=event), client.get("/metrics"), client.get("/versions")):
        assert answer.status_code == 200, answer.text
    assert "torch" not in sys.modules
    assert resident_mb() < {IDLE_MB}, resident_mb()
    assert client.post("/setup", json={{"project": "7.1", "schema": {CONFIG!r}}}).status_code == 200
    client.portal.call(client.app.state.server.warm_up.finish)
    assert "networks" in vars(services.predictors._shipped_parts)

services = Services(services.settings)
assert not vars(services.predictors._shipped_parts).get("networks")
with TestClient(create_app(services)) as client:
    assert client.app.state.server.warm_up._loading is not None  # without a request
    client.portal.call(client.app.state.server.warm_up.finish)
    assert "networks" in vars(services.predictors._shipped_parts)
"""


@pytest.mark.slow
def test_the_networks_are_loaded_at_setup_and_at_the_next_start(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False, env=os.environ
    )
    assert process.returncode == 0, process.stderr[-2000:]
