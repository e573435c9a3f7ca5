from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.detection.detection import MAXIMUM_OBJECTS, Detected, Detection
from backend.heads.detection.grid_search import Choice
from backend.heads.detection.metrics import f1
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import Source
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

Sky = Callable[..., NDArray[np.float32]]
Drawn = list[tuple[Box, str]]


def detect(head: Detection, image: NDArray[np.float32]) -> tuple[Detected, ...]:
    """Return the detections of a head that uses source extraction."""
    return head.find(extract(image, settings=head.settings).sources, size=(image.shape[1], image.shape[0]))


def fields(sky: Sky, n: int, *, seed: int = 0) -> list[NDArray[np.float32]]:
    """Return fields of eight galaxies, bright and faint, round and flat."""
    rng = np.random.default_rng(seed)
    places = [(x, y) for x in (25, 65, 105) for y in (25, 65, 105)][:8]
    images = []
    for i in range(n):
        drawn = [
            (
                x + rng.uniform(-4, 4),
                y + rng.uniform(-4, 4),
                a := rng.uniform(2.5, 6),
                a * rng.uniform(0.25, 1),
                rng.uniform(0, 180),
                p,
            )
            for (x, y), p in zip(places, rng.permutation([0.1, 0.12, 0.15, 0.15, 0.5, 0.6, 0.7, 0.8]), strict=True)
        ]
        images.append(sky((130, 130), drawn, seed=i))
    return images


def annotated(
    images: list[NDArray[np.float32]], *, wanted: Callable[[Source], bool], label: Callable[[Source], str], scale: float = 1.0
) -> list[Drawn]:
    """Return boxes of an annotator with a preference."""
    drawn = []
    for image in images:
        sources = [source for source in extract(image).sources if wanted(source)]
        boxes = [source.box for source in sources]
        looser = [
            replace(
                b,
                x=b.x - b.width * (scale - 1) / 2,
                y=b.y - b.height * (scale - 1) / 2,
                width=b.width * scale,
                height=b.height * scale,
            )
            for b in boxes
        ]
        drawn.append([(box, label(source)) for box, source in zip(looser, sources, strict=True)])
    return drawn


def mean_f1(head: Detection, images: list[NDArray[np.float32]], drawn: list[Drawn]) -> float:
    found = [
        f1(
            box_overlaps(box_edges([box for box, _ in boxes]), box_edges([one.source.box for one in detect(head, image)]))
            >= 0.5
        )
        for image, boxes in zip(images, drawn, strict=True)
    ]
    return float(np.mean(found))


def bright(source: Source) -> bool:
    return source.peak > 0.35


def test_the_untrained_head_shows_every_source_as_the_first_class_surest_first(sky: Sky) -> None:
    (image,) = fields(sky, 1)
    found = detect(Detection.base(("galaxy", "star")), image)
    assert len(found) == 8
    assert {one.label for one in found} == {"galaxy"}
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


def test_it_learns_to_leave_out_what_people_delete(sky: Sky) -> None:
    images = fields(sky, 20)
    drawn = annotated(images, wanted=bright, label=lambda _: "galaxy")
    head = Detection.fit(images[:10], drawn[:10], classes=("galaxy",))
    assert mean_f1(head, images[10:], drawn[10:]) > 0.97
    assert mean_f1(Detection.base(("galaxy",)), images[10:], drawn[10:]) < 0.8


def test_it_learns_how_loosely_people_box(sky: Sky) -> None:
    images = fields(sky, 12)
    drawn = annotated(images, wanted=lambda _: True, label=lambda _: "galaxy", scale=1.6)
    head = Detection.fit(images[:8], drawn[:8], classes=("galaxy",))
    assert head.sources.choice.box_scale > 1.1 or head.sources.choice.settings.isophote < 0.17
    assert mean_f1(head, images[8:], drawn[8:]) > 0.95


def test_it_learns_the_labels(sky: Sky) -> None:
    images = fields(sky, 30)
    drawn = annotated(images, wanted=lambda _: True, label=lambda s: "flat" if s.features[2] > 0.4 else "round")
    head = Detection.fit(images[:20], drawn[:20], classes=("round", "flat"))
    right = [
        one.label == ("flat" if one.source.features[2] > 0.4 else "round")
        for image in images[20:]
        for one in detect(head, image)
    ]
    assert np.mean(right) > 0.9


def test_people_who_agree_with_the_defaults_change_nothing(sky: Sky) -> None:
    images = fields(sky, 5)
    drawn = annotated(images, wanted=lambda _: True, label=lambda _: "galaxy")
    assert Detection.fit(images, drawn, classes=("galaxy",)).sources.choice == Choice()


def test_the_commonest_label_is_given_where_labels_cannot_be_told_apart(sky: Sky) -> None:
    images = fields(sky, 3)
    drawn = annotated(images, wanted=lambda _: True, label=lambda _: "spiral")
    found = detect(Detection.fit(images, drawn, classes=("elliptical", "spiral")), images[0])
    assert {one.label for one in found} == {"spiral"}


def test_boxes_stay_within_the_image(sky: Sky) -> None:
    image = sky((60, 60), [(1, 1, 6, 6, 0, 0.8), (59, 58, 6, 6, 0, 0.7)])
    head = Detection(replace(SourceDetector.base(("galaxy",)), choice=Choice(box_scale=1.6)))
    for one in detect(head, image):
        box = one.source.box
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= 60
        assert box.y + box.height <= 60


def test_there_are_never_too_many_objects(sky: Sky) -> None:
    crowd = [(10.0 + 20 * i, 10.0 + 20 * j, 2.0, 2.0, 0.0, 0.5) for i in range(13) for j in range(13)]
    assert len(detect(Detection.base(("star",)), sky((270, 270), crowd))) == MAXIMUM_OBJECTS


def test_an_empty_image_has_no_objects() -> None:
    assert detect(Detection.base(("galaxy",)), np.zeros((50, 50, 3), np.float32)) == ()


def test_images_on_which_nothing_was_boxed_count_as_examples_too(sky: Sky) -> None:
    images = [*fields(sky, 4), np.zeros((130, 130, 3), np.float32)]
    drawn = [*annotated(images[:4], wanted=bright, label=lambda _: "galaxy"), []]
    assert len(detect(Detection.fit(images, drawn, classes=("galaxy",)), images[0])) == 4


def test_it_comes_back_from_disk_the_same(sky: Sky, tmp_path: Path) -> None:
    images = fields(sky, 6)
    drawn = annotated(images, wanted=bright, label=lambda s: "flat" if s.features[2] > 0.4 else "round")
    for head in (Detection.fit(images, drawn, classes=("round", "flat")), Detection.base(("galaxy",))):
        head.save(tmp_path / str(id(head)))
        again = Detection.load(tmp_path / str(id(head)))
        assert [(a.label, a.score, a.source.box) for a in detect(again, images[0])] == [
            (a.label, a.score, a.source.box) for a in detect(head, images[0])
        ]


def test_a_head_whose_settings_are_damaged_is_refused(tmp_path: Path) -> None:
    Detection.base(("galaxy",)).save(tmp_path)
    text = (tmp_path / "head.json").read_text().replace('"isophote": 0.17', '"isophote": 17')
    (tmp_path / "head.json").write_text(text)
    with pytest.raises(HeadError, match="choice"):
        Detection.load(tmp_path)


def test_too_little_is_said_to_be_too_little(sky: Sky) -> None:
    images = fields(sky, 3)
    with pytest.raises(NotEnoughLabels, match="2 annotated images"):
        Detection.fit(images[:2], [[(Box(1, 1, 5, 5), "galaxy")]] * 2, classes=("galaxy",))
    with pytest.raises(NotEnoughLabels, match="0 boxes"):
        Detection.fit(images, [[], [], []], classes=("galaxy",))


def test_a_label_that_is_no_class_is_refused(sky: Sky) -> None:
    with pytest.raises(ValueError, match="nebula"):
        Detection.fit(fields(sky, 3), [[(Box(1, 1, 5, 5), "nebula")]] * 3, classes=("galaxy",))
