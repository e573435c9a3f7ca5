"""The model class for `label-studio-ml start` (extra `galaxyloop[label-studio-ml]`)."""

from __future__ import annotations

from backend.server.label_studio_ml import GalaxyLoop

__all__ = ["GalaxyLoop"]
