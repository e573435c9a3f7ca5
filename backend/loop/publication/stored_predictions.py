"""Which tasks have a prediction of one version in Label Studio, with the scores that this process has computed."""

from __future__ import annotations

import math
import time
from collections.abc import Collection

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import count_predictions, predicted_tasks

__all__ = ["StoredPredictions"]


class StoredPredictions:
    """A list of the predictions of one version in Label Studio, updated as cheaply as possible.

    Attributes
    ----------
    scores : dict
        Task id to the prediction's score; None where another process has computed it.
    """

    def __init__(self) -> None:
        self.scores: dict[int, float | None] = {}
        self._listed_at = -math.inf
        self._surplus = 0  # predictions beyond one per task

    def update(
        self, client: LabelStudioClient, project_id: int, version: str, *, tasks: Collection[int], max_age_s: float
    ) -> None:
        """Compare the list with Label Studio.

        One small request counts the predictions. Label Studio is asked for all tasks only where the count differs from the
        list, or the last complete list is older than `max_age_s`.

        Parameters
        ----------
        version : str
            Name of the version.
        tasks : collection of int
            Ids of the tasks that the project has now.
        """
        if time.monotonic() - self._listed_at < max_age_s:
            # Predictions are deleted with their tasks, and a new task may have the id of a deleted one.
            remaining = {task: score for task, score in self.scores.items() if task in tasks}
            if count_predictions(client, project_id, version) == len(remaining) + self._surplus:
                self.scores = remaining
                return
        self.scores = {task: self.scores.get(task) for task in predicted_tasks(client, project_id, version)}
        self._listed_at = time.monotonic()
        self._surplus = count_predictions(client, project_id, version) - len(self.scores)
