"""Fixtures: tasks as Label Studio lists them, with regions of every control, and their export into a fresh folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sync.controls import CONTROLS
from sync.errors.images import ImageError
from sync.export.image_files import ImageFiles
from sync.export.reading.spool import with_parents
from sync.export.run import ExportSummary, Plan, export
from sync.geometry.shapes import Mask, Size
from sync.labelling.config import LabelConfig, parse

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="morphology" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/><Choice value="Merger"/></Choices>
  <Choices name="features" toName="image" choice="multiple"><Choice value="Bar"/><Choice value="Ring"/></Choices>
  <Taxonomy name="tree" toName="image">
    <Choice value="Featured"><Choice value="Arms"/></Choice><Choice value="Round"/>
  </Taxonomy>
  <Number name="redshift" toName="image" min="0" max="10"/>
  <RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/><Label value="Star"/></RectangleLabels>
  <EllipseLabels name="ellipses" toName="image"><Label value="Galaxy"/></EllipseLabels>
  <BrushLabels name="masks" toName="image"><Label value="Galaxy"/><Label value="Arm"/></BrushLabels>
  <PolygonLabels name="polygons" toName="image"><Label value="Galaxy"/></PolygonLabels>
  <KeyPointLabels name="points" toName="image"><Label value="Nucleus"/></KeyPointLabels>
  <TextArea name="note" toName="image"/>
</View>
"""

Say = Callable[..., dict[str, Any]]


@pytest.fixture
def config() -> LabelConfig:
    return parse(CONFIG)


@pytest.fixture
def region(config: LabelConfig) -> Say:
    """Return a function that encodes a shape: `region("boxes", Box(...), label="Galaxy", size=(40, 30))`."""

    def make(name: str, what: Any, *, origin: str | None = "manual", **more: Any) -> dict[str, Any]:
        control = config.control(name)
        assert control is not None
        region = CONTROLS[control.tag].encode(what, control=control, **more)
        return region if origin is None else {**region, "origin": origin}

    return make


@pytest.fixture
def annotation() -> Say:
    """Return a function that makes an annotation with its own number."""
    numbers = count(1)

    def make(*regions: dict[str, Any], by: int = 1, at: str = "2026-11-01T10:00:00Z", **more: Any) -> dict[str, Any]:
        fields = {"id": next(numbers), "completed_by": by, "updated_at": at, "was_cancelled": False, "lead_time": 3.5}
        return {**fields, "parent_prediction": None, "result": list(regions), **more}

    return make


@pytest.fixture
def task() -> Say:
    """Return a function that makes a task with its own number."""
    numbers = count(1)

    def make(*annotations: dict[str, Any], predictions: tuple[dict[str, Any], ...] = (), **data: Any) -> dict[str, Any]:
        number = next(numbers)
        return {
            "id": number,
            "data": {"image": f"/data/upload/1/0123abcd-galaxy{number}.png", **data},
            "annotations": list(annotations),
            "predictions": list(predictions),
        }

    return make


def png(size: Size) -> bytes:
    """Return a grey image."""
    file = io.BytesIO()
    Image.new("L", size, 40).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def run_export(config: LabelConfig, tmp_path: Path) -> Callable[..., tuple[Path, ExportSummary]]:
    """Return a function that exports tasks; images are grey and of `size`, and missing if the reference contains "missing"."""
    numbers = count()

    def run(
        tasks: list[dict[str, Any]], format: str, *, size: Size = (40, 30), files: dict[str, bytes] | None = None, **more: Any
    ) -> tuple[Path, ExportSummary]:
        def fetch(reference: str) -> bytes:
            if "missing" in reference:
                raise ImageError(f"image {reference!r} got HTTP 404 instead of 200")
            return (files or {}).get(reference) or png(size)

        options = {"consensus": "latest", "fractions": None, "seed": 0, "licence": "", "credit": "", "config": config, **more}
        plan = Plan(project=7, title="Galaxies", format=format, **options)
        folder = tmp_path / f"out{next(numbers)}"
        summary = export(
            (with_parents(task) for task in tasks), folder, plan=plan, image_files=ImageFiles(fetch, max_pixels=10**8)
        )
        return folder, summary

    return run


@pytest.fixture
def ragged_mask() -> Mask:
    """Return a mask of 40x30 pixels with two parts, a hole, a spike and a single pixel."""
    mask = np.zeros((30, 40), dtype=bool)
    mask[4:16, 5:20] = True
    mask[8:11, 9:13] = False
    mask[7, 20:27] = True
    mask[20:26, 28:36] = np.tri(6, 8, 2, dtype=bool)
    mask[29, 39] = True
    return mask
