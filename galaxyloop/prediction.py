"""Predictions in other programs: services over a data folder, the live predictor of each project, tasks and predictions.

Example
-------
>>> services = Services(Settings(data_dir=folder, label_studio_url=url, label_studio_api_key=key))
>>> project = services.registry.project(7)
>>> predictor = services.predictors.of(project, label_config=project.label_config)
>>> predictor.predict([Task(id=1, data={"image": "https://example.org/m51.png"})])
"""

from __future__ import annotations

from backend.prediction.predictor import Prediction, Predictor
from backend.prediction.predictor import PredictionTask as Task
from backend.services import Services
from backend.settings import Settings

__all__ = ["Prediction", "Predictor", "Services", "Settings", "Task"]
