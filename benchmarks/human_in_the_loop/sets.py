"""The sets of labelled galaxies of the simulation: embeddings of a pool to label, and of galaxies to measure on.

The encoder was pre-trained on votes about galaxies of Galaxy Zoo (MODEL_CARD.md), so on `gz1` and `gz2` the curves start higher
than on a survey without votes; `rings` asks a question about another survey that no vote was trained on.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from benchmarks.label_efficiency.frozen import embed
from benchmarks.label_efficiency.galaxies import Galaxies as Frames
from benchmarks.label_efficiency.galaxies import cut_frame, pixels_of, read_galaxies

__all__ = ["PARTS", "SETS", "Galaxies", "Set", "read_set"]

SIDE = 96
PARTS = ("val", "test")
VAL_SHARE = 0.35
"""Share of the training rows that strategies are chosen on, where a set has no or a small part for that."""

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Set:
    """A set of galaxies.

    Attributes
    ----------
    name : str
        Name of its folder.
    column : str
        Column of labels.csv with the class.
    classes : tuple of str
        Values of the column; galaxies with other values are left out.
    labels : int
        Number of labels that a run ends with.
    """

    name: str
    column: str
    classes: tuple[str, ...]
    labels: int


SETS = {
    "gz1": Set("gz1", "coarse5", ("elliptical", "edge_on", "spiral", "merger"), 300),
    "gz2": Set("gz2", "clean_label", ("elliptical", "edge_on", "spiral", "merger"), 150),
    "rings": Set("rings", "ring", ("0", "1"), 100),
}


@dataclass(frozen=True, slots=True, eq=False)
class Galaxies:
    """Galaxies to label and galaxies to measure on.

    Attributes
    ----------
    name : str
        Identifies pixels, encoder and part: results with another name are not comparable.
    pool, measured_features : ndarray, shape (n, d) and (m, d)
        Embeddings.
    pool_labels, measured_labels : ndarray of int, shape (n,) and (m,)
        Index of the class.
    classes : tuple of str
    """

    name: str
    pool: Floats
    pool_labels: Indices
    measured_features: Floats
    measured_labels: Indices
    classes: tuple[str, ...]


def read_set(data: Path, name: str, *, part: str) -> Galaxies:
    """Read a set; embeddings are computed once and cached.

    Parameters
    ----------
    data : Path
        Folder that holds the folder of the set.
    name : str
        A key of `SETS`.
    part : {"val", "test"}
        Part to measure on; the pool is of the training part.
    """
    kind = SETS[name]
    frames = read_galaxies(data, side=SIDE) if name == "gz1" else _read_frames(data, kind)
    embeddings = embed(frames, SHIPPED_CHECKPOINT)
    pool, test_rows = (frames.rows(split) for split in ("train", part))
    return Galaxies(
        f"{frames.pixels}-{fingerprint(SHIPPED_CHECKPOINT)}-{part}",
        embeddings[pool],
        frames.labels[pool],
        embeddings[test_rows],
        frames.labels[test_rows],
        kind.classes,
    )


def _read_frames(data: Path, kind: Set) -> Frames:
    folder = data / kind.name
    with (folder / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row[kind.column] in kind.classes]
    frames = [cut_frame(folder / row["file"], SIDE) for row in track(rows, f"framing {kind.name}", transient=True)]
    return Frames(
        pixels=pixels_of(SIDE).replace("gz1", kind.name),
        frames=np.stack(frames),
        labels=np.array([kind.classes.index(row[kind.column]) for row in rows]),
        split=np.array([_split(row) for row in rows]),
        apart=np.ones(len(rows), bool),
    )


def _split(row: dict[str, str]) -> str:
    """Return the part of a galaxy: the set's own test part, and a part of its training rows by the hash of the file's name."""
    if row["split"] == "test":
        return "test"
    fraction = int.from_bytes(hashlib.sha256(row["file"].encode()).digest()[:8]) / 2**64
    return "val" if fraction < VAL_SHARE else "train"
