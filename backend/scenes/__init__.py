"""Seeded scenes of galaxies with known boxes and masks, the training data of the shipped detector and segmenter."""

from backend.scenes.exposures import SurveySceneGenerator
from backend.scenes.generator import SceneGenerator
from backend.scenes.scene import Scene, SurveyScene

__all__ = ["Scene", "SceneGenerator", "SurveyScene", "SurveySceneGenerator"]
