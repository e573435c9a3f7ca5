"""The image store: from a reference to an image, fetched once if Label Studio never rewrites it, decoded on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.images.store import ImageStore
from backend.services import Services
from sync.errors.images import ImageError
from sync.files.cache import CHECKED, FileCache
from sync.images.fetch import Fetcher

UPLOAD = "/data/upload/7/0123abcd-galaxy.png"
LOCAL_FILE = "/data/local-files/?d=folder/galaxy.png"


@pytest.fixture
def open_image_store(services: Services, files: Any) -> Callable[..., ImageStore]:
    """Return a function that opens image stores with a common cache."""
    files.files.clear()
    files.request_paths.clear()
    cache = FileCache(services.settings.cache_dir, max_bytes=10**9)
    fetcher = Fetcher(label_studio_url=files.url, authorization=lambda: "Token t")
    return lambda max_pixels=10**6: ImageStore(fetcher, cache, source=files.url, max_pixels=max_pixels)


@pytest.fixture
def image_store(open_image_store: Callable[..., ImageStore]) -> ImageStore:
    return open_image_store()


def test_pixels_are_brightness_between_0_and_1(image_store: ImageStore, files: Any, png: Callable[..., bytes]) -> None:
    image = image_store.open(files.put(UPLOAD, png(size=(40, 30), spots=((20, 15, 3),))))
    assert image.pixels.shape == (30, 40, 3)
    assert 0 <= image.pixels.min() < 0.2 < 0.7 < image.pixels.max() <= 1


def test_an_upload_is_fetched_once_for_all_processes(
    open_image_store: Callable[..., ImageStore], files: Any, png: Callable[..., bytes]
) -> None:
    files.put(UPLOAD, png())
    first, second = open_image_store().open(UPLOAD), open_image_store().open(UPLOAD)
    assert first.key == second.key
    assert (first.pixels == second.pixels).all()
    assert files.request_paths == [UPLOAD]


def test_references_that_may_change_are_fetched_again(image_store: ImageStore, files: Any, png: Callable[..., bytes]) -> None:
    before = image_store.open(files.put(LOCAL_FILE, png(seed=1))).key
    assert image_store.open(files.put(LOCAL_FILE, png(seed=2))).key != before


def test_the_key_depends_on_the_content_and_not_on_the_name(
    image_store: ImageStore, files: Any, png: Callable[..., bytes]
) -> None:
    content = png()
    other = UPLOAD.replace("0123", "4567")
    assert image_store.open(files.put(UPLOAD, content)).key == image_store.open(files.put(other, content)).key


def test_an_image_evicted_from_the_cache_is_fetched_again(
    image_store: ImageStore, services: Services, files: Any, png: Callable[..., bytes]
) -> None:
    key = image_store.open(files.put(UPLOAD, png())).key
    (services.settings.cache_dir / key[:2] / f"{key}{CHECKED}").unlink()
    assert image_store.open(UPLOAD).pixels.shape == (100, 200, 3)
    assert files.request_paths == [UPLOAD, UPLOAD]


def test_an_image_is_decoded_at_first_use(image_store: ImageStore, files: Any) -> None:
    image = image_store.open(files.put(UPLOAD, b"this is no image"))
    with pytest.raises(ImageError):
        _ = image.pixels


def test_an_image_with_too_many_pixels_is_rejected(
    open_image_store: Callable[..., ImageStore], files: Any, png: Callable[..., bytes]
) -> None:
    files.put(UPLOAD, png(size=(40, 30), spots=()))
    with pytest.raises(ImageError, match="pixels"):
        _ = open_image_store(max_pixels=1000).open(UPLOAD).pixels


@pytest.mark.parametrize("reference", ["/data/upload/1/missing.png", "/api/projects", "http://elsewhere.org/a.png", ""])
def test_a_reference_to_a_missing_file_raises_an_error(image_store: ImageStore, reference: str) -> None:
    with pytest.raises(ImageError):
        image_store.open(reference)


@pytest.mark.parametrize("reference", [UPLOAD, LOCAL_FILE])
def test_the_key_of_an_image_that_was_fetched_is_known_without_fetching_it(
    image_store: ImageStore, files: Any, png: Callable[..., bytes], reference: str
) -> None:
    files.put(reference, png())
    assert image_store.known_key(reference) is None
    key = image_store.open(reference).key
    files.request_paths.clear()
    assert image_store.known_key(reference) == key
    assert files.request_paths == []
