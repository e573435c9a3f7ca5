"""What a check came to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "failed", "passed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried.

    Attributes
    ----------
    name : str
    ok : bool
    says : str
        What was seen; where it failed, one sentence with what to do.
    """

    name: str
    ok: bool
    says: str


def passed(name: str, says: str) -> Check:
    """Make the report of a check that passed."""
    return Check(name, True, says)


def failed(name: str, says: str) -> Check:
    """Make the report of a check that failed."""
    return Check(name, False, says)
