"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "report_failure", "report_success"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes
    ----------
    name : str
        Name of the checked part.
    ok : bool
        Whether the check passed.
    message : str
        The observed state; if the check failed, one sentence with the remedy.
    """

    name: str
    ok: bool
    message: str


def report_success(name: str, message: str) -> Check:
    """Return the result of a check that passed."""
    return Check(name, True, message)


def report_failure(name: str, message: str) -> Check:
    """Return the result of a check that failed."""
    return Check(name, False, message)
