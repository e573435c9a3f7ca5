"""The report of a project, as the worker computes it and as the page, the command and the metrics show it.

The worker computes a report when a version goes live or annotations have changed, and the registry keeps the newest one. So the
page computes nothing, whatever the number of tasks.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backend.reports.curve import Curve
from backend.reports.estimate import Estimate, Metric, ReportPart

__all__ = [
    "ControlReport",
    "Gallery",
    "Map",
    "MapPoint",
    "Matrix",
    "ReliabilityBin",
    "Report",
    "Thumbnail",
    "VersionReport",
]


class VersionReport(ReportPart):
    """One version on the current held-out annotations.

    Attributes
    ----------
    labels : int
        Number of annotations that the version was trained on.
    metrics : dict
        `Metric` to its estimate; absent where it cannot be computed.
    change : Estimate or None
        Agreement of this version's predictions with those of the version before it in the report: Cohen's kappa for classes,
        F1 for objects.
    accepted : float or None
        Share of its predicted regions that annotators submitted unedited, 0 to 1.
    median_seconds : float or None
        Median of Label Studio's `lead_time` of annotations that were begun from its predictions, seconds.
    """

    number: int
    name: str
    created_at: float
    labels: int
    metrics: dict[Metric, Estimate] = Field(default_factory=dict)
    change: Estimate | None = None
    accepted: float | None = None
    median_seconds: float | None = None


class ReliabilityBin(ReportPart):
    """Predictions with a confidence in one bin: their mean confidence, the share that is right, and their number."""

    confidence: float
    accuracy: float
    count: int


class Matrix(ReportPart):
    """Confusion matrix: `counts[i][j]` held-out images that annotators labelled `labels[i]` and the model `labels[j]`."""

    labels: list[str]
    counts: list[list[int]]


class ControlReport(ReportPart):
    """One control.

    Attributes
    ----------
    kind : {"classes", "number", "objects"}
    held_out : int
        Number of held-out images that all versions below are scored on.
    versions : list of VersionReport
        By number; the live version is among them.
    per_class : dict
        Label to the scores of the live version on it: `accuracy` is the share of its images that are right, `macro_auc` the AUC
        of this label against the others.
    problem : str
        Why scores are missing, in one sentence; empty if none is.
    """

    name: str
    kind: Literal["classes", "number", "objects"]
    held_out: int = 0
    versions: list[VersionReport] = Field(default_factory=list)
    per_class: dict[str, dict[Metric, Estimate]] = Field(default_factory=dict)
    confusion: Matrix | None = None
    reliability: list[ReliabilityBin] = Field(default_factory=list)
    curve: Curve | None = None
    problem: str = ""


class Thumbnail(ReportPart):
    """A small JPEG of a task's image.

    Attributes
    ----------
    jpeg : str
        Base64 of the file, at most 96 pixels wide; empty if the image cannot be read.
    caption : str
        For example "spiral 0.52, elliptical 0.47".
    """

    task: int
    jpeg: str
    caption: str


class Gallery(ReportPart):
    """Tasks to look at: the least certain ones, disagreements with annotators, or one confusion."""

    kind: Literal["uncertain", "disagreement", "confusion"]
    title: str
    tasks: list[Thumbnail] = Field(default_factory=list)


class MapPoint(ReportPart):
    """One task on the map; `label` is an index into `Map.labels`, and -1 for a task without a label."""

    task: int
    x: float
    y: float
    label: int = -1


class Map(ReportPart):
    """Embeddings of tasks along their two principal axes, scaled to -1 to 1, coloured by the annotated class."""

    control: str
    labels: list[str]
    points: list[MapPoint]


class Report(ReportPart):
    """The report of one project.

    Attributes
    ----------
    live : int
        Number of the live version that the report describes.
    state : str
        What the report was made from; it is made again only when this changes.
    tasks, annotated, training, held_out : int
        Tasks of the project, annotated tasks, and annotated tasks that are used for training and for validation.
    problems : list of str
        Sentences on what is the matter, for example that all annotations have the same class.
    """

    project: int
    made_at: float
    live: int
    state: str = ""
    tasks: int = 0
    annotated: int = 0
    training: int = 0
    held_out: int = 0
    controls: list[ControlReport] = Field(default_factory=list)
    galleries: list[Gallery] = Field(default_factory=list)
    map: Map | None = None
    problems: list[str] = Field(default_factory=list)
