"""Annotators built of a version's heads and what is shipped; the live one of each project, kept while it is in use."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from cachetools import LRUCache

from backend.heads.classification.morphology import Morphology
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.errors import HeadError
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import Segmenter, open_segmenter
from backend.heads.segmentation.window_features import Sights
from backend.images.store import Gallery, Picture
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.embeddings import Embeddings
from backend.lvm.feature_maps import Pyramids
from backend.prediction.features import Observer
from backend.prediction.predictor import Annotator
from backend.prediction.project_heads import ProjectHeads
from backend.registry.damage import stand_ins, version_damage
from backend.registry.records import Project, config_hash
from backend.registry.store import Registry
from sync.files.cache import Cache
from sync.labelling.config import LabelConfig, LabelConfigError, parse

__all__ = ["BASE_DETECTOR", "BASE_MORPHOLOGY", "SHIPPED_VERSION", "AnnotatorBuilder", "Annotators", "read_config"]

log = logging.getLogger("galaxyloop.annotators")

BASE_DETECTOR = Path(__file__).parent / "heads" / "weights" / "detector"
BASE_MORPHOLOGY = Path(__file__).parent / "heads" / "weights" / "morphology"
SHIPPED_VERSION = "galaxyloop-base"
"""Name that predictions of the shipped heads carry outside of any project."""
KEPT = 8
"""Annotators kept in memory: a head is small, and projects that are worked on at the same time are few."""


class AnnotatorBuilder:
    """Builds annotators over one encoder; what is shipped is loaded when it is first needed.

    Parameters
    ----------
    maps : Cache or None
        Keeps feature maps, which are large: apart from what is in `cache`, so that they drive nothing else out.
    sam_checkpoint : Path, optional
        An official SAM checkpoint in the place of the shipped segmenter.
    """

    def __init__(self, gallery: Gallery, cache: Cache, maps: Cache | None, *, sam_checkpoint: Path | None = None) -> None:
        self._gallery = gallery
        self._cache = cache
        self._maps = maps
        self._sam_checkpoint = sam_checkpoint

    @cached_property
    def _opened(self) -> tuple[Observer, Segmenter]:
        return _open_observer(self._gallery, self._cache, maps=self._maps, sam_checkpoint=self._sam_checkpoint)

    @property
    def observer(self) -> Observer:
        """What looks at images for all projects; loading the encoder takes a second."""
        return self._opened[0]

    def open(self, reference: str) -> Picture:
        """Open one picture; it needs no encoder.

        Raises
        ------
        ImageError
            If it may not be fetched or leads nowhere.
        """
        return self._gallery.open(reference)

    @property
    def base_masks(self) -> PromptedMasks:
        """The head that every project's masks begin as."""
        return self._opened[1].base

    @cached_property
    def base_morphology(self) -> Morphology:
        """The shipped classifier of the common Galaxy Zoo classes."""
        return Morphology.load(BASE_MORPHOLOGY)

    @cached_property
    def base_detector(self) -> LearnedDetector | None:
        """The shipped detector, if there is one for the encoder in use."""
        return _shipped_detector(self.observer.encoder)

    def build(self, config: LabelConfig, heads: ProjectHeads, *, version: str) -> Annotator:
        """Make an annotator of given heads."""
        return Annotator(
            config,
            self.usable(heads),
            observer=self.observer,
            base=self.base_morphology,
            masks=self.base_masks,
            detector=self.base_detector,
            version=version,
        )

    def usable(self, heads: ProjectHeads) -> ProjectHeads:
        """The heads that the encoder in use can serve: without what was trained on another one."""
        usable = {
            name: head.on_encoder(self.observer.encoder) if isinstance(head, Detection) else head
            for name, head in heads.filling.items()
        }
        prompted = heads.prompted
        if prompted is not None and prompted.encoder != self.base_masks.encoder:
            log.warning("event=masks_left_aside trained_on=%s encoder=%s", prompted.encoder, self.base_masks.encoder)
            prompted = None
        return replace(heads, filling=usable, prompted=prompted)


class Annotators(AnnotatorBuilder):
    """The live annotator of each project.

    Parameters
    ----------
    registry : Registry
        Says which version is live.
    gallery, cache, maps, sam_checkpoint
        As for `AnnotatorBuilder`.
    """

    def __init__(
        self, registry: Registry, gallery: Gallery, cache: Cache, maps: Cache, *, sam_checkpoint: Path | None = None
    ) -> None:
        super().__init__(gallery, cache, maps, sam_checkpoint=sam_checkpoint)
        self._registry = registry
        self._kept: LRUCache[tuple[int, str, str], Annotator] = LRUCache(KEPT)
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Load what the first prediction would wait for."""
        with self._lock:
            _ = (self.observer, self.base_morphology, self.base_detector)

    def heads_of(self, project_id: int, number: int, config: LabelConfig) -> ProjectHeads:
        """The heads of a version, those that it takes from other versions among them.

        Raises
        ------
        HeadError
            If its files are damaged.
        """
        registry = self._registry
        if reason := version_damage(registry, project_id, number):
            raise HeadError(reason)
        taken = registry.taken_heads(project_id, number)
        return ProjectHeads.load(registry.path(project_id, number), config, taken=taken)

    def of(self, project: Project, *, label_config: str) -> Annotator:
        """The annotator of a project's live version under a labelling config.

        Where the version's files are damaged, it is that of the last good one, and has its name.
        """
        # By name, which a project that was forgotten and attached again does not use twice.
        key = (project.id, project.live_name, config_hash(label_config))
        with self._lock:
            annotator = self._kept.get(key)
            if annotator is None:
                config = read_config(label_config)
                heads, name = self._good_heads(project, config, label_config=label_config)
                annotator = self.build(config, heads, version=name)
                self._kept[key] = annotator
            return annotator

    def _good_heads(self, project: Project, config: LabelConfig, *, label_config: str) -> tuple[ProjectHeads, str]:
        """The heads of the live version or, where its files are damaged, of the last good one; and its name."""
        earlier = ((one.number, one.name) for one in stand_ins(self._registry, project.id, label_config=label_config))
        for number, name in ((project.live_version, project.live_name), *earlier):
            try:
                return self.heads_of(project.id, number, config), name
            except HeadError as error:
                log.error("event=version_damaged project=%d version=%s reason=%r", project.id, name, str(error))
        raise AssertionError("a base version has no files")


def _open_observer(
    gallery: Gallery, cache: Cache, *, maps: Cache | None, sam_checkpoint: Path | None
) -> tuple[Observer, Segmenter]:
    """The observer that looks with the shipped encoder, and the segmenter; without `maps` no feature maps are kept.

    Raises
    ------
    CheckpointError
        If the SAM checkpoint cannot be used.
    """
    name, encoder = fingerprint(SHIPPED_CHECKPOINT), load_encoder(SHIPPED_CHECKPOINT)
    segmenter = open_segmenter(encoder, fingerprint=name, sam_checkpoint=sam_checkpoint)
    observer = Observer(
        gallery,
        Embeddings(encoder, cache, fingerprint=name),
        Pyramids(encoder, maps, fingerprint=name),
        Sights(segmenter.windows, maps),
        cache,
    )
    return observer, segmenter


def _shipped_detector(encoder: str) -> LearnedDetector | None:
    """The shipped detector; None where there is none for this encoder, and source extraction is all there is.

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
    log.warning("event=base_detector_left_aside trained_on=%s encoder=%s", detector.encoder, encoder)
    return None


def read_config(label_config: str) -> LabelConfig:
    """Parse a labelling config; one that cannot be read has nothing to fill, and `/setup` has said so."""
    try:
        return parse(label_config)
    except LabelConfigError:
        return LabelConfig()
