"""Opens the caches and the store of images that the settings describe."""

from __future__ import annotations

from collections.abc import Callable

from backend.images.store import ImageStore
from backend.settings import Settings
from sync.files.cache import Cache, FileCache
from sync.images.fetch import Fetcher, FetchLimits

__all__ = ["open_caches", "open_image_store"]


def open_caches(settings: Settings) -> tuple[FileCache, FileCache]:
    """The cache of images, embeddings and sources, and that of feature maps."""
    # Feature maps are large: with a half of their own, they drive no picture out.
    half = settings.cache_max_bytes // 2
    return FileCache(settings.cache_dir, max_bytes=half), FileCache(settings.data_dir / "maps", max_bytes=half)


def open_image_store(settings: Settings, cache: Cache, *, authorization: Callable[[], str]) -> ImageStore:
    """The images that tasks refer to.

    Parameters
    ----------
    cache : Cache
        Keeps uploaded files.
    authorization : callable
        Gives the value of the Authorization header that Label Studio accepts now.
    """
    fetcher = Fetcher(
        label_studio_url=settings.label_studio_url,
        public_url=settings.label_studio_public_url or None,
        authorization=authorization,
        allowed_hosts=settings.allowed_hosts,
        limits=FetchLimits(max_bytes=settings.image_max_bytes, timeout_s=settings.image_timeout_s),
    )
    return ImageStore(fetcher, cache, source=settings.label_studio_url, max_pixels=settings.image_max_pixels)
