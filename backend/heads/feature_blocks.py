"""Feature blocks: what is known of a galaxy beside its image, as named numbers that may be missing.

A block has one origin: the columns of the task's catalogue, its spectrum, or its measured structure. Heads receive the blocks
beside the embedding, and work with any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = [
    "BLOCKS",
    "COLUMNS",
    "IMAGE",
    "NO_BLOCKS",
    "SPECTRUM",
    "STRUCTURE",
    "Block",
    "FeatureBlocks",
    "describe_inputs",
    "describe_missing",
    "join_inputs",
]

IMAGE, COLUMNS, SPECTRUM, STRUCTURE = "image", "columns", "spectrum", "structure"
BLOCKS = (COLUMNS, SPECTRUM, STRUCTURE)
"""Names of the blocks; `IMAGE` names the embedding where blocks are listed."""
MOST_REASONS = 4
"""Missing values that a sentence lists."""


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
"""Name of a block, one of `BLOCKS`, to the block; a block that was not read has no entry. For a galaxy whose image cannot be
read, `IMAGE` is a block without values and with the reason."""

NO_BLOCKS: FeatureBlocks = MappingProxyType({})


def describe_inputs(blocks_used: Sequence[str]) -> str:
    """Return which inputs a prediction used, in a part of a sentence; `IMAGE` names the image."""
    return f"predicted from {join_inputs(blocks_used)}"


def join_inputs(blocks_used: Sequence[str]) -> str:
    """Return the inputs of a prediction in words, such as `image and catalogue columns`; empty for none."""
    return " and ".join(map(_title, blocks_used))


def describe_missing(blocks_used: Sequence[str], blocks: FeatureBlocks, features: Mapping[str, Sequence[str]]) -> str:
    """Return why blocks or values that a head uses are missing for a galaxy, in a part of a sentence; empty if none is.

    Parameters
    ----------
    blocks_used : sequence of str
        The inputs of the prediction.
    blocks : FeatureBlocks
        Of the galaxy.
    features : mapping
        Name of each block that the head uses to the names of its values.
    """
    parts = [f"not used: image: {blocks[IMAGE].missing['']}"] if IMAGE in blocks else []
    for name, values in features.items():
        block = blocks.get(name, Block())
        if name not in blocks_used and "" in block.missing:
            parts.append(f"not used: {_title(name)}: {block.missing['']}")
            continue
        reasons = [f"{value}: {block.missing[value]}" for value in values if value in block.missing]
        reasons += [
            f"{value}: no value" for value in values if name == COLUMNS and value not in {*block.missing, *block.values}
        ]
        reason_list = ", ".join(reasons[:MOST_REASONS]) + (" …" if len(reasons) > MOST_REASONS else "")
        if name not in blocks_used:
            parts.append(f"not used: {_title(name)}" + (f" ({reason_list})" if reasons else ""))
        elif reasons:
            parts.append(f"without {reason_list}")
    return "; ".join(parts)


def _title(name: str) -> str:
    return "catalogue columns" if name == COLUMNS else name
