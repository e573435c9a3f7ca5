"""Results of a report that the worker keeps in memory for the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.loop.report.click_figures import ClickMemory
from backend.loop.report.object_figures import ObjectMemory
from backend.loop.report.thumbnails import ThumbnailMaker

__all__ = ["ReportMemory"]


@dataclass
class ReportMemory:
    """Results of earlier cycles of one project.

    Attributes
    ----------
    matches : dict
        Objects of versions on images, and their matches with drawn objects.
    clicks : dict
        Scores of heads that answer clicks.
    thumbnails : ThumbnailMaker
    """

    matches: ObjectMemory = field(default_factory=dict)
    clicks: ClickMemory = field(default_factory=dict)
    thumbnails: ThumbnailMaker = field(default_factory=ThumbnailMaker)
