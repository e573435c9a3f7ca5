"""The learning curve of a control, and the forecast of what more labels would bring."""

from __future__ import annotations

from pydantic import Field

from backend.reports.estimate import Estimate, Metric, ReportPart

__all__ = ["Curve", "CurvePoint", "Forecast"]


class CurvePoint(ReportPart):
    """Quality at a number of labels; `spread` is the standard error."""

    labels: int
    value: float
    spread: float = 0.0


class Forecast(ReportPart):
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


class Curve(ReportPart):
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
