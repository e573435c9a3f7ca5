"""The report of a project with boxes or masks: the versions are its learning curve, and results are computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.loop.examples.snapshot import Snapshot, take_snapshot
from backend.loop.report import click_figures, object_figures
from sync.controls import polygonlabels, rectanglelabels
from sync.geometry.shapes import Box, Polygon
from sync.label_studio.annotations import Annotation
from tests.backend.loop.report.conftest import ReportedProject

pytestmark = pytest.mark.slow

Make = Callable[[str], ReportedProject]

BOXES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="galaxies" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""
OUTLINES = BOXES.replace("RectangleLabels", "PolygonLabels")
SIZE = (200, 100)


def annotate(project: ReportedProject, tasks: range) -> Snapshot:
    """Return the snapshot with the objects of each task: one large galaxy, or four small ones."""
    (control,) = project.config.controls
    annotations = []
    for task in tasks:
        spots = ((100, 50, 18 + task % 3),) if task % 2 else ((100, 50, 4), (40, 30, 3), (160, 70, 3), (60, 75, 3))
        result: list[dict[str, Any]] = []
        for x, y, radius in spots:
            box = Box(x - 1.9 * radius, y - 1.9 * radius, 3.8 * radius, 3.8 * radius)
            if control.tag == "RectangleLabels":
                result.append(rectanglelabels.encode(box, control=control, label="Galaxy", size=SIZE))
            else:
                angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
                outline = Polygon(np.stack([x + 1.9 * radius * np.cos(angles), y + 1.9 * radius * np.sin(angles)], axis=1))
                result.append(polygonlabels.encode(outline, control=control, label="Galaxy", size=SIZE))
        data = project.tasks[task - 1].data
        annotations.append(Annotation(task, task, data, result, f"2026-01-01T00:00:{task:02d}Z", 1, False, None, 60.0))
    return take_snapshot(annotations)


def test_boxes_are_scored_and_found_once(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(BOXES)
    snapshot = annotate(project, range(1, 25))
    project.train(snapshot)
    report = project.report(snapshot)
    (control,) = report.controls
    assert control.kind == "objects"
    assert 5 <= control.held_out <= 20
    assert [set(version.metrics) for version in control.versions] == [{"ap50", "f1"}] * 2
    assert control.versions[-1].metrics["f1"].value > 0.5
    assert set(control.per_class) == {"Galaxy"}
    assert control.curve is not None
    assert [point.labels for point in control.curve.points] == [0, control.versions[-1].labels]
    objects = []
    monkeypatch.setattr(object_figures, "_match_image", lambda *_: objects.append(1))
    assert control.versions[0].change is None
    assert control.versions[1].change is not None
    assert 0 <= control.versions[1].change.value <= 1
    project.update(annotate(project, range(1, 24)))
    assert not objects
    assert 0 < len(project.memory.matches) <= 2 * control.held_out
    (uncertain, *_) = report.galleries
    assert (uncertain.kind, uncertain.tasks[0].caption) == ("uncertain", "score 0.25")


def test_outlines_have_the_overlap_of_their_masks(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (click_figures, object_figures):  # a busy machine
        monkeypatch.setattr(module, "LONGEST_S", 600.0)
    project = make_project(OUTLINES)
    snapshot = annotate(project, range(1, 17))
    (control,) = project.report(snapshot).controls
    assert set(control.versions[-1].metrics) == {"ap50", "f1", "mask_iou", "click_iou"}
    assert control.versions[-1].metrics["mask_iou"].value > 0.5
    assert control.versions[-1].metrics["click_iou"].value > 0.5
    # Both versions answer clicks with the shipped head, which is asked once per image.
    assert control.versions[0].metrics["click_iou"] == control.versions[-1].metrics["click_iou"]
    assert len(project.memory.clicks) == control.held_out
