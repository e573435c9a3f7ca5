"""How many tasks of each project lack the live version's prediction, asked of Label Studio without waiting for it."""

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
"""A count is good for so long: Prometheus asks every few seconds, and Label Studio looks through all tasks."""


class Coverage:
    """Counts tasks without a prediction; where Label Studio does not answer, nothing is known.

    Thread-safe. It has a connection of its own, since that of the loop waits for a Label Studio that is away.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: LabelStudioClient | None = None
        self._lock = threading.Lock()
        self._counted: dict[tuple[int, str], tuple[float, int]] = {}
        self._away_until = 0.0

    def of(self, project_id: int, version: str) -> int | None:
        """Return how many tasks still to do lack a prediction of `version`, None if Label Studio does not say."""
        with self._lock:
            now = time.monotonic()
            counted_at, number = self._counted.get((project_id, version), (-COUNT_AGAIN_S, 0))
            if now - counted_at < COUNT_AGAIN_S:
                return number
            if now < self._away_until:
                return None
            try:
                number = count_unpredicted(self._open(), project_id, version)
            except LabelStudioUnavailable:
                self._away_until = time.monotonic() + COUNT_AGAIN_S
                return None
            except (LabelStudioError, ValueError) as error:
                log.debug("event=not_counted project=%d error=%r", project_id, str(error))
                return None
            self._counted[project_id, version] = time.monotonic(), number
            return number

    def _open(self) -> LabelStudioClient:
        if self._client is None:
            key = self._settings.label_studio_api_key.get_secret_value()
            self._client = LabelStudioClient(self._settings.label_studio_url, key, timeout_s=TIMEOUT_S, patience_s=0)
        return self._client
