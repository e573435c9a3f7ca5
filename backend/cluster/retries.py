"""The job queue of a cluster: a job whose worker died is repeated by another worker.

Deaths are counted per job and not per worker: in a long run every worker may die once, while a job that kills its workers would
kill all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["MOST_RETRIES", "Attempt", "RetryQueue"]

MOST_RETRIES = 3
"""Largest number of times that a job is repeated by another worker."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A job that is assigned to a worker.

    Attributes
    ----------
    job : object
    deaths : int
        Number of workers that died with this job.
    """

    job: Any
    deaths: int = 0


class RetryQueue:
    """A queue of jobs: first those whose worker died, then new ones.

    Parameters
    ----------
    jobs : iterable
        Read one by one, on demand.
    """

    def __init__(self, jobs: Iterable[Any]) -> None:
        self._new = iter(jobs)
        self._retries: deque[Attempt] = deque()

    def take(self) -> Attempt | None:
        """Return the next job, or None if no job is left."""
        if self._retries:
            return self._retries.popleft()
        for job in self._new:
            return Attempt(job)
        return None

    def return_job(self, attempt: Attempt) -> bool:
        """Return a job whose worker died to the queue; return False if it has been repeated `MOST_RETRIES` times already."""
        if attempt.deaths >= MOST_RETRIES:
            return False
        self._retries.append(Attempt(attempt.job, attempt.deaths + 1))
        return True
