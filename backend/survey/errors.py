"""The error of surveys."""

from __future__ import annotations

__all__ = ["SurveyError"]


class SurveyError(RuntimeError):
    """A survey that cannot be begun or gone on with; the message is one sentence."""
