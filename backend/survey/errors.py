"""The error of surveys."""

from __future__ import annotations

__all__ = ["SurveyError"]


class SurveyError(RuntimeError):
    """A survey cannot be started or continued; the message is one sentence."""
