"""Create predictors from one encoder, the shipped heads and the trained heads of a version."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

from backend.heads import EmbeddedHead, Head
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.images.store import ImageSource, StoredImage
from backend.lvm.checkpoint import CheckpointError
from backend.lvm.embeddings import EmbeddingSource
from backend.lvm.encoder_store import EncoderStore
from backend.lvm.joined_embeddings import JoinedEmbeddings
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.features import FeatureExtractor
from backend.prediction.predictor import Predictor
from backend.prediction.project_heads import ProjectHeads
from backend.prediction.shipped_parts import BASE_DETECTOR, BASE_MORPHOLOGY, ShippedParts
from backend.prediction.task_blocks import TaskBlocks
from sync.files.cache import Cache
from sync.labelling.config import LabelConfig, LabelConfigError, parse

__all__ = ["BASE_DETECTOR", "BASE_MORPHOLOGY", "SHIPPED_VERSION", "PredictorFactory", "read_config"]

log = logging.getLogger("galaxyloop.predictors")

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
    encoders : EncoderStore, optional
        Encoders that heads may stand on, besides the shipped one.
    sam_checkpoint : Path, optional
        An official SAM checkpoint to use instead of the shipped segmenter.
    data_dir : Path, optional
        Folder below which an import stores science files and spectra; without it those of tasks cannot be read.
    """

    def __init__(
        self,
        image_store: ImageSource,
        cache: Cache,
        maps: Cache | None,
        *,
        encoders: EncoderStore | None = None,
        sam_checkpoint: Path | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self._shipped_parts = ShippedParts(image_store, cache, maps, sam_checkpoint=sam_checkpoint, data_dir=data_dir)
        self._store = encoders
        self._sources: dict[str, EmbeddingSource] = {}
        self._extra_names: tuple[str, ...] = ()

    @property
    def shipped_encoder(self) -> str:
        """Fingerprint of the network of the shipped classifier, which also computes feature maps."""
        return self._shipped_parts.encoder

    def on(self, *encoders: str) -> Self:
        """Return a factory whose features have the embeddings of further encoders.

        Parameters
        ----------
        *encoders : str
            Fingerprints; one that cannot be opened is left out and logged, and the heads on it are not usable.
        """
        names = tuple(name for name in sorted(set(encoders) - {self.shipped_encoder}) if self._open(name))
        if names == self._extra_names:
            return self
        other = copy.copy(self)  # with the same shipped parts and opened encoders
        other._extra_names = names
        other.__dict__.pop("extractor", None)
        return other

    def with_encoders(self, store: EncoderStore) -> Self:
        """Return a factory that opens encoders from another store."""
        other = copy.copy(self)
        other._store, other._sources = store, {}
        return other

    def has(self, encoder: str) -> bool:
        """Return whether an encoder can be opened, by its fingerprint."""
        return encoder == self.shipped_encoder or self._open(encoder)

    @cached_property
    def extractor(self) -> FeatureExtractor:
        """The feature extractor; to load the encoder takes a second."""
        extractor, shipped_classifier, _ = self._shipped_parts.networks
        if not self._extra_names:
            return extractor
        names = self._shipped_parts.names
        sources = {name: self._sources[name] for name in self._extra_names}
        if names.whole in sources:
            firsts = {names.classifier: (names.whole, shipped_classifier.dimension)}
            return extractor.with_embeddings(JoinedEmbeddings(sources, firsts=firsts))
        return extractor.with_embeddings(JoinedEmbeddings(sources | {names.classifier: shipped_classifier}))

    def open(self, reference: str) -> StoredImage:
        """Open one image; this does not load the encoder.

        Raises
        ------
        ImageError
            If the image may not be fetched or does not exist.
        """
        return self._shipped_parts.image_store.open(reference)

    @property
    def base_masks(self) -> PromptedMasks:
        """The shipped head for masks, from which each project's head is fine-tuned."""
        return self._shipped_parts.networks[2].base

    @property
    def blocks(self) -> TaskBlocks:
        """The reader of the feature blocks of tasks."""
        return self._shipped_parts.blocks

    @property
    def base(self) -> BaseClassifier:
        """The shipped classifier of the common Galaxy Zoo classes, for the embeddings of the extractor."""
        return BaseClassifier(self._shipped_parts.morphology, self.extractor.columns)

    @property
    def base_detector(self) -> LearnedDetector | None:
        """The shipped detector, or None if there is none for the shipped encoder."""
        return self._shipped_parts.detector

    def _open(self, name: str) -> bool:
        """Open an encoder unless it is open; return whether it can be used."""
        if name not in self._sources:
            try:
                if name == self._shipped_parts.names.whole:
                    self._sources[name] = self._shipped_parts.shipped_embeddings
                    return True
                if self._store is None:
                    raise CheckpointError(f"the encoder {name} is not here")
                self._sources[name] = self._store.open(name, self._shipped_parts.cache)
            except CheckpointError as error:
                log.warning("event=encoder_not_used encoder=%s reason=%r", name, str(error))
                return False
        return True

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
            base=self.base,
            masks=self.base_masks,
            detector=self.base_detector,
            blocks=self.blocks,
            version=version,
        )

    def usable(self, heads: ProjectHeads) -> ProjectHeads:
        """Return the heads without those that stand on an encoder whose features are not here; these are logged."""
        usable: dict[str, Head] = {}
        columns = self.extractor.columns.parts
        for name, head in heads.by_control.items():
            if isinstance(head, EmbeddedHead) and head.encoder not in columns:
                log.warning("event=head_not_used control=%s trained_on=%s encoders=%s", name, head.encoder, ",".join(columns))
            else:
                usable[name] = head.on_encoder(self.extractor.encoder) if isinstance(head, Detection) else head
        prompted_masks = heads.prompted_masks
        if prompted_masks is not None and prompted_masks.encoder != self.base_masks.encoder:
            log.warning("event=masks_not_used trained_on=%s encoder=%s", prompted_masks.encoder, self.base_masks.encoder)
            prompted_masks = None
        return replace(heads, by_control=usable, prompted_masks=prompted_masks)


def read_config(label_config: str) -> LabelConfig:
    """Parse a labelling config; an invalid one gives an empty config, since `/setup` has reported its error."""
    try:
        return parse(label_config)
    except LabelConfigError:
        return LabelConfig()
