"""The live annotator of each project, built once a version and kept while it is in use."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property
from pathlib import Path

from backend.annotator import Annotator
from backend.cache import FileCache
from backend.gallery import Gallery
from backend.heads.morphology import Morphology
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.embeddings import Embeddings
from backend.observer import Observer
from backend.project_heads import ProjectHeads
from backend.records import Project, config_hash, version_name
from backend.registry import Registry
from sync.labelconfig import LabelConfig, LabelConfigError, parse

__all__ = ["BASE_MORPHOLOGY", "Annotators", "read_config"]

BASE_MORPHOLOGY = Path(__file__).parent / "heads" / "weights" / "morphology"
KEPT = 8
"""Annotators kept in memory: a head is small, and projects that are worked on at the same time are few."""


class Annotators:
    """Builds annotators over one encoder.

    Parameters
    ----------
    registry : Registry
        Says which version is live.
    """

    def __init__(self, registry: Registry, gallery: Gallery, cache: FileCache) -> None:
        self._registry = registry
        self._gallery = gallery
        self._cache = cache
        self._kept: OrderedDict[tuple[int, int, str], Annotator] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def observer(self) -> Observer:
        """What looks at images for all projects; loading the encoder takes a second."""
        name = fingerprint(SHIPPED_CHECKPOINT)
        embeddings = Embeddings(load_encoder(SHIPPED_CHECKPOINT), self._cache, fingerprint=name)
        return Observer(self._gallery, embeddings, self._cache)

    @cached_property
    def base_morphology(self) -> Morphology:
        """The shipped classifier of the common Galaxy Zoo classes."""
        return Morphology.load(BASE_MORPHOLOGY)

    def warm_up(self) -> None:
        """Load what the first prediction would wait for."""
        with self._lock:
            _ = (self.observer, self.base_morphology)

    def of(self, project: Project, *, label_config: str) -> Annotator:
        """The annotator of a project's live version under a labelling config."""
        key = (project.id, project.live_version, config_hash(label_config))
        with self._lock:
            annotator = self._kept.get(key)
            if annotator is None:
                config = read_config(label_config)
                heads = ProjectHeads.load(self._registry.path(project.id, project.live_version), config)
                annotator = self.build(config, heads, version=version_name(project.live_version))
                self._kept[key] = annotator
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return annotator

    def build(self, config: LabelConfig, heads: ProjectHeads, *, version: str) -> Annotator:
        """Make an annotator of given heads."""
        return Annotator(config, heads, observer=self.observer, base=self.base_morphology, version=version)


def read_config(label_config: str) -> LabelConfig:
    """Parse a labelling config; one that cannot be read has nothing to fill, and `/setup` has said so."""
    try:
        return parse(label_config)
    except LabelConfigError:
        return LabelConfig()
