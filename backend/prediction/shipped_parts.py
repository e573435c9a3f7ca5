"""The shipped networks and heads, which all predictors of a process share; they are loaded on first use."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

from backend.heads.classification.morphology import Morphology
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.feature_blocks import SPECTRUM
from backend.heads.segmentation.shipped import Segmenter, open_segmenter
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.images.store import ImageSource
from backend.images.task_files import TaskFiles
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT
from backend.lvm.embeddings import Embeddings
from backend.lvm.feature_maps import Pyramids
from backend.lvm.joined_embeddings import JoinedEmbeddings
from backend.lvm.openvino_encoder import load_fastest_encoder
from backend.lvm.shipped_encoder import load_shipped_encoder
from backend.lvm.shipped_names import shipped_names
from backend.measurement.task_reader import TaskMeasurer
from backend.prediction.features import FeatureExtractor
from backend.prediction.task_blocks import TaskBlocks
from backend.prediction.task_spectra import SpectrumReader
from sync.files.cache import Cache

__all__ = ["BASE_DETECTOR", "BASE_MORPHOLOGY", "ShippedParts"]

log = logging.getLogger("galaxyloop.predictors")

BASE_DETECTOR = Path(__file__).parents[1] / "heads" / "weights" / "detector"
BASE_MORPHOLOGY = Path(__file__).parents[1] / "heads" / "weights" / "morphology"


class ShippedParts:
    """The shipped networks and heads.

    Attributes
    ----------
    names : ShippedNames
        Fingerprints of the shipped encoder.
    encoder : str
        Fingerprint of the network of the shipped classifier, which also computes feature maps.

    Parameters
    ----------
    image_store, cache, maps, sam_checkpoint, data_dir
        As for `PredictorFactory`.
    """

    def __init__(
        self,
        image_store: ImageSource,
        cache: Cache,
        maps: Cache | None,
        *,
        sam_checkpoint: Path | None,
        data_dir: Path | None,
    ) -> None:
        self.image_store, self.cache, self._maps, self._sam_checkpoint = image_store, cache, maps, sam_checkpoint
        self.names = shipped_names()
        self.encoder = self.names.classifier
        files = TaskFiles(image_store.open, data_dir=data_dir)
        self.blocks = TaskBlocks(
            {SPECTRUM: SpectrumReader(files.read, cache)},
            structure=TaskMeasurer(image_store.open, cache, data_dir=data_dir),
        )

    @cached_property
    def networks(self) -> tuple[FeatureExtractor, Embeddings, Segmenter]:
        """Extractor, source of embeddings, and segmenter.

        Raises
        ------
        CheckpointError
            If the SAM checkpoint cannot be used.
        """
        encoder = load_fastest_encoder(SHIPPED_CHECKPOINT)
        segmenter = open_segmenter(encoder, fingerprint=self.encoder, sam_checkpoint=self._sam_checkpoint)
        embeddings = Embeddings(encoder, self.cache, fingerprint=self.encoder)
        extractor = FeatureExtractor(
            self.image_store,
            JoinedEmbeddings({self.encoder: embeddings}),
            Pyramids(encoder, self._maps, fingerprint=self.encoder),
            CachedWindowEncoder(segmenter.windows, self._maps, numerics="" if self._sam_checkpoint else encoder.numerics),
            self.cache,
        )
        return extractor, embeddings, segmenter

    @cached_property
    def shipped_embeddings(self) -> Embeddings:
        """Source of the embeddings of the shipped encoder, of which the first are those of the classifier's network.

        Raises
        ------
        CheckpointError
            If its files cannot be read.
        """
        return Embeddings(load_shipped_encoder(), self.cache, fingerprint=self.names.whole)

    @cached_property
    def morphology(self) -> Morphology:
        """The classifier of the common Galaxy Zoo classes."""
        return Morphology.load(BASE_MORPHOLOGY)

    @cached_property
    def detector(self) -> LearnedDetector | None:
        """The detector, or None if there is none for the encoder."""
        return _shipped_detector(self.encoder)


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
