"""The state of the demo: a file of an older release is read."""

from __future__ import annotations

import json
from pathlib import Path

from backend.demo.state import DemoState, load_state, save_state


def test_the_state_that_commit_22c54b2_wrote_is_read(tmp_path: Path) -> None:
    state = {
        "password": "p",
        "basic_auth_password": "b",
        "webhook_secret": "w",
        "api_key": "k",
        "project_id": 3,
        "backend_url": "http://localhost:9090",
        "images_uploaded": True,
    }
    file = tmp_path / "demo.json"
    file.write_text(json.dumps(state))
    assert load_state(file) == DemoState("p", "b", "w", "k", 3, "http://localhost:9090", True)
    save_state(file, load_state(file))
    assert json.loads(file.read_text()) == state
