"""The same predictor under `label-studio-ml start`, for teams that deploy all their backends with label-studio-ml.

`GalaxyLoop` works with label-studio-ml 1.0.9, the release on PyPI, and has the signatures of upstream's 2.x. It predicts with
the version that is live in the registry. `fit` only marks the project: `galaxyloop worker` trains, since label-studio-ml would
train inside a request or in one process per event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.prediction.predictor import PredictionTask
from backend.prediction.records import records_of
from backend.server.protocol import project_id_of
from backend.services import Services
from backend.settings import Settings

__all__ = ["GalaxyLoop"]


@cache
def _services() -> Services:
    """Open the services once per process: label-studio-ml creates model objects repeatedly."""
    return Services(Settings())


class GalaxyLoop(LabelStudioMLBase):  # type: ignore[misc]  # label-studio-ml has no type hints
    """Label Studio ML model that predicts with the live versions of galaxyloop's registry."""

    def predict(
        self, tasks: Sequence[Mapping[str, Any]], context: Mapping[str, Any] | None = None, **_: Any
    ) -> list[dict[str, Any]]:
        """Predict tasks, or answer the prompts of a context; return one prediction per task, in order."""
        if not tasks:
            return []
        services = _services()
        label_config = str(self.label_config)
        project = services.register_project(self._project(tasks[0]), label_config=label_config, extra_params=None)
        predictor = services.predictors.of(project, label_config=label_config)
        ours = [
            PredictionTask(id=int(task.get("id") or 0), data=task["data"], stored_results=task if context else {})
            for task in tasks
        ]
        if context is None:
            predictions = predictor.predict(ours)
            records = records_of(zip(ours, predictions, strict=True), predictor.data_keys)
            services.prediction_records.write(project.id, project.live_version, records)
        else:
            predictions = predictor.answer(ours, context)
        return [prediction.as_json() for prediction in predictions]

    def fit(self, tasks: Any = None, data: Mapping[str, Any] | None = None, **_: Any) -> dict[str, Any]:
        """Mark the event's project.

        1.0.9 calls `fit(tasks, workdir=, event=, data=)`, 2.x `fit(event, data)`; the first argument is not used.
        """
        project = (data or {}).get("project") or {}
        if "id" in project:
            _services().mark([project_id_of(project["id"])])
        return {}

    def _project(self, task: Mapping[str, Any]) -> int:
        # 2.x sets the project of a request as an attribute, 1.0.9 only in the tasks.
        return project_id_of(getattr(self, "project_id", None) or task["project"])
