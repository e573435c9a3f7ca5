"""Factories of the caches and of the image store, from the settings."""

from __future__ import annotations

from collections.abc import Callable

from backend.images.store import ImageStore
from backend.settings import Settings
from sync.files.cache import Cache, FileCache
from sync.images.fetch import CONNECTIONS, Fetcher, FetchLimits

__all__ = ["open_caches", "open_fetcher", "open_image_store"]


def open_caches(settings: Settings) -> tuple[FileCache, FileCache]:
    """Open the cache of images, embeddings and sources, and the cache of feature maps."""
    # Feature maps are large: with a separate half of the space, they do not evict images.
    half = settings.cache_max_bytes // 2
    return FileCache(settings.cache_dir, max_bytes=half), FileCache(settings.data_dir / "maps", max_bytes=half)


def open_fetcher(settings: Settings, authorization: Callable[[], str], *, connections: int = CONNECTIONS) -> Fetcher:
    """Return the fetcher of the images that tasks and tables refer to.

    Parameters
    ----------
    settings : Settings
    authorization : callable
        Returns the current value of the Authorization header for Label Studio.
    connections : int
        Number of concurrent requests.
    """
    return Fetcher(
        label_studio_url=settings.label_studio_url,
        public_url=settings.label_studio_public_url or None,
        authorization=authorization,
        allowed_hosts=settings.allowed_hosts,
        limits=FetchLimits(settings.image_max_bytes, settings.image_timeout_s, connections),
    )


def open_image_store(settings: Settings, cache: Cache, *, authorization: Callable[[], str]) -> ImageStore:
    """Open the store of the images of tasks.

    Parameters
    ----------
    settings : Settings
    cache : Cache
        Stores uploaded files.
    authorization : callable
        As for `open_fetcher`.
    """
    fetcher = open_fetcher(settings, authorization)
    return ImageStore(fetcher, cache, source=settings.label_studio_url, max_pixels=settings.image_max_pixels)
