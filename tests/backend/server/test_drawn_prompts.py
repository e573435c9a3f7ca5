"""Prompts that an annotator draws with the smart tool of any control, answered by the server in another control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from backend.server.app import create_app
from backend.services import Services
from sync.controls import CONTROLS, OBJECTS
from sync.labelling.config import parse

PROJECT = 98_000
SIZE = (200, 100)
GALAXY = (60, 50)


@pytest.mark.parametrize("tool", OBJECTS)
def test_an_object_drawn_with_any_control_prompts_for_a_mask(predicting: Services, files: Any, png: Any, tool: str) -> None:
    answer = "BitmaskLabels" if tool == "BrushLabels" else "BrushLabels"
    config = f"""<View><Image name="image" value="$image"/>
        <{answer} name="objects" toName="image" smart="false"><Label value="Galaxy"/></{answer}>
        <{tool} name="tool" toName="image" smart="true" smartOnly="true"><Label value="Galaxy"/></{tool}></View>"""
    control = parse(config).control("tool")
    assert control is not None
    rows, columns = np.indices(SIZE[::-1]) + 0.5
    disc = np.hypot(columns - GALAXY[0], rows - GALAXY[1]) < 9
    (prompt,) = OBJECTS[tool].encode_mask(disc, control=control, label="Galaxy", size=SIZE)
    image = files.put("/data/upload/1/drawn.png", png(spots=((*GALAXY, 5), (150, 50, 6))))
    body = {
        "project": str(PROJECT),
        "label_config": config,
        "tasks": [{"id": 1, "data": {"image": image}}],
        "params": {"context": {"result": [prompt | {"origin": "manual"}]}},
    }
    with TestClient(create_app(predicting)) as client:
        (prediction,) = client.post("/predict", json=body).json()["results"]
    (region,) = prediction["result"]
    assert (region["from_name"], region["type"]) == ("objects", answer.lower())
    mask = CONTROLS[answer].decode(region).shape
    assert mask[GALAXY[1], GALAXY[0]]
    assert not mask[50, 150]
