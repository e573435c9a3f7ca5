"""Synonyms of galaxy classes in Galaxy Zoo, the Hubble sequence and the classes of the models.

Galaxy Zoo 1 uses elliptical and spiral, Galaxy Zoo 2 "smooth" and "features or disk", and papers early and late type. A project
may use any of these names for the class of a model.
"""

from __future__ import annotations

import re

__all__ = ["BROADER", "HUBBLE_LETTERS", "SYNONYMS", "normalise"]

SYNONYMS: dict[str, tuple[str, ...]] = {
    "elliptical": (
        "elliptical", "ellipticals", "elliptical galaxy", "elliptical or lenticular", "spheroid", "spheroidal",
        "smooth", "smooth galaxy", "smooth and rounded", "simply smooth and rounded with no sign of a disk",
        "early type", "early type galaxy", "etg", "e",
    ),
    "spiral": (
        "spiral", "spirals", "spiral galaxy", "face on spiral", "spiral arms", "unbarred spiral", "barred spiral",
        "late type", "late type galaxy", "ltg", "features or disk", "featured or disk", "features or disc",
        "featured or disc", "featured", "features", "disk", "disc", "disk galaxy", "disc galaxy", "face on disk",
        "face on disc", "face on", "s",
    ),
    "edge_on": (
        "edge on", "edgeon", "edge on disk", "edge on disc", "edge on galaxy", "edge on spiral", "edge on disk galaxy",
        "disk edge on", "disk viewed edge on", "spiral edge on", "cigar", "cigar shaped",
    ),
    "merger": (
        "merger", "mergers", "merger galaxy", "merging", "merging galaxies", "major merger", "merger or interacting",
        "interacting", "interacting galaxies", "interaction", "major disturbance", "disturbed", "minor disturbance",
        "tidal", "tidal debris",
    ),
    "irregular": ("irregular", "irregular galaxy", "peculiar", "odd", "irr"),
    "ring": ("ring", "rings", "ring galaxy", "ringed", "polar ring", "collisional ring"),
    "bar": ("bar", "barred", "strong bar", "barred galaxy", "barred spiral", "weak bar"),
    "lens": ("lens", "gravitational lens", "lens or arc", "arc", "einstein ring"),
    "galaxy": ("galaxy", "galaxies", "galaxy mask", "source", "object", "extended source", "gal"),
    "star": ("star", "stars", "star or artifact", "star or artefact", "point source", "star or don t know"),
    "artifact": ("artifact", "artefact", "artifacts", "artefacts", "star or artifact", "star or artefact", "bad image"),
}  # fmt: skip
"""Model class to its normalised synonyms, the closest first."""

BROADER: dict[str, str] = {"edge_on": "spiral", "bar": "spiral"}
"""Class to the broader class that replaces it if a project has no label for it.

Galaxy Zoo 1 counts edge-on disks among its spirals (Lintott et al. 2011, MNRAS 410, 166), Galaxy Zoo 2 among its disks.
"""

HUBBLE_LETTERS = frozenset({"e", "s"})
"""Letters that denote types only if a control has both; in a control with S and G, S is a star."""


def normalise(name: str) -> str:
    """Return `name` in folded case with punctuation replaced by single spaces: `Edge-on_Disk?` gives `edge on disk`."""
    return re.sub(r"[\W_]+", " ", name.casefold()).strip()
