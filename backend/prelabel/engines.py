"""The engines of pre-labelling: this process, or the workers of a Ray cluster. Both compute the same predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from backend.cluster.ray_cluster import open_cluster
from backend.cluster.version_bundle import VersionBundle, bundle_version
from backend.images.open import open_caches, open_image_store
from backend.prediction.bulk import Engine, Pairs, make_engine
from backend.prediction.factory import PredictorFactory
from backend.prediction.predictor import CHUNK, PredictionTask
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.client import LabelStudioClient

__all__ = ["EngineFactory", "TaskWorker", "local_engine", "ray_engine"]

EngineFactory = Callable[[Services, Project], AbstractContextManager[Engine]]
"""Opens an engine for a project's live version."""


@contextmanager
def local_engine(services: Services, project: Project) -> Iterator[Engine]:
    """Predict in this process."""
    yield make_engine(services.predictors.of(project, label_config=project.label_config))


def ray_engine(address: str | None) -> EngineFactory:
    """Return a factory for an engine on the Ray cluster at `address`; None starts a cluster on this machine."""

    @contextmanager
    def open_engine(services: Services, project: Project) -> Iterator[Engine]:
        bundle = bundle_version(
            services.registry.path(project.id, project.live_version),
            name=project.live_name,
            label_config=project.label_config,
            settings=services.settings,
            head_folders=services.registry.find_taken_heads(project.id, project.live_version),
        )
        with open_cluster(address) as cluster:

            def predict(tasks: Sequence[PredictionTask]) -> Iterator[Pairs]:
                batches = (tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK))
                yield from cluster.map(TaskWorker, bundle, batches)

            yield predict

    return open_engine


class TaskWorker:
    """Predicts tasks in a process of the cluster; it downloads the images into the cache of its settings.

    Parameters
    ----------
    bundle : VersionBundle
        The version that predicts.
    """

    def __init__(self, bundle: VersionBundle) -> None:
        settings = bundle.settings
        client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
        cache, maps = open_caches(settings)
        image_store = open_image_store(settings, cache, authorization=client.authorization)
        factory = PredictorFactory(image_store, cache, maps, sam_checkpoint=settings.sam_checkpoint, data_dir=settings.data_dir)
        self._predictor = bundle.predictor(factory)

    def work(self, job: Sequence[PredictionTask]) -> Pairs:
        """Predict a batch of tasks."""
        return list(zip(job, self._predictor.predict(job), strict=True))
