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

pytestmark = pytest.mark.slow

Images = list[NDArray[np.float32]]
Drawn = list[list[tuple[Box, str]]]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Return the demo's images."""
    return [decode(file.read_bytes()) for file in cut_deep_field(tmp_path_factory.mktemp("tiles"))[:50]]


def find(head: Detection, image: NDArray[np.float32]) -> tuple[Detected, ...]:
    return head.find(extract(image, settings=head.settings).sources, size=(image.shape[1], image.shape[0]))


def accept_boxes(tiles: Images, *, deletions: int) -> Drawn:
    """Return the untrained head's boxes of ten tiles, without the `deletions` most star-like bright sources."""
    detections = [find(Detection.base(("Galaxy",)), image) for image in tiles[:10]]
    bright = [
        (each.source.features[3], row, column)
        for row, sources in enumerate(detections)
        for column, each in enumerate(sources)
        if each.source.snr > 50
    ]
    stars = {(row, column) for _, row, column in sorted(bright, reverse=True)[:deletions]}
    return [
        [(each.source.box, "Galaxy") for column, each in enumerate(sources) if (row, column) not in stars]
        for row, sources in enumerate(detections)
    ]


def list_missed(head: Detection, tiles: Images) -> list[int]:
    """Return the tiles whose brightest galaxy the untrained head detects and `head` does not."""
    without = []
    for number, image in enumerate(tiles):
        central = max(find(Detection.base(("Galaxy",)), image), key=lambda each: each.source.flux).source.box
        boxes = box_edges([each.source.box for each in find(head, image)])
        if not (box_overlaps(box_edges([central]), boxes) > 0.5).any():
            without.append(number)
    return without


@pytest.mark.parametrize("deletions", [0, 1, 2, 4])
def test_a_few_deleted_stars_remove_no_bright_galaxy(tiles: Images, deletions: int) -> None:
    head = Detection.fit(tiles[:10], accept_boxes(tiles, deletions=deletions), classes=("Galaxy",))
    assert list_missed(head, tiles) == []


def test_accepted_predictions_are_predicted_again(tiles: Images) -> None:
    drawn_boxes = accept_boxes(tiles, deletions=0)
    head = Detection.fit(tiles[:10], drawn_boxes, classes=("Galaxy",))
    for image, boxes in zip(tiles[:10], drawn_boxes, strict=True):
        assert sorted((each.source.box.x, each.source.box.y) for each in find(head, image)) == sorted(
            (b.x, b.y) for b, _ in boxes
        )


def test_scores_keep_their_order_and_become_frequencies(tiles: Images) -> None:
    head = Detection.fit(tiles[:10], accept_boxes(tiles, deletions=1), classes=("Galaxy",))
    for image in tiles[10:20]:
        detections = find(head, image)
        assert [each.source.snr for each in detections] == sorted((each.source.snr for each in detections), reverse=True)
        assert 0.85 < np.mean([each.score for each in detections]) < 0.99


def test_the_same_holds_with_the_shipped_detector(tiles: Images) -> None:
    name = fingerprint(SHIPPED_CHECKPOINT)
    pyramids = Pyramids(load_encoder(SHIPPED_CHECKPOINT), None, fingerprint=name)
    small = [image[::2, ::2] for image in tiles[:10]]
    detections = [find(Detection.base(("Galaxy",)), image) for image in small]
    drawn_boxes = [[(each.source.box, "Galaxy") for each in sources if each.source.snr < 80] for sources in detections]
    head = Detection.fit(
        small,
        drawn_boxes,
        classes=("Galaxy",),
        feature_pyramids=[pyramids.of_pixels(image) for image in small],
        detector=LearnedDetector.load(Path(BASE_DETECTOR)),
    )
    assert head.found_by == BY_EXTRACTION
    assert head.evidence[BY_EXTRACTION] > 0.9
