"""Cells of the detection benchmark: one method, number of training scenes and seed each, stored when measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.detection.scores import Boxes, Finds, measure

__all__ = ["Cell", "as_numbers", "choose_threshold", "read", "score"]

OVERLAPS = tuple(np.arange(0.5, 1, 0.05).round(2).tolist())
LEAST_SCORES = tuple(np.arange(0.05, 0.96, 0.025).round(3).tolist())
MOST_FINDS = 100
"""Detections per scene that are scored, as in COCO."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement on the test scenes.

    Attributes
    ----------
    method : str
    setting : str
        Cells with different settings are not comparable.
    scenes : int
        Number of training scenes.
    boxes : int
        Number of boxes in the training scenes.
    seed : int
    seconds : float
        Training time: wall clock with a GPU, CPU time without.
    hardware : str
    ap, ap50, ap75 : float
        Average precision: mean over the overlaps 0.5, 0.55 ... 0.95, at 0.5, at 0.75; over all detections.
    least_score : float
        Score threshold for the following metrics: the one with the best F1 on the validation scenes.
    precision, recall, accuracy : float
        At an overlap of 0.5; accuracy is TP / (TP + FP + FN).
    """

    method: str
    setting: str
    scenes: int
    boxes: int
    seed: int
    seconds: float
    hardware: str
    ap: float
    ap50: float
    ap75: float
    least_score: float
    precision: float
    recall: float
    accuracy: float

    @property
    def name(self) -> tuple[str, int, int]:
        """Return the method, number of scenes and seed, which identify the cell within its setting."""
        return self.method, self.scenes, self.seed


def read(file: Path) -> list[Cell]:
    """Read the cells that were measured so far; return an empty list if the file does not exist."""
    return [Cell(**fields) for fields in json.loads(file.read_text())["cells"]] if file.exists() else []


def score(finds: Sequence[Finds], truth: Sequence[Boxes], *, least_score: float) -> dict[str, float]:
    """Return the metrics of a cell from the detections in the test scenes and the true boxes."""
    finds = [_keep_highest_scores(find) for find in finds]
    curves = {overlap: measure(finds, truth, least_score=least_score, overlap=overlap) for overlap in OVERLAPS}
    half = curves[0.5]
    return {
        "ap": float(np.mean([curve.average_precision for curve in curves.values()])),
        "ap50": half.average_precision,
        "ap75": curves[0.75].average_precision,
        "least_score": least_score,
        "precision": half.precision,
        "recall": half.recall,
        "accuracy": half.accuracy,
    }


def choose_threshold(finds: Sequence[Finds], truth: Sequence[Boxes]) -> float:
    """Return the score threshold with the best F1; the middle one of several equally good thresholds."""
    values = np.asarray([measure(finds, truth, least_score=least).f1 for least in LEAST_SCORES])
    best = np.flatnonzero(values >= values.max() - 1e-9)
    return float(LEAST_SCORES[best[len(best) // 2]])


def as_numbers(cells: Sequence[Cell]) -> list[dict[str, object]]:
    """Return the cells as JSON objects, in a fixed order."""
    return [asdict(cell) for cell in sorted(cells, key=lambda cell: (cell.method, cell.scenes, cell.seed, cell.setting))]


def _keep_highest_scores(find: Finds) -> Finds:
    order = np.argsort(-find[1], kind="stable")[:MOST_FINDS]
    return find[0][order], find[1][order]
