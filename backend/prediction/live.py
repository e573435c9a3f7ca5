"""The predictor of each project's live version, kept in memory while it is in use."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from backend.heads.errors import HeadError
from backend.images.store import ImageStore
from backend.lvm.encoder_store import EncoderStore
from backend.prediction.control_models import model_class
from backend.prediction.factory import PredictorFactory, read_config
from backend.prediction.predictor import Predictor
from backend.prediction.project_heads import ProjectHeads, controls_to_predict
from backend.registry.damage import find_version_damage, list_replacements
from backend.registry.records import Project, config_hash
from backend.registry.store import Registry
from sync.files.cache import Cache
from sync.labelling.config import LabelConfig

__all__ = ["LivePredictors"]

log = logging.getLogger("galaxyloop.predictors")

MOST_PREDICTORS = 8
"""Number of projects whose predictor is in memory; one predictor has up to 60 MB of decoder inputs of recent clicks."""


class LivePredictors(PredictorFactory):
    """Creates and caches the predictor of each project's live version.

    Parameters
    ----------
    registry : Registry
        States which version is live, and where its files are.
    image_store, cache, maps, encoders, sam_checkpoint, data_dir
        As for `PredictorFactory`.
    """

    def __init__(
        self,
        registry: Registry,
        image_store: ImageStore,
        cache: Cache,
        maps: Cache,
        *,
        encoders: EncoderStore,
        sam_checkpoint: Path | None = None,
        data_dir: Path | None = None,
    ) -> None:
        super().__init__(image_store, cache, maps, encoders=encoders, sam_checkpoint=sam_checkpoint, data_dir=data_dir)
        self._registry = registry
        self._images = image_store
        self._predictors: LRUCache[tuple[int, str], tuple[str, Predictor]] = LRUCache(MOST_PREDICTORS)
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Load the encoder and the shipped heads before the first prediction."""
        with self._lock:
            _ = (self.extractor, self.base, self.base_detector)

    def cached_embedding(self, reference: str) -> NDArray[np.float32] | None:
        """Return the embedding of an image, shape (d,), from the cache; None if it is not cached. No image is opened."""
        key = self._images.known_key(reference)
        return None if key is None else self.extractor.cached_embedding(key, reference)

    def heads_of(self, project_id: int, number: int, config: LabelConfig) -> ProjectHeads:
        """Read the heads of a version, including those that it takes from other versions.

        Parameters
        ----------
        project_id : int
        number : int
            Number of the version.
        config : LabelConfig

        Raises
        ------
        HeadError
            If a file of these heads is damaged.
        """
        registry = self._registry
        if reason := find_version_damage(registry, project_id, number):
            raise HeadError(reason)
        head_folders = registry.find_taken_heads(project_id, number)
        return ProjectHeads.load(registry.path(project_id, number), config, head_folders=head_folders)

    def of(self, project: Project, *, label_config: str) -> Predictor:
        """Return the predictor of a project's live version.

        If the version's files are damaged, the last undamaged version is used, and the predictions state its name.

        Parameters
        ----------
        project : Project
        label_config : str
            The labelling config to predict for.
        """
        key = (project.id, config_hash(label_config))
        with self._lock:
            # The version's name, not its number: a project that is attached again reuses numbers, but not names.
            live_name, predictor = self._predictors.get(key, ("", None))
            if predictor is None or live_name != project.live_name:
                config = read_config(label_config)
                heads, name = self.current_heads(project, label_config=label_config)
                predictor = self.on(*heads.encoders).build(config, heads, version=name)
                self._predictors[key] = project.live_name, predictor
            return predictor

    def data_keys(self, project: Project) -> frozenset[str]:
        """Return the keys of a task's data that predictions of a project's live version are computed from."""
        config = read_config(project.label_config)
        if any(model_class(control).trains_on for control in controls_to_predict(config)):
            return self.of(project, label_config=project.label_config).data_keys
        return frozenset(config.image_key.values())  # known without the heads, which take time to load

    def current_heads(self, project: Project, *, label_config: str) -> tuple[ProjectHeads, str]:
        """Return the heads and the name of the live version or, if its files are damaged, of the last undamaged one."""
        config = read_config(label_config)
        versions = list_replacements(self._registry, project.id, label_config=label_config)
        earlier = ((version.number, version.name) for version in versions)
        for number, name in ((project.live_version, project.live_name), *earlier):
            try:
                return self.heads_of(project.id, number, config), name
            except HeadError as error:
                log.error("event=version_damaged project=%d version=%s reason=%r", project.id, name, str(error))
        raise AssertionError("a base version has no files")
