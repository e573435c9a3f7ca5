"""The map of a project: the embeddings of its tasks along two principal axes, coloured by the annotated class."""

from __future__ import annotations

from backend.loop.report.embedded_control import ClassControl, EmbeddedControl
from backend.loop.report.inputs import ReportInputs
from backend.loop.report.task_sample import TaskSample
from backend.reports.principal_axes import project_to_map
from backend.reports.report import Map, MapPoint

__all__ = ["make_map"]


def make_map(inputs: ReportInputs, control: EmbeddedControl, sample: TaskSample) -> Map | None:
    """Make the map of a sample of tasks; None if it is empty. Without classes the points have no colour."""
    if not sample.tasks:
        return None
    labels: dict[int, int] = {}
    names: list[str] = []
    if isinstance(control, ClassControl):
        names = [label.value for label in control.control.labels]
        for image, label in inputs.truth[control.control.name].labels.items():
            if control.is_scorable(label):
                labels.setdefault(image.task, int(control.targets([label])[0].argmax()))
    embeddings = inputs.predictors.base.read(sample.inputs.embeddings, inputs.encoder)
    points = [
        MapPoint(task=task.id, x=round(x, 4), y=round(y, 4), label=labels.get(task.id, -1))
        for task, (x, y) in zip(sample.tasks, project_to_map(embeddings).tolist(), strict=True)
    ]
    return Map(control=control.control.name, labels=names, points=points)
