"""State of one project that the worker keeps in memory between cycles."""

from __future__ import annotations

from collections import defaultdict

from backend.jobs.lease import Lease
from backend.loop.examples.unreadable import Readings
from backend.loop.publication.stored_predictions import StoredPredictions
from backend.loop.report.memory import ReportMemory
from sync.label_studio.annotations import AnnotationReader
from sync.label_studio.client import LabelStudioClient

__all__ = ["ProjectSession"]


class ProjectSession:
    """The state of one project in one worker process; all of it can be read again.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int

    Attributes
    ----------
    reader : AnnotationReader
        Reads the project's annotations; keeps copies of those that have not changed.
    predictions : dict
        Version number to its predictions in Label Studio.
    readings : dict
        Outcomes of reading each annotation for each control.
    report : ReportMemory
        Results of the last report that the next one uses again.
    prefetched_pairs : set of (int, str)
        Tasks, with hashes of their data, whose images are in the cache.
    embedded_pairs : set of (str, str)
        Encoders and references of images that are embedded, or cannot be read, for a switch to that encoder.
    """

    def __init__(self, client: LabelStudioClient, project_id: int) -> None:
        self._client = client
        self.project_id = project_id
        self.readings: Readings = {}
        self.report = ReportMemory()
        self.prefetched_pairs: set[tuple[int, str]] = set()
        self.embedded_pairs: set[tuple[str, str]] = set()
        self._last_lease: str | None = None
        self._forget()

    def resume(self, lease: Lease) -> None:
        """Continue under a new lease; discard the state of Label Studio if another process has held the project meanwhile."""
        if lease.before != self._last_lease:
            self._forget()
        self._last_lease = lease.name

    def _forget(self) -> None:
        self.reader = AnnotationReader(self._client, self.project_id)
        self.predictions: defaultdict[int, StoredPredictions] = defaultdict(StoredPredictions)
