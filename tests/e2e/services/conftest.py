"""One stack of services and one project in it, shared by all tests of this folder because both start slowly."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import hubble_deep_field

from backend.loop.examples.held_out import DEFAULT_SHARE, choose_held_out
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import read_tasks
from tests.e2e.services.stack import BATCH, Stack

TILES = 24


@pytest.fixture(scope="module")
def stack(
    postgresql: Any, redis: Any, label_studio_executable: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    redis.client.flushall()
    running = Stack(tmp_path_factory.mktemp("services"), postgresql, redis, label_studio_executable)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def project(stack: Stack) -> int:
    """Return an attached project with images, with the first predictions stored."""
    number = create_project(stack.client, "Galaxies", files("labeling_configs").joinpath("morphology.xml").read_text())
    field = np.asarray(hubble_deep_field())
    # Every other tile has a large galaxy in the foreground, so that a few labels are enough to train classes by kind.
    front = (230 * np.exp(-np.hypot(*(np.indices((96, 96)) - 48)) / 16)).astype(np.uint8)[..., None]
    tiles = [stack.folder / f"tile-{tile:02d}.png" for tile in range(TILES)]
    for tile, file in enumerate(tiles):
        crop = field[96 * (tile // 8) :, 96 * (tile % 8) :][:96, :96]
        Image.fromarray(np.maximum(crop, front if tile % 2 else 0)).save(file)
    upload_images(stack.client, number, tiles)
    stack.command("project", "attach", str(number))
    stack.wait_until(lambda: stack.count_predicted(number, "v0001") == TILES, "the first predictions are stored")
    return number


@pytest.fixture(scope="module")
def first_batch(stack: Stack, project: int) -> list[int]:
    """Submit a batch of training tasks and return the annotations."""
    tasks = read_tasks(stack.client, project)
    held_out = choose_held_out({task.id: task.data for task in tasks}, image_keys=["image"], share=DEFAULT_SHARE)
    teachers = [task.id for task in tasks if task.id not in held_out]
    either = [[task for task in teachers if stack.kind(task) == kind] for kind in (0, 1)]
    return stack.annotate(project, [task for pair in zip(*either, strict=False) for task in pair][:BATCH])
