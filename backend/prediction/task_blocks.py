"""The feature blocks of a task: read from its data by one reader per block."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from backend.heads.feature_blocks import COLUMNS, SPECTRUM, STRUCTURE, Block, FeatureBlocks
from backend.measurement.task_reader import TaskMeasurer
from backend.prediction.task_columns import read_columns
from sync.errors.failures import attempt
from sync.errors.images import ImageError

__all__ = ["BlockReader", "TaskBlocks", "data_keys_of"]

BlockReader = Callable[[Mapping[str, Any]], Block]
"""Reads a block from a task's data; where nothing can be read, the block says why in `missing`."""


KEYS = {SPECTRUM: "spectrum", STRUCTURE: "science"}
"""Key of a task's data that a block other than the columns is read from."""


class TaskBlocks:
    """Reads the feature blocks of tasks.

    Parameters
    ----------
    readers : mapping
        Name of a block to its reader; the columns of the task's data are always read.
    structure : TaskMeasurer, optional
        Measures the galaxies of images, which the block `STRUCTURE` holds; it needs the image besides the task's data.
    """

    def __init__(self, readers: Mapping[str, BlockReader] | None = None, *, structure: TaskMeasurer | None = None) -> None:
        self.structure = structure
        self._readers: dict[str, BlockReader] = {COLUMNS: read_columns, **(readers or {})}

    def read(self, data: Mapping[str, Any], *, only: Collection[str] | None = None) -> FeatureBlocks:
        """Read the blocks of one task.

        Parameters
        ----------
        data : mapping
            The task's data.
        only : collection of str, optional
            Names of the blocks to read; by default all.

        Returns
        -------
        mapping
            Name to block. A block whose reader fails has no values, and the reason.
        """
        blocks: dict[str, Block] = {}
        for name, reader in self._readers.items():
            if only is not None and name not in only:
                continue
            block = attempt(partial(reader, data))
            blocks[name] = Block(missing={"": str(block)}) if isinstance(block, ImageError) else block
        return blocks


def data_keys_of(features: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the keys of a task's data that features, the names of each block, are read from."""
    columns = features.get(COLUMNS, ())
    return frozenset(columns) | {KEYS[block] for block in features if block in KEYS}
