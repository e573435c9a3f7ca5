"""Merging of tiles: every object once and complete, for any borders of the tiles."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.detection.fcos.merging import merge
from backend.heads.detection.fcos.network import RawDetections
from backend.lvm.tiles import Tile, tiles_of

FRAME = (1984, 1361)
boxes = st.tuples(st.floats(0, 1900), st.floats(0, 1300), st.floats(6, 900), st.floats(6, 900)).map(
    lambda b: (b[0], b[1], min(b[0] + b[2], 1984.0), min(b[1] + b[3], 1361.0))
)


def detect_in_tile(tile: Tile, objects: list[tuple[float, float, float, float]]) -> RawDetections:
    """Return a perfect detector's boxes in a tile: the visible part of each object with a few visible pixels."""
    width, height = tile.scaled_size
    on_tile = tile.from_image(torch.tensor(objects).reshape(-1, 4))
    visible = torch.minimum(on_tile.clamp(min=0), torch.tensor([width, height, width, height]).float())
    large = ((visible[:, 2:] - visible[:, :2]) >= 1).all(dim=1).nonzero()[:, 0]
    return RawDetections(visible[large], torch.full((len(large),), 0.5), torch.zeros(len(large), dtype=torch.int64))


def merge_tiles(objects: list[tuple[float, float, float, float]], size: tuple[int, int]) -> RawDetections:
    return merge(((tile, detect_in_tile(tile, objects)) for tile in tiles_of(size)), size)


@given(boxes)
def test_an_object_is_detected_once_and_completely(box: tuple[float, float, float, float]) -> None:
    detections = merge_tiles([box], FRAME)
    assert len(detections.boxes) == 1
    assert torch.allclose(detections.boxes[0], torch.tensor(box), atol=0.1)


def test_neighbouring_objects_are_not_merged() -> None:
    row = [(20.0 + 40 * i, 440.0, 50.0 + 40 * i, 470.0) for i in range(48)]
    assert len(merge_tiles(row, FRAME).boxes) == 48


def test_of_two_boxes_of_an_object_the_one_with_the_higher_score_is_kept() -> None:
    tile = tiles_of((200, 200))[0]
    detections = RawDetections(
        torch.tensor([[10.0, 10, 50, 50], [11, 11, 50, 50]]), torch.tensor([0.4, 0.9]), torch.tensor([0, 1])
    )
    merged_boxes = merge([(tile, detections)], (200, 200))
    assert merged_boxes.labels.tolist() == [1]


def test_no_tiles_give_no_objects() -> None:
    assert len(merge([], (10, 10)).boxes) == 0
