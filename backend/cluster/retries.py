"""The jobs of a cluster's workers: each is taken once, and again where the worker died that had it.

Deaths are counted by job, not by worker: in a long run every worker may die once, while a job that kills whoever takes it would
kill all there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["AGAIN", "Attempt", "JobQueue"]

AGAIN = 3
"""How often a job is given to another worker."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A job that was taken.

    Attributes
    ----------
    deaths : int
        Workers that died while they had it.
    """

    job: Any
    deaths: int = 0


class JobQueue:
    """What is to be done: first the jobs whose worker died, then those that nobody has begun.

    Parameters
    ----------
    jobs : iterable
        Asked for one by one.
    """

    def __init__(self, jobs: Iterable[Any]) -> None:
        self._new = iter(jobs)
        self._again: deque[Attempt] = deque()

    def take(self) -> Attempt | None:
        """Take a job; None where all are given out."""
        if self._again:
            return self._again.popleft()
        for job in self._new:
            return Attempt(job)
        return None

    def give_back(self, attempt: Attempt) -> bool:
        """Give back a job whose worker died; False where it was given to enough of them."""
        if attempt.deaths >= AGAIN:
            return False
        self._again.append(Attempt(attempt.job, attempt.deaths + 1))
        return True
