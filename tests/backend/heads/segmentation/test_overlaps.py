from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.extraction.source import Source
from backend.heads.segmentation.overlaps import resolve_overlaps
from backend.heads.segmentation.window_mask import WindowMask
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Box, Ellipse

SIZE = (96, 80)
WHOLE = Tile(0, 0, 96, 80, 256 / 96)


def disc(x: float, y: float, radius: float, *, peak_logit: float = 4.0) -> WindowMask:
    """Return logits that fall from `peak_logit` in the middle of a disc to 0 at its edge, on a grid of 32 points."""
    rows, columns = (np.indices((32, 32)) + 0.5) * 3
    logits = peak_logit * (1 - np.hypot(columns - x, rows - y) / radius)
    return WindowMask(WHOLE, torch.from_numpy(logits).float(), 0.9, SIZE, 256)


def place(part: tuple[np.ndarray, tuple[int, int]]) -> np.ndarray:
    crop, (x, y) = part
    union = np.zeros(SIZE[::-1], bool)
    union[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return union


@given(
    st.lists(st.builds(disc, st.floats(10, 86), st.floats(10, 70), st.floats(5, 30), peak_logit=st.floats(1, 6)), max_size=5)
)
def test_objects_share_no_pixel_and_each_lies_in_its_own_mask(masks: list[WindowMask]) -> None:
    parts = resolve_overlaps(masks)
    assert len(parts) == len(masks)
    owners = np.zeros(SIZE[::-1], int)
    for part, mask in zip(parts, masks, strict=True):
        if part is not None:
            owners += place(part)
            assert not (place(part) & ~mask.mask()).any()
            assert part[0].any(axis=0).all() or part[0].any(axis=1).all()
    assert owners.max(initial=0) <= 1


def test_shared_pixels_go_to_the_object_with_the_higher_score() -> None:
    left, right = resolve_overlaps([disc(30, 40, 25), disc(60, 40, 25)])
    assert left is not None
    assert right is not None
    assert (place(left)[40, 38], place(right)[40, 38]) == (True, False)
    assert (place(left)[40, 52], place(right)[40, 52]) == (False, True)


def test_pixels_of_other_objects_belong_to_no_mask() -> None:
    source = Source(
        1, Box(20, 20, 10, 30), Ellipse(25, 35, 5, 15), np.ones((30, 10), bool), (20, 20), 1, 1, 20, np.zeros(1, np.float32)
    )
    (part,) = resolve_overlaps([disc(40, 40, 25)], other_sources=[source])
    assert part is not None
    assert not place(part)[20:50, 20:30].any()
    assert place(part)[40, 31]
    assert place(part)[52, 29]


def test_an_object_covered_by_others_has_no_mask() -> None:
    assert resolve_overlaps([disc(40, 40, 30, peak_logit=6), disc(40, 40, 20, peak_logit=1)])[1] is None


def test_no_objects_give_no_masks() -> None:
    assert resolve_overlaps([]) == []
