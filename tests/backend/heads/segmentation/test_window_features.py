from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from backend.heads.segmentation.lvm_window_encoder import LvmWindows, SkyLevel
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.heads.segmentation.windows import nearest_window
from backend.images.store import StoredImage
from backend.lvm.encoder import Encoder
from sync.errors.images import ImageError
from sync.files.cache import FileCache, key_of


def stored_image_of(pixels: NDArray[np.float32]) -> StoredImage:
    content = io.BytesIO()
    Image.fromarray((pixels * 255).astype(np.uint8)).save(content, "PNG")
    return StoredImage(key_of(content.getvalue()), content.getvalue, pixels.size)


def test_cached_window_features_need_no_pixels(windows: LvmWindows, tmp_path: Path) -> None:
    image = stored_image_of(np.random.default_rng(0).random((120, 200, 3), np.float32))
    window = nearest_window(200, (100, 60), (200, 120), shown_px=windows.shown_px)
    first = CachedWindowEncoder(windows, FileCache(tmp_path, max_bytes=2**26)).of(image, (200, 120)).encode(window)

    def raise_missing() -> bytes:
        raise ImageError("gone")

    elsewhere = CachedWindowEncoder(windows, FileCache(tmp_path, max_bytes=2**26)).of(
        StoredImage(image.key, raise_missing, 1), (200, 120)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, elsewhere.encode(window), strict=True))


def test_another_image_window_or_encoder_is_encoded_again(encoder: Encoder, windows: LvmWindows, tmp_path: Path) -> None:
    def raise_missing() -> bytes:
        raise ImageError("gone")

    cache = FileCache(tmp_path, max_bytes=2**26)
    image = stored_image_of(np.random.default_rng(0).random((120, 200, 3), np.float32))
    whole_window, part = (nearest_window(side, (0, 0), (200, 120), shown_px=windows.shown_px) for side in (200, 100))
    CachedWindowEncoder(windows, cache).of(image, (200, 120)).encode(whole_window)
    for window_encoder, key, window in (
        (CachedWindowEncoder(windows, cache), "another", whole_window),
        (CachedWindowEncoder(windows, cache), image.key, part),
        (CachedWindowEncoder(LvmWindows(encoder, fingerprint="another"), cache), image.key, whole_window),
    ):
        with pytest.raises(ImageError):
            window_encoder.of(StoredImage(key, raise_missing, 1), (200, 120)).encode(window)


def test_window_features_have_the_shapes_of_the_decoder(windows: LvmWindows) -> None:
    windowed_image = CachedWindowEncoder(windows, None).of_pixels(np.zeros((50, 300, 3), np.float32))
    *levels, light = windowed_image.encode(nearest_window(300, (150, 25), (300, 50), shown_px=windows.shown_px))
    config = windows.config
    assert tuple(level.shape[1] for level in levels) == config.channels
    assert levels[0].shape[-2:] == (config.cells, config.cells)
    assert light.shape == (1, config.light, config.points, config.points)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_the_sky_is_measured_beside_a_galaxy_that_fills_half_the_image(share: float) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(0.1, 0.02, (200, 200, 3)).astype(np.float32).mean(axis=2, keepdims=True).repeat(3, axis=2)
    pixels[: int(200 * share)] += 0.5
    sky = SkyLevel.of(pixels)
    assert sky.level == pytest.approx(0.1, abs=0.02)
    assert sky.noise == pytest.approx(0.02 / np.sqrt(3), rel=0.5)


def test_a_black_sky_has_the_noise_of_a_grey_level() -> None:
    assert SkyLevel.of(np.zeros((20, 20, 3), np.float32)) == SkyLevel(0.0, 1 / 255)
