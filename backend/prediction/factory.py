"""Create predictors from one encoder, the shipped heads and the trained heads of a version."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from backend.heads.classification.morphology import Morphology
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import Segmenter, open_segmenter
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.images.store import ImageSource, StoredImage
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.embeddings import Embeddings
from backend.lvm.feature_maps import Pyramids
from backend.prediction.features import FeatureExtractor
from backend.prediction.predictor import Predictor
from backend.prediction.project_heads import ProjectHeads
from backend.prediction.task_blocks import TaskBlocks
from sync.files.cache import Cache
from sync.labelling.config import LabelConfig, LabelConfigError, parse

__all__ = ["BASE_DETECTOR", "BASE_MORPHOLOGY", "SHIPPED_VERSION", "PredictorFactory", "read_config"]

log = logging.getLogger("galaxyloop.predictors")

BASE_DETECTOR = Path(__file__).parents[1] / "heads" / "weights" / "detector"
BASE_MORPHOLOGY = Path(__file__).parents[1] / "heads" / "weights" / "morphology"
SHIPPED_VERSION = "galaxyloop-base"
"""Model version of predictions that the shipped heads make outside of a project."""


class PredictorFactory:
    """Creates predictors that share one encoder; the encoder and the shipped heads are loaded on first use.

    Parameters
    ----------
    image_store : ImageSource
    cache : Cache
        Cache of embeddings and sources.
    maps : Cache or None
        Cache of feature maps, which are large: a cache of their own keeps them from evicting the entries of `cache`. None
        disables it.
    sam_checkpoint : Path, optional
        An official SAM checkpoint to use instead of the shipped segmenter.
    """

    def __init__(
        self, image_store: ImageSource, cache: Cache, maps: Cache | None, *, sam_checkpoint: Path | None = None
    ) -> None:
        self._image_store = image_store
        self._cache = cache
        self._maps = maps
        self._sam_checkpoint = sam_checkpoint

    @cached_property
    def _encoders(self) -> tuple[FeatureExtractor, Segmenter]:
        return _open_extractor(self._image_store, self._cache, maps=self._maps, sam_checkpoint=self._sam_checkpoint)

    @property
    def extractor(self) -> FeatureExtractor:
        """The feature extractor of all projects; to load the encoder takes a second."""
        return self._encoders[0]

    def open(self, reference: str) -> StoredImage:
        """Open one image; this does not load the encoder.

        Raises
        ------
        ImageError
            If the image may not be fetched or does not exist.
        """
        return self._image_store.open(reference)

    @property
    def base_masks(self) -> PromptedMasks:
        """The shipped head for masks, from which each project's head is fine-tuned."""
        return self._encoders[1].base

    @cached_property
    def blocks(self) -> TaskBlocks:
        """The reader of the feature blocks of tasks."""
        return TaskBlocks()

    @cached_property
    def base_morphology(self) -> Morphology:
        """The shipped classifier of the common Galaxy Zoo classes."""
        return Morphology.load(BASE_MORPHOLOGY)

    @cached_property
    def base_detector(self) -> LearnedDetector | None:
        """The shipped detector, or None if there is none for the encoder in use."""
        return _shipped_detector(self.extractor.encoder)

    def build(self, config: LabelConfig, heads: ProjectHeads, *, version: str) -> Predictor:
        """Create a predictor from trained heads.

        Parameters
        ----------
        config : LabelConfig
        heads : ProjectHeads
        version : str
            Model version that the predictions state.
        """
        return Predictor(
            config,
            self.usable(heads),
            extractor=self.extractor,
            base=self.base_morphology,
            masks=self.base_masks,
            detector=self.base_detector,
            blocks=self.blocks,
            version=version,
        )

    def usable(self, heads: ProjectHeads) -> ProjectHeads:
        """Return the heads without those that were trained on another encoder."""
        usable = {
            name: head.on_encoder(self.extractor.encoder) if isinstance(head, Detection) else head
            for name, head in heads.by_control.items()
        }
        masks = heads.prompted
        if masks is not None and masks.encoder != self.base_masks.encoder:
            log.warning("event=masks_not_used trained_on=%s encoder=%s", masks.encoder, self.base_masks.encoder)
            masks = None
        return replace(heads, by_control=usable, prompted=masks)


def _open_extractor(
    image_store: ImageSource, cache: Cache, *, maps: Cache | None, sam_checkpoint: Path | None
) -> tuple[FeatureExtractor, Segmenter]:
    """Load the shipped encoder and the segmenter; without `maps` no feature maps are cached.

    Raises
    ------
    CheckpointError
        If the SAM checkpoint cannot be used.
    """
    name, encoder = fingerprint(SHIPPED_CHECKPOINT), load_encoder(SHIPPED_CHECKPOINT)
    segmenter = open_segmenter(encoder, fingerprint=name, sam_checkpoint=sam_checkpoint)
    extractor = FeatureExtractor(
        image_store,
        Embeddings(encoder, cache, fingerprint=name),
        Pyramids(encoder, maps, fingerprint=name),
        CachedWindowEncoder(segmenter.windows, maps),
        cache,
    )
    return extractor, segmenter


def _shipped_detector(encoder: str) -> LearnedDetector | None:
    """Load the shipped detector; return None if there is none for this encoder, so that objects are found by source extraction.

    Parameters
    ----------
    encoder : str
        Fingerprint of the encoder in use.
    """
    if not BASE_DETECTOR.exists():
        return None
    detector = LearnedDetector.load(BASE_DETECTOR)
    if detector.encoder == encoder:
        return detector
    log.warning("event=base_detector_not_used trained_on=%s encoder=%s", detector.encoder, encoder)
    return None


def read_config(label_config: str) -> LabelConfig:
    """Parse a labelling config; an invalid one gives an empty config, since `/setup` has reported its error."""
    try:
        return parse(label_config)
    except LabelConfigError:
        return LabelConfig()
