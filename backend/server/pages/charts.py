"""Line charts as geometry; `templates/charts.html` draws them as SVG.

They are drawn here and not by a charting library. matplotlib takes a second to import and writes fixed colours, while these
charts take theirs from variables of the style sheet and follow the reader's light or dark scheme. Libraries that draw in the
browser need scripts, which the pages' content security policy forbids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.server.pages.axes import Axis, fit_axis

__all__ = ["HEIGHT", "WIDTH", "Chart", "ChartPoint", "Series", "draw_chart"]

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 64, 18, 12, 46
"""Margins of the plotting area, in the units of the drawing: about a pixel on a phone."""


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A value with the bounds of its interval; `note` is shown beside it in the table of values."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind.

    Attributes
    ----------
    name : str
        Its entry in the legend.
    colour : int
        Number of its colour in the style sheet, from 1.
    dashed : bool
        Whether its line is dashed, as that of a forecast or a reference.
    line : bool
        Whether its points are connected.
    """

    name: str
    points: Sequence[ChartPoint]
    colour: int
    dashed: bool = False
    line: bool = True


@dataclass(frozen=True, slots=True)
class PlotMark:
    """A drawn point and its error bar; `top` and `bottom` are None without an interval."""

    x: float
    y: float
    top: float | None
    bottom: float | None


@dataclass(frozen=True, slots=True)
class SeriesPath:
    """A drawn series: `line` and `band` are the `d` of SVG paths, empty where there is none."""

    series: Series
    line: str
    band: str
    marks: Sequence[PlotMark]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes
    ----------
    id : str
        Identifier on the page.
    title, x_title, y_title : str
    summary : str
        The chart in one sentence, for readers who do not see it.
    diagonal : str
        The `d` of the line on which both values are equal; empty for none.
    """

    id: str
    title: str
    summary: str
    x_title: str
    y_title: str
    x: Axis
    y: Axis
    paths: Sequence[SeriesPath]
    diagonal: str = ""

    @property
    def has_intervals(self) -> bool:
        """Whether any point has an interval."""
        return any(point.low is not None for path in self.paths for point in path.series.points)


def draw_chart(
    id_: str,
    series: Sequence[Series],
    *,
    title: str,
    summary: str,
    x_title: str,
    y_title: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> Chart:
    """Place series on axes that hold them.

    Parameters
    ----------
    x_range, y_range : (low, high), optional
        Values that the axes hold in any case.
    diagonal : bool
        Whether to draw the line on which both values are equal.
    """
    points = [point for each in series for point in each.points]
    bounds = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    x = fit_axis((point.x for point in points), start=LEFT, end=WIDTH - RIGHT, at_least=x_range)
    y = fit_axis(bounds, start=HEIGHT - BOTTOM, end=TOP, at_least=y_range)
    line = f"M{x.position(x.low)} {y.position(x.low)}L{x.position(x.high)} {y.position(x.high)}" if diagonal else ""
    return Chart(id_, title, summary, x_title, y_title, x, y, [_draw(each, x, y) for each in series], line)


def _draw(series: Series, x: Axis, y: Axis) -> SeriesPath:
    marks = [
        PlotMark(
            x.position(point.x),
            y.position(point.y),
            None if point.high is None else y.position(point.high),
            None if point.low is None else y.position(point.low),
        )
        for point in series.points
    ]
    bounded_marks = [mark for mark in marks if mark.top is not None and mark.bottom is not None]
    line = _path((mark.x, mark.y) for mark in marks) if series.line and len(marks) > 1 else ""
    band = ""
    if series.line and len(bounded_marks) > 1:
        corners = [
            *((mark.x, mark.top) for mark in bounded_marks),
            *((mark.x, mark.bottom) for mark in reversed(bounded_marks)),
        ]
        band = _path((x_, y_) for x_, y_ in corners if y_ is not None) + "Z"
    return SeriesPath(series, line, band, marks)


def _path(places: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in places)
