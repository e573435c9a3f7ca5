"""The features of one image, which control models predict from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.source import ExtractionSettings, Source
from backend.heads.feature_blocks import IMAGE, NO_BLOCKS, Block, FeatureBlocks
from backend.heads.segmentation.window_features import WindowedImage
from backend.images.store import StoredImage
from backend.lvm.feature_maps import FeaturePyramid
from backend.measurement.measured_object import MeasuredObject
from sync.geometry.shapes import Size

__all__ = ["ImageFeatures"]


@dataclass(frozen=True)
class ImageFeatures:
    """Features of one image, or of a task whose image cannot be read.

    Attributes
    ----------
    image : StoredImage or None
        None if it cannot be read; then only `blocks` has anything.
    embedding : ndarray, shape (d,), or None
        None if it was not requested.
    size : (width, height) or None
        Pixels; None if neither sources nor feature maps were requested.
    sources : mapping
        Extraction settings to the sources found with them.
    pyramid : FeaturePyramid or None
        Feature maps of the encoder, read or computed one tile at a time when accessed; None if they were not requested.
    windowed_image : WindowedImage or None
        Windows for the segmenter, encoded when accessed; None if `size` is None.
    blocks : FeatureBlocks
        What the data of the image's task tell of the galaxy; empty for an image without a task.
    structure : MeasuredObject or None
        The measured structure of the galaxy; None if it was not requested or cannot be measured.
    """

    image: StoredImage | None
    embedding: NDArray[np.float32] | None
    size: Size | None
    sources: Mapping[ExtractionSettings, tuple[Source, ...]]
    pyramid: FeaturePyramid | None = None
    windowed_image: WindowedImage | None = None
    blocks: FeatureBlocks = field(default_factory=lambda: NO_BLOCKS)
    structure: MeasuredObject | None = None

    @classmethod
    def without_image(cls, blocks: FeatureBlocks, *, reason: str) -> Self:
        """Create the features of a task whose image cannot be read; `reason` says why in a sentence."""
        return cls(None, None, None, {}, blocks={**blocks, IMAGE: Block(missing={"": reason})})

    @property
    def problem(self) -> str:
        """Why the image cannot be read, in a sentence; empty if it can."""
        return self.blocks[IMAGE].missing[""] if self.image is None else ""

    @property
    def stored_image(self) -> StoredImage:
        """The image, which features from `extract_features` have."""
        assert self.image is not None, "the features are those of a task without a readable image"
        return self.image
