"""The jobs of a cluster's workers: each is taken once, and again if the worker that had it died.

Deaths are counted per job, not per worker: in a long run every worker may die once, while a job that kills each worker that
takes it would kill all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["MOST_RETRIES", "Attempt", "JobQueue"]

MOST_RETRIES = 3
"""How often a job is given to another worker."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A job that a worker has taken.

    Attributes
    ----------
    deaths : int
        Workers that died while they worked on it.
    """

    job: Any
    deaths: int = 0


class JobQueue:
    """Gives out jobs: first those whose worker died, then new ones.

    Parameters
    ----------
    jobs : iterable
        Read one by one.
    """

    def __init__(self, jobs: Iterable[Any]) -> None:
        self._new = iter(jobs)
        self._retries: deque[Attempt] = deque()

    def take(self) -> Attempt | None:
        """Take a job; None if all are given out."""
        if self._retries:
            return self._retries.popleft()
        for job in self._new:
            return Attempt(job)
        return None

    def give_back(self, attempt: Attempt) -> bool:
        """Give back a job whose worker died; False if it has been given to `MOST_RETRIES` further workers already."""
        if attempt.deaths >= MOST_RETRIES:
            return False
        self._retries.append(Attempt(attempt.job, attempt.deaths + 1))
        return True
