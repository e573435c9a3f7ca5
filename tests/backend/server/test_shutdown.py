"""A stop of the server while its models load."""

from __future__ import annotations

import threading
import time

from fastapi.testclient import TestClient

from backend.server.app import create_app
from backend.services import Services

LOADING_S = 0.5
CONFIG = '<View><Image name="image" value="$image"/><Choices name="c" toName="image"><Choice value="Spiral"/></Choices></View>'


def test_a_stop_waits_for_models_that_are_loading(predicting: Services) -> None:
    loads = predicting.predictors._lock
    loads.acquire()  # the thread that loads the models waits for it
    release = threading.Timer(LOADING_S, loads.release)
    with TestClient(create_app(predicting)) as client:
        client.post("/setup", json={"project": "200001.1", "schema": CONFIG})
        release.start()
        began = time.monotonic()
    assert time.monotonic() - began >= 0.9 * LOADING_S
    assert not loads.locked()
