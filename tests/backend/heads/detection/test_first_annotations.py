"""The first annotations of a project: a few rejected boxes must not remove galaxies that all annotators accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.demo.tiles import cut_deep_field
from backend.heads.detection.detected import Detected
from backend.heads.detection.detection import BY_EXTRACTION, Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.extraction.extract import extract
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.feature_maps import Pyramids
from backend.prediction.factory import BASE_DETECTOR
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box
from sync.images.decode import decode

Images = list[NDArray[np.float32]]
Drawn = list[list[tuple[Box, str]]]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Return the demo's images."""
    return [decode(file.read_bytes()) for file in cut_deep_field(tmp_path_factory.mktemp("tiles"))[:50]]


def find(head: Detection, image: NDArray[np.float32]) -> tuple[Detected, ...]:
    return head.find(extract(image, settings=head.settings).sources, size=(image.shape[1], image.shape[0]))


def accepted(tiles: Images, *, deleted: int) -> Drawn:
    """Return the untrained head's boxes of ten tiles, without the `deleted` most star-like bright sources."""
    found = [find(Detection.base(("Galaxy",)), image) for image in tiles[:10]]
    bright = [(one.source.features[3], row, column) for row, each in enumerate(found) for column, one in enumerate(each)
              if one.source.snr > 50]  # fmt: skip
    stars = {(row, column) for _, row, column in sorted(bright, reverse=True)[:deleted]}
    return [
        [(one.source.box, "Galaxy") for column, one in enumerate(each) if (row, column) not in stars]
        for row, each in enumerate(found)
    ]


def lost(head: Detection, tiles: Images) -> list[int]:
    """Return the tiles whose brightest galaxy the untrained head detects and `head` does not."""
    without = []
    for number, image in enumerate(tiles):
        central = max(find(Detection.base(("Galaxy",)), image), key=lambda one: one.source.flux).source.box
        boxes = box_edges([one.source.box for one in find(head, image)])
        if not (box_overlaps(box_edges([central]), boxes) > 0.5).any():
            without.append(number)
    return without


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [0, 1, 2, 4])
def test_a_few_deleted_stars_cost_no_bright_galaxy(tiles: Images, deleted: int) -> None:
    head = Detection.fit(tiles[:10], accepted(tiles, deleted=deleted), classes=("Galaxy",))
    assert lost(head, tiles) == []


def test_what_was_accepted_ten_times_is_all_found_again(tiles: Images) -> None:
    drawn = accepted(tiles, deleted=0)
    head = Detection.fit(tiles[:10], drawn, classes=("Galaxy",))
    for image, boxes in zip(tiles[:10], drawn, strict=True):
        assert sorted((one.source.box.x, one.source.box.y) for one in find(head, image)) == sorted((b.x, b.y) for b, _ in boxes)


def test_scores_keep_their_order_and_say_how_often_boxes_are_kept(tiles: Images) -> None:
    head = Detection.fit(tiles[:10], accepted(tiles, deleted=1), classes=("Galaxy",))
    for image in tiles[10:20]:
        found = find(head, image)
        assert [one.source.snr for one in found] == sorted((one.source.snr for one in found), reverse=True)
        assert 0.85 < np.mean([one.score for one in found]) < 0.99


def test_with_the_shipped_detector_beside_it_too(tiles: Images) -> None:
    name = fingerprint(SHIPPED_CHECKPOINT)
    pyramids = Pyramids(load_encoder(SHIPPED_CHECKPOINT), None, fingerprint=name)
    small = [image[::2, ::2] for image in tiles[:10]]
    found = [find(Detection.base(("Galaxy",)), image) for image in small]
    drawn = [[(one.source.box, "Galaxy") for one in each if one.source.snr < 80] for each in found]
    head = Detection.fit(
        small,
        drawn,
        classes=("Galaxy",),
        feature_pyramids=[pyramids.of_pixels(image) for image in small],
        detector=LearnedDetector.load(Path(BASE_DETECTOR)),
    )
    assert head.found_by == BY_EXTRACTION
    assert head.evidence[BY_EXTRACTION] > 0.9
