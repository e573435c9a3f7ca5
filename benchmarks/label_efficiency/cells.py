"""Cells of the label-efficiency benchmark: one method with one number of labels and one seed, stored when measured.

The file has one JSON line per cell, with the probabilities of the test galaxies. An interrupted run continues, and every
figure of the report can be recomputed and resampled without training.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

__all__ = ["Cell", "Score", "append", "read", "score_of"]

ECE_BINS = 15
LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement.

    Attributes
    ----------
    method : str
    setting : str
        Identifies pixels and checkpoint: cells with different settings are not comparable.
    labels : int
        Labels that the method uses, validation included.
    seed : int
    found : tuple of int
        Number of labels of each class.
    seconds : float
        Training and prediction time, without the embeddings.
    probabilities : str
        Probabilities of the test galaxies, encoded by `pack`.
    """

    method: str
    setting: str
    labels: int
    seed: int
    found: tuple[int, ...]
    seconds: float
    probabilities: str

    def test(self) -> NDArray[np.float64]:
        """Return the probabilities of the test galaxies, shape (n, classes)."""
        flat = np.frombuffer(zlib.decompress(base64.b64decode(self.probabilities)), np.float16)
        return np.exp(flat.reshape(-1, len(self.found)).astype(np.float64))

    @staticmethod
    def pack(probabilities: NDArray[np.floating]) -> str:
        """Encode probabilities, shape (n, classes), as text: logarithms in half precision, which are precise close to 1 too."""
        logs = np.log(probabilities.astype(np.float64).clip(LEAST_PROBABILITY, 1))
        return base64.b64encode(zlib.compress(logs.astype(np.float16).tobytes(), 9)).decode("ascii")


def append(file: Path, cell: Cell) -> None:
    """Append a cell to a file of JSON lines, on a new line even after an incomplete line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    is_torn = file.exists() and not file.read_bytes().endswith(b"\n")
    with file.open("a") as lines:
        lines.write(("\n" if is_torn else "") + json.dumps(asdict(cell)) + "\n")


def read(file: Path, *, settings: Iterable[str]) -> list[Cell]:
    """Read the cells of these settings; skip a line that an interrupted run left incomplete."""
    if not file.exists():
        return []
    names, cells = set(settings), []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        try:
            fields = json.loads(line)
        except json.JSONDecodeError:
            Console(stderr=True).print(f"{file}: line {number} is not whole, its cell will be measured again")
            continue
        if fields["setting"] in names:
            cells.append(Cell(**{**fields, "found": tuple(fields["found"])}))
    return cells


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracy and calibration of probabilities.

    Attributes
    ----------
    brier : float
        Mean squared distance from the truth, 0 to 2.
    ece : float
        Expected calibration error of the likeliest class, 15 bins of equal width (Guo+2017, equation 3).
    """

    brier: float
    ece: float


def score_of(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Score:
    """Compute the scores of probabilities, shape (n, classes), for galaxies with these classes, shape (n,)."""
    truth = np.eye(probabilities.shape[1])[labels]
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((top * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=right - top, minlength=ECE_BINS)
    brier = float(((probabilities - truth) ** 2).sum(axis=1).mean())
    return Score(brier, float(np.abs(gaps).sum() / len(labels)))
