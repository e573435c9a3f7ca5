"""Counts of the tasks of each project without a prediction of the live version, read from Label Studio with a short timeout."""

from __future__ import annotations

import logging
import threading
import time

from backend.settings import Settings
from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable
from sync.label_studio.coverage import count_unpredicted

__all__ = ["Coverage"]

log = logging.getLogger("galaxyloop.coverage")

TIMEOUT_S = 5.0
COUNT_AGAIN_S = 30.0
"""Lifetime of a count: Prometheus scrapes every few seconds, and each count makes Label Studio scan all tasks."""


class Coverage:
    """Counts tasks without a prediction; the count is unknown while Label Studio does not answer.

    Thread-safe. It has its own client without retries: the loop's client waits for an unreachable Label Studio.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: LabelStudioClient | None = None
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], tuple[float, int]] = {}
        self._away_until = 0.0

    def of(self, project_id: int, version: str) -> int | None:
        """Return the number of unfinished tasks without a prediction of `version`, None if Label Studio does not answer."""
        with self._lock:
            clock_s = time.monotonic()
            counted_at, number = self._counts.get((project_id, version), (-COUNT_AGAIN_S, 0))
            if clock_s - counted_at < COUNT_AGAIN_S:
                return number
            if clock_s < self._away_until:
                return None
            try:
                number = count_unpredicted(self._open(), project_id, version)
            except LabelStudioUnavailable:
                self._away_until = time.monotonic() + COUNT_AGAIN_S
                return None
            except (LabelStudioError, ValueError) as error:
                log.debug("event=not_counted project=%d error=%r", project_id, str(error))
                return None
            self._counts[project_id, version] = time.monotonic(), number
            return number

    def _open(self) -> LabelStudioClient:
        if self._client is None:
            key = self._settings.label_studio_api_key.get_secret_value()
            self._client = LabelStudioClient(self._settings.label_studio_url, key, timeout_s=TIMEOUT_S, patience_s=0)
        return self._client
