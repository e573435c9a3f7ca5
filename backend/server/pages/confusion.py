"""The confusion matrix as a table of shares, with the rarest labels combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.reports.report import Matrix

__all__ = ["ConfusionTable", "tabulate_confusions"]

MAX_LABELS = 12
LEVELS = 9
"""Number of shades of a cell above white."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Number of images, their share of the row's images, 0 to 1, and the shade of the cell, 0 to `LEVELS`."""

    count: int
    share: float
    level: int
    diagonal: bool


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """Rows are the annotators' labels and columns the model's; `total` is the number of images."""

    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell], int]]
    total: int


def tabulate_confusions(matrix: Matrix) -> ConfusionTable:
    """Return the table; of more than `MAX_LABELS` labels, those with the fewest images become "other labels"."""
    labels, counts = list(matrix.labels), [list(row) for row in matrix.counts]
    if len(labels) > MAX_LABELS:
        labels, counts = _combine(labels, counts)
    rows = []
    for index, (label, row) in enumerate(zip(labels, counts, strict=True)):
        total = sum(row)
        shares = [count / total if total else 0.0 for count in row]
        cells = [
            Cell(count, share, round(share * LEVELS), column == index)
            for column, (count, share) in enumerate(zip(row, shares, strict=True))
        ]
        rows.append((label, cells, total))
    return ConfusionTable(labels, rows, sum(total for _, _, total in rows))


def _combine(labels: list[str], counts: list[list[int]]) -> tuple[list[str], list[list[int]]]:
    common = sorted(range(len(labels)), key=lambda index: -sum(counts[index]))[: MAX_LABELS - 1]
    groups = [[index] for index in sorted(common)] + [[index for index in range(len(labels)) if index not in common]]
    sums = [[sum(counts[i][j] for i in rows for j in columns) for columns in groups] for rows in groups]
    return [*(labels[group[0]] for group in groups[:-1]), f"{len(groups[-1])} other labels"], sums
