"""Training of the learned detector: choice of the tiles, and their targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from backend.heads.detection.fcos.network import DetectorConfig, DetectorNetwork
from backend.heads.detection.fcos.training import TileExample, examples_of, train_network
from backend.heads.training import Schedule
from backend.lvm.feature_maps import Pyramids


def edges(*boxes: tuple[float, float, float, float]) -> torch.Tensor:
    return torch.tensor(boxes).reshape(-1, 4)


def labels(count: int) -> torch.Tensor:
    return torch.zeros(count, dtype=torch.int64)


def test_a_cut_out_is_one_example_with_clipped_boxes(pyramids: Pyramids) -> None:
    pyramid = pyramids.of_pixels(np.zeros((200, 300, 3), np.float32))
    (example,) = examples_of(pyramid, edges((10, 10, 50, 50), (280, 180, 310, 204)), labels(2))
    assert example.size == (300, 200)
    assert example.boxes.tolist() == [[10, 10, 50, 50], [280, 180, 300, 200]]


def test_boxes_in_an_enlarged_image_are_enlarged(pyramids: Pyramids) -> None:
    pyramid = pyramids.of_pixels(np.zeros((60, 60, 3), np.float32))
    (example,) = examples_of(pyramid, edges((10, 10, 50, 50)), labels(1))
    assert example.size == (120, 120)
    assert example.boxes.tolist() == [[20, 20, 100, 100]]


def test_the_tiles_with_objects_of_a_frame_are_examples(pyramids: Pyramids) -> None:
    pyramid = pyramids.of_pixels(np.zeros((900, 1300, 3), np.float32))
    (example,) = examples_of(pyramid, edges((5, 5, 30, 30)), labels(1))
    assert example.size == (512, 512)
    large = examples_of(pyramid, edges((100, 100, 800, 800)), labels(1))
    assert [each.size for each in large][-1] == (325, 225)


def test_an_image_without_objects_is_an_example_of_sky(pyramids: Pyramids) -> None:
    for shape in ((100, 100, 3), (900, 1300, 3)):
        (example,) = examples_of(pyramids.of_pixels(np.zeros(shape, np.float32)), edges(), labels(0))
        assert len(example.boxes) == 0


def test_every_step_is_reported_and_the_loss_decreases(pyramids: Pyramids, discs: Callable[..., Any]) -> None:
    image, drawn_boxes = discs(1)
    boxes = edges(*((box.x, box.y, box.x + box.width, box.y + box.height) for box, _ in drawn_boxes))
    torch.manual_seed(0)
    network = DetectorNetwork(DetectorConfig(pyramids.channels, pyramids.strides))
    losses: dict[int, float] = {}
    train_network(
        network,
        examples_of(pyramids.of_pixels(image), boxes, labels(len(boxes))),
        Schedule(steps=15, rate=2e-3, batch=4 * 256**2),
        report=losses.__setitem__,
    )
    assert list(losses) == list(range(1, 16))
    assert losses[15] < losses[1]
    assert not network.training


def test_an_example_without_objects_can_be_trained_on(pyramids: Pyramids) -> None:
    pyramid = pyramids.of_pixels(np.zeros((64, 64, 3), np.float32))
    network = DetectorNetwork(DetectorConfig(pyramids.channels, pyramids.strides))
    train_network(network, examples_of(pyramid, edges(), labels(0)), Schedule(steps=1, rate=1e-3, batch=1))
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_training_without_examples_is_an_error(pyramids: Pyramids) -> None:
    empty: list[TileExample] = []
    with pytest.raises(ValueError, match="at least one example"):
        train_network(DetectorNetwork(DetectorConfig(pyramids.channels, pyramids.strides)), empty, Schedule(1, 1e-3, 1))
