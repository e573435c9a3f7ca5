"""Fillers: one control and the head that fills it, from what was seen of a picture to Label Studio regions and a confidence."""

from backend.fillers.choosing import fillers_of
from backend.fillers.classes import ClassFiller, base_offset, base_probabilities
from backend.fillers.filler import Filled, Filler
from backend.fillers.numbers import NumberFiller
from backend.fillers.objects import ObjectFiller

__all__ = ["ClassFiller", "Filled", "Filler", "NumberFiller", "ObjectFiller", "base_offset", "base_probabilities", "fillers_of"]
