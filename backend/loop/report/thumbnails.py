"""Thumbnails: small JPEG files of the images of tasks."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable
from functools import partial

import numpy as np
from cachetools import LRUCache
from PIL import Image

from backend.images.store import StoredImage
from backend.reports.report import Thumbnail
from sync.errors.failures import attempt
from sync.errors.images import ImageError

__all__ = ["ThumbnailMaker"]

log = logging.getLogger("galaxyloop.report")

SIDE_PX = 96
QUALITY = 80
MOST_KEPT = 500


class ThumbnailMaker:
    """Makes thumbnails, and keeps the `MOST_KEPT` last ones in memory."""

    def __init__(self) -> None:
        self._jpegs: LRUCache[str, str] = LRUCache(MOST_KEPT)

    def make(self, open_image: Callable[[str], StoredImage], reference: str, *, task: int, caption: str) -> Thumbnail:
        """Make the thumbnail of a task's image.

        Parameters
        ----------
        open_image : callable
            Opens an image by its reference.
        reference : str
        task : int
        caption : str

        Returns
        -------
        Thumbnail
            Its JPEG is empty if the image cannot be read.
        """
        jpeg = attempt(partial(self._jpeg, open_image, reference))
        if isinstance(jpeg, ImageError):
            log.info("event=image_not_read task=%d reason=%r", task, str(jpeg))
            jpeg = ""
        return Thumbnail(task=task, jpeg=jpeg, caption=caption)

    def _jpeg(self, open_image: Callable[[str], StoredImage], reference: str) -> str:
        image = open_image(reference)
        jpeg: str | None = self._jpegs.get(image.key)
        if jpeg is None:
            jpeg = self._jpegs[image.key] = _encode(image)
        return jpeg


def _encode(image: StoredImage) -> str:
    small = Image.fromarray((image.pixels * 255).round().astype(np.uint8))
    small.thumbnail((SIDE_PX, SIDE_PX))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY)
    return base64.b64encode(content.getvalue()).decode("ascii")
