"""Cached outlines: a network decodes each box of an image once, for all processes together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.heads.segmentation import prompting
from backend.heads.segmentation.decoding import Candidates, WindowPrompts, decode
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from sync.errors.images import ImageError
from sync.files.cache import FileCache
from sync.geometry.shapes import Box

Sky = Callable[..., NDArray[np.float32]]
SIZE = (160, 120)
GALAXIES = [(60.0, 60.0, 10.0, 8.0, 0.0, 0.7), (110.0, 60.0, 7.0, 7.0, 0.0, 0.6)]
BOXES = [Box(38, 42, 44, 36), Box(94, 44, 32, 32)]
EMPTY = Box(2, 2, 9, 9)


@pytest.fixture
def decode_counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list of the numbers of boxes in each pass of the decoder."""
    counts: list[int] = []

    def count_and_decode(network: SegmenterNetwork, embedding: torch.Tensor, prompts: WindowPrompts) -> Candidates:
        assert prompts.guesses is not None
        counts.append(len(prompts.guesses))
        return decode(network, embedding, prompts)

    monkeypatch.setattr(prompting, "decode", count_and_decode)
    return counts


def windowed_image_of(
    image: NDArray[np.float32] | None, windows: LvmWindows, folder: Path | None, *, key: str | None
) -> WindowedImage:
    """Return an image's windowed image; None stands for an image that cannot be read."""

    def read() -> NDArray[np.float32]:
        if image is None:
            raise ImageError("gone")
        return image

    cache = None if folder is None else FileCache(folder, max_bytes=2**26)
    return WindowedImage(CachedWindowEncoder(windows, cache), SIZE, pixels=read, key=key)


def assert_same(masks: Sequence[WindowMask], expected: Sequence[WindowMask]) -> None:
    assert len(masks) == len(expected)
    for first, second in zip(masks, expected, strict=True):
        assert (first.window, first.quality, first.size, first.shown_px) == (
            second.window,
            second.quality,
            second.size,
            second.shown_px,
        )
        assert torch.equal(first.pixels.clamp(min=0), second.pixels.clamp(min=0))
        np.testing.assert_array_equal(first.mask(), second.mask())


def test_a_cached_outline_is_read_by_other_processes_without_the_image(
    blank: PromptedMasks, windows: LvmWindows, sky: Sky, tmp_path: Path, decode_counts: list[int]
) -> None:
    first = blank.outline(windowed_image_of(sky(SIZE, GALAXIES), windows, tmp_path / "cache", key="image"), BOXES)
    assert sum(decode_counts) == 2
    blank.save(tmp_path / "head")
    elsewhere = PromptedMasks.load(tmp_path / "head")
    assert_same(elsewhere.outline(windowed_image_of(None, windows, tmp_path / "cache", key="image"), BOXES[::-1]), first[::-1])
    assert sum(decode_counts) == 2


def test_cached_outlines_equal_decoded_ones(blank: PromptedMasks, windows: LvmWindows, sky: Sky, tmp_path: Path) -> None:
    windowed_image = windowed_image_of(sky(SIZE, GALAXIES), windows, tmp_path, key="image")
    boxes = [*BOXES, EMPTY, Box(0, 0, *SIZE)]
    edges = [(float(box.x), float(box.y), float(box.x + box.width), float(box.y + box.height)) for box in boxes]
    assert_same(
        blank.outline(windowed_image, boxes), prompting.masks_from_boxes(WindowReader(blank.network), windowed_image, edges)
    )


def test_only_boxes_without_a_cached_outline_are_decoded(
    blank: PromptedMasks, windows: LvmWindows, sky: Sky, tmp_path: Path, decode_counts: list[int]
) -> None:
    windowed_image = windowed_image_of(sky(SIZE, GALAXIES), windows, tmp_path, key="image")
    blank.outline(windowed_image, BOXES[:1])
    blank.outline(windowed_image, [*BOXES, BOXES[1]])
    assert decode_counts == [1, 1]


def test_another_network_or_image_is_decoded_again(
    blank: PromptedMasks, windows: LvmWindows, sky: Sky, tmp_path: Path, decode_counts: list[int]
) -> None:
    image = sky(SIZE, GALAXIES)
    blank.outline(windowed_image_of(image, windows, tmp_path, key="image"), BOXES)
    other = PromptedMasks.blank(windows.config, encoder=windows.fingerprint, seed=1)
    other.outline(windowed_image_of(image, windows, tmp_path, key="image"), BOXES)
    blank.outline(windowed_image_of(image, windows, tmp_path, key="another"), BOXES)
    assert sum(decode_counts) == 6


def test_without_a_key_or_a_cache_nothing_is_cached(
    blank: PromptedMasks, windows: LvmWindows, sky: Sky, tmp_path: Path, decode_counts: list[int]
) -> None:
    image = sky(SIZE, GALAXIES)
    for folder, key in ((tmp_path, None), (None, "image")):
        windowed_image = windowed_image_of(image, windows, folder, key=key)
        assert_same(blank.outline(windowed_image, BOXES), blank.outline(windowed_image, BOXES))
    assert sum(decode_counts) == 8
