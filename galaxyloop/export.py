"""Exports in other programs: the same function that `galaxyloop export` calls."""

from __future__ import annotations

from sync.export import FORMATS, missing_packages
from sync.export.pictures import Pictures
from sync.export.run import ExportError, Plan, Summary, export

__all__ = ["FORMATS", "ExportError", "Pictures", "Plan", "Summary", "export", "missing_packages"]
