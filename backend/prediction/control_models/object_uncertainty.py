"""Uncertainty of the objects on one image: how much an annotator is expected to correct, in objects.

It is the sum of three parts:

- uncertain objects: the binary entropy of each object's score p, -p log2 p - (1 - p) log2(1 - p), which is 1 at p = 0.5;
- missed objects: the score of each source, at least `LEAST_SOURCE`, that source extraction finds and the learned detector does
  not (box IoU below `SAME_OBJECT`);
- masks: 1 - IoU of the outline that an object was detected with and of the segmenter's mask, two outlines of one object.

The acquisition confidence is 1 / (1 + uncertainty).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.heads.detection.detected import Detected
from backend.heads.extraction.source import Source
from sync.geometry.footprint import Footprint
from sync.geometry.overlap import box_overlap, footprint_overlap

__all__ = ["acquisition_confidence", "entropy_of_objects", "mask_disagreement", "missed_objects"]

LEAST_SOURCE = 0.5
"""Lowest score of a source that counts as missed."""
SAME_OBJECT = 0.3
"""Lowest IoU of the boxes of one object."""


def acquisition_confidence(uncertainty: float) -> float:
    """Return 1 / (1 + uncertainty), in (0, 1]."""
    return 1 / (1 + uncertainty)


def entropy_of_objects(objects: Sequence[Detected]) -> float:
    """Return the sum of the binary entropies of the objects' scores, bits."""
    scores = np.clip([detection.score for detection in objects], 1e-9, 1 - 1e-9)
    return float(-(scores * np.log2(scores) + (1 - scores) * np.log2(1 - scores)).sum())


def missed_objects(objects: Sequence[Detected], sources: Sequence[Detected]) -> float:
    """Return the sum of the scores of the sources that no object overlaps."""
    likely = [source for source in sources if source.score >= LEAST_SOURCE]
    return sum(
        source.score
        for source in likely
        if all(box_overlap(source.source.box, detection.source.box) < SAME_OBJECT for detection in objects)
    )


def mask_disagreement(before: Sequence[Detected], after: Sequence[Detected]) -> float:
    """Return the sum of 1 - IoU of the outlines of the same objects before and after the segmenter."""
    pairs = zip(before, after, strict=True)
    return sum(1 - _overlap(first.source, second.source) for first, second in pairs if first.source is not second.source)


def _overlap(first: Source, second: Source) -> float:
    if not (first.area and second.area):
        return 0.0
    return footprint_overlap(*(Footprint(*source.corner, source.crop) for source in (first, second)))
