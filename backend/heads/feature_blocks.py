"""Feature blocks: what is known of a galaxy beside its image, as named numbers that may be missing.

A block has one origin: the columns of the task's catalogue, its spectrum, or its measured structure. Heads receive the blocks
beside the embedding, and work with any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["BLOCKS", "COLUMNS", "IMAGE", "NO_BLOCKS", "SPECTRUM", "STRUCTURE", "Block", "FeatureBlocks"]

IMAGE, COLUMNS, SPECTRUM, STRUCTURE = "image", "columns", "spectrum", "structure"
BLOCKS = (COLUMNS, SPECTRUM, STRUCTURE)
"""Names of the blocks; `IMAGE` names the embedding where blocks are listed."""


@dataclass(frozen=True, slots=True)
class Block:
    """The values of one block of one galaxy.

    Attributes
    ----------
    values : mapping
        Name to a finite number.
    missing : mapping
        Name of a missing value to the reason, in a few words; the name "" is the whole block.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


FeatureBlocks = Mapping[str, Block]
"""Name of a block, one of `BLOCKS`, to the block; a block that was not read has no entry."""

NO_BLOCKS: FeatureBlocks = MappingProxyType({})
