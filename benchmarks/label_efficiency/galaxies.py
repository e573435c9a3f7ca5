"""The galaxies of the label-efficiency benchmark, with the same cropping, side and split for every method.

The cropping is the product's (`backend/lvm/cropping.py`). The frames are computed once and cached as bytes, so that no method
spends time on them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from backend.lvm.cropping import FRAMING_VERSION, frame
from benchmarks.shipped_weights.galaxy_zoo_votes import is_for_encoder_choice
from sync.images.decode import decode
from sync.images.stretch import STRETCH_VERSION

__all__ = ["CLASSES", "Galaxies", "cut_frame", "pixels_of", "read_galaxies"]

CLASSES = ("elliptical", "edge_on", "spiral", "merger")
CACHE = Path(".cache/label-efficiency")
MAX_PIXELS = 10**7


@dataclass(frozen=True, slots=True, eq=False)
class Galaxies:
    """Cropped galaxies with their classes.

    Attributes
    ----------
    pixels : str
        Identifies how the frames were made: results with another name are not comparable.
    frames : ndarray of uint8, shape (n, side, side, 3)
    labels : ndarray of int, shape (n,)
        Index into `CLASSES`.
    split : ndarray of str, shape (n,)
        "train", "val" or "test".
    apart : ndarray of bool, shape (n,)
        Galaxies whose votes the encoder trained on votes of other galaxies was not trained on.
    """

    pixels: str
    frames: NDArray[np.uint8]
    labels: NDArray[np.int64]
    split: NDArray[np.str_]
    apart: NDArray[np.bool_]

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the indices of a part."""
        return np.flatnonzero(self.split == split)

    def without_encoder_training_galaxies(self) -> Galaxies:
        """Return the same without the training galaxies whose votes an encoder was trained on."""
        return replace(self, split=np.where((self.split == "train") & ~self.apart, "seen", self.split))

    @property
    def side(self) -> int:
        """Return the side of a frame, pixels."""
        return self.frames.shape[1]


def pixels_of(side: int) -> str:
    """Return an identifier of the way in which frames of this side are made."""
    return f"gz1-{side}px-framing{FRAMING_VERSION}-stretch{STRETCH_VERSION}"


def read_galaxies(data: Path, *, side: int) -> Galaxies:
    """Read Galaxy Zoo 1 with its frames, which are computed on the first call and cached.

    Parameters
    ----------
    data : Path
        Folder with gz1/labels.csv and gz1/images.
    side : int
        Side of a frame, pixels.
    """
    with (data / "gz1" / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["coarse5"] in CLASSES]
    name = pixels_of(side)
    cache_file = CACHE / f"{name}.npy"
    if not cache_file.exists():
        files = [data / "gz1" / row["file"] for row in rows]
        frames = np.stack([cut_frame(file, side) for file in track(files, f"framing at {side} px", transient=True)])
        CACHE.mkdir(parents=True, exist_ok=True)
        temporary = cache_file.with_suffix(".unfinished.npy")
        np.save(temporary, frames)
        temporary.replace(cache_file)
    return Galaxies(
        pixels=name,
        frames=np.load(cache_file),
        labels=np.array([CLASSES.index(row["coarse5"]) for row in rows]),
        split=np.array([row["split"] for row in rows]),
        apart=np.array([is_for_encoder_choice(row["sdss_dr7_objid"]) for row in rows]),
    )


def cut_frame(file: Path, side: int) -> NDArray[np.uint8]:
    """Read an image file and cut its frame as the product does, uint8, shape (side, side, 3)."""
    brightness = frame(decode(file.read_bytes(), max_pixels=MAX_PIXELS), side=side)
    return np.rint(brightness * 255).clip(0, 255).astype(np.uint8)
