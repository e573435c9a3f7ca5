"""Thumbnails: small JPEG files of the images of tasks."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable
from functools import partial

import numpy as np
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
    """Makes thumbnails, and keeps the last ones in memory.

    Parameters
    ----------
    open_image : callable
        Opens an image by its reference.
    """

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def make(self, open_image: Callable[[str], StoredImage], reference: str, *, task: int, caption: str) -> Thumbnail:
        """Make the thumbnail of a task's image; its JPEG is empty if the image cannot be read."""
        jpeg = attempt(partial(self._jpeg, open_image, reference))
        if isinstance(jpeg, ImageError):
            log.info("event=image_not_read task=%d reason=%r", task, str(jpeg))
            jpeg = ""
        return Thumbnail(task=task, jpeg=jpeg, caption=caption)

    def _jpeg(self, open_image: Callable[[str], StoredImage], reference: str) -> str:
        image = open_image(reference)
        jpeg = self._kept.pop(image.key, None) or _encode(image)
        self._kept[image.key] = jpeg  # the last one to be forgotten
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return jpeg


def _encode(image: StoredImage) -> str:
    small = Image.fromarray((image.pixels * 255).round().astype(np.uint8))
    small.thumbnail((SIDE_PX, SIDE_PX))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY)
    return base64.b64encode(content.getvalue()).decode("ascii")
