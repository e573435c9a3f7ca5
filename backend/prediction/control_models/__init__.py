"""Fillers: one control and the head that fills it, from what was seen of a picture to Label Studio regions and a confidence."""

from backend.prediction.control_models.choosing import fillers_of
from backend.prediction.control_models.classes import ClassFiller, base_offset, base_probabilities
from backend.prediction.control_models.control_model import Filled, Filler
from backend.prediction.control_models.numbers import NumberFiller
from backend.prediction.control_models.objects import ObjectFiller

__all__ = ["ClassFiller", "Filled", "Filler", "NumberFiller", "ObjectFiller", "base_offset", "base_probabilities", "fillers_of"]
