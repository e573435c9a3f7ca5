"""Feature extractor: it computes the features of images once; an unreadable image does not affect the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import ExtractionSettings
from backend.prediction.features import FeatureExtractor
from backend.prediction.image_features import ImageFeatures
from backend.services import Services
from sync.errors.images import ImageError

EXTRACTION = ExtractionSettings()


@pytest.fixture
def extractor(predicting: Services) -> FeatureExtractor:
    return predicting.predictors.extractor


def upload(files: Any, name: str, content: bytes) -> str:
    return str(files.put(f"/data/upload/9/{name}", content))


def test_each_reference_gives_features_in_order(extractor: FeatureExtractor, files: Any, png: Callable[..., bytes]) -> None:
    references = [upload(files, f"order-{width}.png", png(size=(width, 50), spots=())) for width in (60, 40, 80)]
    outcomes = extractor.extract_features(references, embed=False, extractions=[EXTRACTION])
    assert [features.size for features in outcomes if isinstance(features, ImageFeatures)] == [(60, 50), (40, 50), (80, 50)]


def test_only_requested_features_are_extracted(extractor: FeatureExtractor, files: Any, png: Callable[..., bytes]) -> None:
    reference = upload(files, "little.png", png())
    (plain,) = extractor.extract_features([reference], embed=False)
    (features,) = extractor.extract_features([reference], embed=True)
    assert isinstance(plain, ImageFeatures)
    assert isinstance(features, ImageFeatures)
    assert (plain.embedding, plain.size, dict(plain.sources)) == (None, None, {})
    assert features.embedding is not None
    assert np.isfinite(features.embedding).all()


def test_sources_have_the_positions_of_the_galaxies(extractor: FeatureExtractor, files: Any, png: Callable[..., bytes]) -> None:
    reference = upload(files, "two.png", png(spots=((150, 50, 6), (60, 40, 5))))
    (features,) = extractor.extract_features([reference], embed=False, extractions=[EXTRACTION])
    assert isinstance(features, ImageFeatures)
    centres = sorted((source.ellipse.x, source.ellipse.y) for source in features.sources[EXTRACTION])
    assert np.array(centres) == pytest.approx(np.array([(60, 40), (150, 50)]), abs=1.5)


def test_repeated_extraction_reads_the_cache_and_no_pixels(
    open_services: Callable[..., Services], files: Any, png: Callable[..., bytes]
) -> None:
    extractor = open_services().predictors.extractor
    reference = upload(files, "once.png", png(seed=5))
    (first,) = extractor.extract_features([reference], embed=True, extractions=[EXTRACTION])
    files.put(reference, b"not an image any more")
    (second,) = open_services().predictors.extractor.extract_features([reference], embed=True, extractions=[EXTRACTION])
    assert isinstance(first, ImageFeatures)
    assert isinstance(second, ImageFeatures)
    assert first.embedding is not None
    assert second.embedding is not None
    assert np.array_equal(first.embedding, second.embedding)
    assert [source.box for source in first.sources[EXTRACTION]] == [source.box for source in second.sources[EXTRACTION]]
    assert "pixels" not in vars(second.image)


def test_an_unreadable_image_gives_an_error_and_does_not_affect_others(
    extractor: FeatureExtractor, files: Any, png: Callable[..., bytes]
) -> None:
    broken_references = [
        upload(files, "text.png", b"not an image"),
        upload(files, "cut.png", png()[:500]),
        "/data/upload/9/missing.png",
        "file:///etc/passwd",
    ]
    good_references = [upload(files, f"good-{seed}.png", png(seed=seed)) for seed in (1, 2)]
    outcomes = extractor.extract_features([good_references[0], *broken_references, good_references[1]], embed=True)
    assert [isinstance(outcome, ImageFeatures) for outcome in outcomes] == [True, False, False, False, False, True]
    assert all(isinstance(outcome, ImageError) for outcome in outcomes[1:5])


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (300, 2)])
def test_a_tiny_image_has_finite_features(
    extractor: FeatureExtractor, files: Any, png: Callable[..., bytes], size: tuple[int, int]
) -> None:
    reference = upload(files, f"tiny-{size[0]}-{size[1]}.png", png(size=size, spots=()))
    (features,) = extractor.extract_features([reference], embed=True, extractions=[EXTRACTION])
    assert isinstance(features, ImageFeatures)
    assert features.embedding is not None
    assert np.isfinite(features.embedding).all()


def test_a_feature_pyramid_has_the_size_of_the_image(
    extractor: FeatureExtractor, files: Any, png: Callable[..., bytes]
) -> None:
    reference = upload(files, "pyramid.png", png(size=(70, 40), spots=()))
    (features,) = extractor.extract_features([reference], embed=False, pyramid=True)
    assert isinstance(features, ImageFeatures)
    assert features.pyramid is not None
    assert features.size == features.pyramid.size == (70, 40)
    assert features.pyramid.fingerprint == extractor.encoder


def test_no_references_give_no_features(extractor: FeatureExtractor) -> None:
    assert extractor.extract_features([], embed=True, extractions=[EXTRACTION]) == []


def test_sizes_are_read_in_order_and_cached(extractor: FeatureExtractor, files: Any, png: Callable[..., bytes]) -> None:
    references = [str(files.put(f"/data/local-files/?d=sized-{side}.png", png(size=(side, 50), spots=()))) for side in (60, 40)]
    assert extractor.sizes([*references, "/data/local-files/?d=none.png"]) == [(60, 50), (40, 50), None]
    for reference in references:
        files.put(reference, b"not an image any more")
    assert extractor.sizes(references) == [(60, 50), (40, 50)]


@pytest.mark.slow
def test_large_images_are_decoded_one_at_a_time_and_freed(
    extractor: FeatureExtractor, files: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoding four at the same time would need four times the memory, and keeping two hundred would fill the memory."""
    monkeypatch.setattr("backend.images.store.LARGE_PIXELS", 10_000)
    references = [upload(files, f"large-{number}.png", png(seed=900 + number)) for number in range(6)]
    at_once, most, lock = 0, 0, threading.Lock()

    def watch(pixels: Any, **settings: Any) -> Any:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            time.sleep(0.05)
            return extract(pixels, **settings)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr("backend.prediction.features.extract", watch)
    features_of_images = extractor.extract_features(references, embed=True, extractions=[EXTRACTION])
    assert most == 1
    for features in features_of_images:
        assert isinstance(features, ImageFeatures)
        assert features.embedding is not None
        assert "pixels" not in vars(features.image)
