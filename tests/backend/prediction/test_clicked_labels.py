"""The answer to a click has the clicked label, in the form of the answering control, or there is no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.server.app import create_app
from backend.services import Services

CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="brush" toName="image">
<Label value="star" alias="1_brush"/><Label value="galaxy" alias="2_brush"/></BrushLabels>
<KeyPointLabels name="kp" toName="image" smart="true"><Label value="star"/><Label value="galaxy"/></KeyPointLabels></View>"""


@pytest.mark.parametrize(
    ("clicked_label", "answered_label"),
    [("galaxy", "2_brush"), ("star", "1_brush"), ("Galaxy ", "2_brush"), ("2_brush", "2_brush"), ("nebula", None)],
)
def test_a_click_gets_its_label_or_no_answer(
    predicting: Services, files: Any, png: Callable[..., bytes], clicked_label: str, answered_label: str | None
) -> None:
    reference = str(files.put("/data/upload/9/clicked.png", png(spots=((60, 50, 6),))))
    click = {
        "id": "p",
        "from_name": "kp",
        "to_name": "image",
        "type": "keypointlabels",
        "original_width": 200,
        "original_height": 100,
        "is_positive": True,
        "value": {"x": 30, "y": 50, "width": 0.2, "labels": [clicked_label], "keypointlabels": [clicked_label]},
    }
    body = {
        "project": "599",
        "label_config": CONFIG,
        "tasks": [{"id": 1, "data": {"image": reference}}],
        "params": {"context": {"result": [click]}},
    }
    result = TestClient(create_app(predicting)).post("/predict", json=body).json()["results"][0]["result"]
    assert [region["value"]["brushlabels"] for region in result] == ([[answered_label]] if answered_label else [])
