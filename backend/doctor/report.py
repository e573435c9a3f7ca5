"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "failed", "passed"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes
    ----------
    name : str
        Name of the checked part.
    ok : bool
        Whether the check passed.
    says : str
        The observed state; if the check failed, one sentence with the remedy.
    """

    name: str
    ok: bool
    says: str


def passed(name: str, says: str) -> Check:
    """Return the result of a check that passed."""
    return Check(name, True, says)


def failed(name: str, says: str) -> Check:
    """Return the result of a check that failed."""
    return Check(name, False, says)
