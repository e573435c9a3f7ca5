"""Caches of the segmenter: a window is encoded once, and the object under a first click is decoded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.segmentation.decoding import decode
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Point

Sky = Callable[..., NDArray[np.float32]]
FIRST, SECOND, ELSEWHERE = (Point(60, 60), True), (Point(68, 60), True), (Point(58, 62), True)
OBJECT = [(60.0, 60.0, 10.0, 8.0, 0.0, 0.7)]


def predict(head: PromptedMasks, image: WindowedImage, **prompts: Any) -> Any:
    return head.predict(image, Prompt.of(image.size, **prompts))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list with one entry per computed image embedding."""
    calls, embed = [], SegmenterNetwork.embed

    def count_call(network: SegmenterNetwork, window_features: object) -> object:
        calls.append(1)
        return embed(network, window_features)  # type: ignore[arg-type]

    monkeypatch.setattr(SegmenterNetwork, "embed", count_call)
    return calls


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list with one entry per pass of the decoder."""
    calls: list[int] = []

    def count_call(*arguments: object) -> object:
        calls.append(1)
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("backend.heads.segmentation.prompting.decode", count_call)
    return calls


def windowed_image_of(image: NDArray[np.float32], windows: LvmWindows, *, key: str | None) -> WindowedImage:
    size = image.shape[1], image.shape[0]
    return WindowedImage(CachedWindowEncoder(windows, None), size, pixels=lambda: image, key=key)


def test_a_window_of_an_image_is_read_once(blank: PromptedMasks, windows: LvmWindows, sky: Sky, passes: list[int]) -> None:
    windowed_image = windowed_image_of(sky((120, 120), OBJECT), windows, key="image")
    predict(blank, windowed_image, points=[FIRST])
    once = len(passes)
    predict(blank, windowed_image, points=[ELSEWHERE])  # its mask is not cached, and it needs the same windows
    assert (once > 0, len(passes)) == (True, once)


def test_a_second_click_needs_one_decoder_pass(
    blank: PromptedMasks, windows: LvmWindows, sky: Sky, decodings: list[int]
) -> None:
    windowed_image = windowed_image_of(sky((120, 120), OBJECT), windows, key="image")
    predict(blank, windowed_image, points=[FIRST])
    before = len(decodings)
    predict(blank, windowed_image, points=[FIRST, SECOND])
    assert len(decodings) == before + 1


def test_cached_masks_change_no_answer(blank: PromptedMasks, windows: LvmWindows, sky: Sky) -> None:
    image = sky((120, 120), OBJECT)
    cached_image, new_image = windowed_image_of(image, windows, key="image"), windowed_image_of(image, windows, key=None)
    predict(blank, cached_image, points=[FIRST])
    first, second = predict(blank, cached_image, points=[FIRST, SECOND]), predict(blank, new_image, points=[FIRST, SECOND])
    assert first is not None
    assert second is not None
    assert first[1] == second[1]
    np.testing.assert_array_equal(first[0], second[0])


def test_another_image_gets_its_own_answer(blank: PromptedMasks, windows: LvmWindows, sky: Sky) -> None:
    galaxy = windowed_image_of(sky((120, 120), OBJECT), windows, key="image")
    empty_image = windowed_image_of(sky((120, 120), []), windows, key="another")
    assert predict(blank, galaxy, points=[FIRST]) is not None
    assert predict(blank, empty_image, points=[FIRST]) is None


def test_a_window_without_a_key_is_read_each_time(
    blank: PromptedMasks, windows: LvmWindows, sky: Sky, passes: list[int]
) -> None:
    windowed_image = windowed_image_of(sky((120, 120), OBJECT), windows, key=None)
    reader = WindowReader(blank.network)
    window = Tile(0, 0, 120, 120, windows.shown_px / 120)
    reader.read(windowed_image, window)
    reader.read(windowed_image, window)
    assert len(passes) == 2
