"""The report of a project, as the worker computes it and as the page, the command and the metrics show it.

The worker computes a report when a version goes live or annotations have changed, and the registry keeps the newest one. So the
page computes nothing, whatever the number of tasks.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ControlReport",
    "Curve",
    "CurvePoint",
    "Estimate",
    "Forecast",
    "Gallery",
    "Map",
    "MapPoint",
    "Matrix",
    "Metric",
    "ReliabilityBin",
    "Report",
    "Thumbnail",
    "VersionReport",
]

Metric = Literal[
    "accuracy",
    "macro_auc",
    "kappa",
    "rmse",
    "r2",
    "sigma_nmad",
    "bias",
    "outliers",
    "coverage",
    "ap50",
    "f1",
    "mask_iou",
    "click_iou",
]
"""Names of scores. `ap50` is the average precision of boxes at an IoU of 0.5, `coverage` the share of values in the 68 %
interval of their predictions."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Estimate(_Part):
    """A value with its 95 % confidence interval; the bounds are None where the interval cannot be estimated."""

    value: float
    low: float | None = None
    high: float | None = None


class VersionReport(_Part):
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


class CurvePoint(_Part):
    """Quality at a number of labels; `spread` is the standard error."""

    labels: int
    value: float
    spread: float = 0.0


class Forecast(_Part):
    """What more labels would bring.

    Attributes
    ----------
    labels : int
        Number of additional labels.
    gain : Estimate
        Gain of the curve's metric, with a 68 % interval.
    hours : float or None
        Time of annotators for these labels, from the median `lead_time`.
    families : dict
        Name of each fitted curve family to the gain that it predicts.
    may_stop : bool
        Whether the upper bound of the gain is below the smallest useful gain and predictions have stopped to change.
    sentence : str
        The forecast in one sentence, or the reason why there is none.
    """

    labels: int
    gain: Estimate | None = None
    hours: float | None = None
    families: dict[str, float] = Field(default_factory=dict)
    may_stop: bool = False
    sentence: str = ""

    @property
    def advice(self) -> str:
        """Whether to continue to annotate, in a few words; empty without a forecast."""
        if self.gain is None:
            return ""
        if self.may_stop:
            return "labelling may stop"
        return "more labels help" if self.gain.low is not None and self.gain.low > 0 else "more labels may help"


class Curve(_Part):
    """The learning curve of one control: `points` in the order in which tasks were labelled, `random` in random order.

    Attributes
    ----------
    saved : Estimate or None
        Share of labels saved against random order, at the highest quality that both curves reach; negative if random order is
        better.
    """

    metric: Metric
    points: list[CurvePoint] = Field(default_factory=list)
    random: list[CurvePoint] = Field(default_factory=list)
    forecast: Forecast | None = None
    saved: Estimate | None = None


class ReliabilityBin(_Part):
    """Predictions with a confidence in one bin: their mean confidence, the share that is right, and their number."""

    confidence: float
    accuracy: float
    count: int


class Matrix(_Part):
    """Confusion matrix: `counts[i][j]` held-out images that annotators labelled `labels[i]` and the model `labels[j]`."""

    labels: list[str]
    counts: list[list[int]]


class ControlReport(_Part):
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


class Thumbnail(_Part):
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


class Gallery(_Part):
    """Tasks to look at: the least certain ones, disagreements with annotators, or one confusion."""

    kind: Literal["uncertain", "disagreement", "confusion"]
    title: str
    tasks: list[Thumbnail] = Field(default_factory=list)


class MapPoint(_Part):
    """One task on the map; `label` is an index into `Map.labels`, and -1 for a task without a label."""

    task: int
    x: float
    y: float
    label: int = -1


class Map(_Part):
    """Embeddings of tasks along their two principal axes, scaled to -1 to 1, coloured by the annotated class."""

    control: str
    labels: list[str]
    points: list[MapPoint]


class Report(_Part):
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
