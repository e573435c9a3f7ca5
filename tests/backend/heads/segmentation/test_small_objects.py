"""Small detected objects keep the outline of source extraction, if the head says so; others are drawn_mask by its network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.detection.detected import Detected
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.outlining import outline_boxes
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.extraction.extract import extract
from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.overlaps import outline_detections
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.heads.segmentation.shipped import BASE_SEGMENTER
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage, WindowFeatures
from backend.heads.training import Schedule
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.tiles import Tile

pytestmark = pytest.mark.slow

Sky = Callable[..., NDArray[np.float32]]
SHIPPED = PromptedMasks.load(BASE_SEGMENTER)
SIZE = (200, 160)
SMALL, LARGE = (30.0, 30.0, 5.0, 4.0, 0.0, 0.7), (120.0, 90.0, 30.0, 22.0, 0.0, 0.8)


class CountingWindows(LvmWindows):
    """The shipped window encoder, which counts its windows."""

    def __init__(self) -> None:
        super().__init__(load_encoder(SHIPPED_CHECKPOINT), fingerprint=fingerprint(SHIPPED_CHECKPOINT))
        self.windows: list[Tile] = []

    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        self.windows.append(window)
        return super().encode(pixels, window)


@pytest.fixture(scope="module")
def windows() -> CountingWindows:
    return CountingWindows()


def detect(image: NDArray[np.float32]) -> tuple[Detected, ...]:
    objects = Detection.base(("Galaxy",)).find(extract(image).sources, size=SIZE)
    return tuple(sorted(objects, key=lambda each: each.source.area))


def windowed_image_of(image: NDArray[np.float32], windows: CountingWindows) -> WindowedImage:
    windows.windows.clear()
    return CachedWindowEncoder(windows, None).of_pixels(image)


def test_a_small_object_keeps_its_outline_and_a_large_one_is_decoded(sky: Sky, windows: CountingWindows) -> None:
    image = sky(SIZE, [SMALL, LARGE])
    objects = detect(image)
    assert max(objects[0].source.crop.shape) < SHIPPED.decoded_from_px <= max(objects[1].source.crop.shape)
    small, large = outline_detections(objects, SHIPPED, windowed_image_of(image, windows))
    assert small is objects[0]
    assert large.source.crop.shape != objects[1].source.crop.shape or (large.source.crop != objects[1].source.crop).any()
    assert len(windows.windows) == 1


def test_small_objects_need_no_encoder(sky: Sky, windows: CountingWindows) -> None:
    image = sky(SIZE, [SMALL])
    objects = detect(image)
    assert outline_detections(objects, SHIPPED, windowed_image_of(image, windows)) == objects
    assert not windows.windows


def test_a_box_without_a_measured_outline_is_decoded(sky: Sky, windows: CountingWindows) -> None:
    image = sky(SIZE, [SMALL])
    (source,) = outline_boxes(np.array([[20.0, 20, 40, 40]]), (), size=SIZE)
    (detection,) = outline_detections([Detected(source, "Galaxy", 0.9, "")], SHIPPED, windowed_image_of(image, windows))
    assert len(windows.windows) == 1
    assert (detection.source.crop.shape) != source.crop.shape


def test_a_fine_tuned_head_decodes_every_object(sky: Sky, windows: CountingWindows) -> None:
    image = sky(SIZE, [SMALL])
    drawn_mask = np.zeros(SIZE[::-1], bool)
    drawn_mask[20:44, 16:46] = True
    schedule = Schedule(steps=1, rate=1e-4, batch=1)
    head = SHIPPED.fit([windowed_image_of(image, windows)] * 3, [[drawn_mask]] * 3, schedule=schedule)
    assert head.decoded_from_px == 0
    windowed_image = windowed_image_of(image, windows)
    outline_detections(detect(image), head, windowed_image)
    assert windows.windows


def test_outlines_of_source_extraction_count_as_unedited(sky: Sky, windows: CountingWindows) -> None:
    image = sky(SIZE, [SMALL])
    (detection,) = detect(image)
    with pytest.raises(NotEnoughLabels, match="equal the predicted ones"):
        SHIPPED.fit([windowed_image_of(image, windows)] * 3, [[detection.source.full_mask(SIZE)]] * 3)


def test_the_limit_is_saved_and_old_heads_have_none(tmp_path: Path) -> None:
    replace(SHIPPED, decoded_from_px=64.0).save(tmp_path)
    assert PromptedMasks.load(tmp_path).decoded_from_px == 64
    file = tmp_path / "head.json"
    text = file.read_text()
    file.write_text(text.replace('  "decoded_from_px": 64.0,\n', ""))
    assert PromptedMasks.load(tmp_path).decoded_from_px == 0
    file.write_text(text.replace("64.0", '"wide"'))
    with pytest.raises(HeadError, match="decoded_from_px"):
        PromptedMasks.load(tmp_path)
