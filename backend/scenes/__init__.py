"""Seeded scenes of galaxies whose boxes and masks are known: what detectors and prompted masks are pre-trained on."""

from backend.scenes.generator import SceneGenerator
from backend.scenes.scene import Scene

__all__ = ["Scene", "SceneGenerator"]
