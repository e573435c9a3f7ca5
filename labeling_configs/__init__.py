"""Labelling configs that a team picks from: XML files, each with a comment on what it is for."""
