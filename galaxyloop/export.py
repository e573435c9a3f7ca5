"""Exports in other programs: the same function that `galaxyloop export` calls."""

from __future__ import annotations

from sync.export import FORMATS, missing_packages
from sync.export.image_files import ImageFiles
from sync.export.run import ExportError, Plan, export
from sync.export.run import ExportSummary as Summary

__all__ = ["FORMATS", "ExportError", "ImageFiles", "Plan", "Summary", "export", "missing_packages"]
