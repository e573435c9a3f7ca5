"""Recognition: the kind of each candidate, and segments of galaxies and stars only.

The pixels of a fragment go to the source that it is a part of, by a watershed from the peaks of galaxies and stars alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.segmentation import watershed

from backend.heads import storage
from backend.heads.extraction.recognition.candidates import SourceCandidates, find_candidates
from backend.heads.extraction.recognition.network import KINDS, RecognitionNetwork
from backend.heads.extraction.recognition.patches import StretchedPlanes
from backend.heads.extraction.recognition.profiles import profiles_of
from backend.heads.extraction.segment import SegmentedImage
from backend.heads.extraction.source import ExtractionSettings
from backend.heads.network_weights import arrays_of, restore

__all__ = ["SHIPPED_RECOGNITION", "RecognisedImage", "Recogniser", "recognise"]

NAME = "recognition"
SHIPPED_RECOGNITION = Path(__file__).parents[2] / "weights" / "recognition"
AT_ONCE = 256
"""Number of candidates whose patches are in memory together."""


@dataclass(frozen=True, slots=True, eq=False)
class RecognisedImage:
    """The galaxies and stars of an image.

    Attributes
    ----------
    segmentation : SegmentedImage
        Segments of galaxies and stars, the highest peak first.
    galaxy_probabilities : ndarray, shape (n,)
        Probability that each source is a galaxy.
    """

    segmentation: SegmentedImage
    galaxy_probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Recogniser:
    """A trained network.

    Attributes
    ----------
    network : RecognitionNetwork
        Frozen.
    """

    network: RecognitionNetwork

    @torch.no_grad()
    def probabilities(self, image: NDArray[np.float32], candidates: SourceCandidates) -> NDArray[np.float32]:
        """Return the probability of each of `KINDS` for all candidates of an image, shape (n, 3)."""
        count = len(candidates.rows)
        if not count:
            return np.zeros((0, len(KINDS)), np.float32)
        parts = np.array_split(np.arange(count), -(-count // AT_ONCE))
        planes = StretchedPlanes.of(image, candidates)
        profiles = torch.cat([profiles_of(torch.from_numpy(planes.cut(part))) for part in parts])
        logits = self.network(profiles, torch.zeros(count, dtype=torch.int64), 1)
        probabilities: NDArray[np.float32] = logits.softmax(dim=1).numpy()
        return probabilities

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`, with weights as float16."""
        storage.write(folder, head=NAME, fields={"kinds": list(KINDS)}, arrays=arrays_of(self.network))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a network that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        return cls(restore(RecognitionNetwork(), storage.read(folder, head=NAME)))


def recognise(image: NDArray[np.float32], settings: ExtractionSettings) -> RecognisedImage:
    """Return the galaxies and stars of an image, shape (height, width, 3), finite values from 0 to 1."""
    candidates = find_candidates(image, settings)
    probabilities = _shipped_recogniser().probabilities(image, candidates)
    is_source = probabilities[:, KINDS.index("fragment")] < 0.5
    markers = np.zeros(candidates.segments.shape, np.int32)
    rows, columns = candidates.rows[is_source], candidates.columns[is_source]
    markers[rows, columns] = np.arange(1, len(rows) + 1)
    segments = np.zeros_like(candidates.segments)
    if len(rows):
        segments = watershed(-candidates.brightness, markers, mask=candidates.is_detected).astype(np.int32, copy=False)
    galaxies = probabilities[is_source, KINDS.index("galaxy")]
    return RecognisedImage(SegmentedImage(candidates.brightness, segments, candidates.noise), galaxies)


@cache
def _shipped_recogniser() -> Recogniser:
    return Recogniser.load(SHIPPED_RECOGNITION)
