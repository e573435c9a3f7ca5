from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.detection.detection import MAXIMUM_OBJECTS, Detected, Detection
from backend.heads.detection.grid_search import GridPoint
from backend.heads.detection.metrics import f1
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import Source
from backend.scenes import SurveySceneGenerator
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
        drawn_boxes = [
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
        images.append(sky((130, 130), drawn_boxes, seed=i))
    return images


def annotate(
    images: list[NDArray[np.float32]], *, keeps: Callable[[Source], bool], label: Callable[[Source], str], scale: float = 1.0
) -> list[Drawn]:
    """Return boxes of an annotator with a preference."""
    drawn_boxes = []
    for image in images:
        sources = [source for source in extract(image).sources if keeps(source)]
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
        drawn_boxes.append([(box, label(source)) for box, source in zip(looser, sources, strict=True)])
    return drawn_boxes


def mean_f1(head: Detection, images: list[NDArray[np.float32]], drawn_boxes: list[Drawn]) -> float:
    detections = [
        f1(
            box_overlaps(box_edges([box for box, _ in boxes]), box_edges([each.source.box for each in detect(head, image)]))
            >= 0.5
        )
        for image, boxes in zip(images, drawn_boxes, strict=True)
    ]
    return float(np.mean(detections))


def is_bright(source: Source) -> bool:
    return source.peak > 0.35


def test_the_untrained_head_returns_all_sources_with_the_first_class(sky: Sky) -> None:
    (image,) = fields(sky, 1)
    detections = detect(Detection.base(("galaxy", "star")), image)
    assert len(detections) == 8
    assert {each.label for each in detections} == {"galaxy"}
    scores = [each.score for each in detections]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


def test_heads_of_old_versions_find_the_same_sources(sky: Sky, tmp_path: Path) -> None:
    (image,) = fields(sky, 1)
    head = Detection.base(("galaxy",))
    head.save(tmp_path)
    file = tmp_path / "head.json"
    content = json.loads(file.read_text())
    del content["choice"]["least_probability"], content["choice"]["settings"]["recognises"]
    file.write_text(json.dumps(content))
    detections = detect(Detection.load(tmp_path), image)
    assert len(detections) == 8
    assert [each.source.box for each in detections] == [each.source.box for each in detect(head, image)]


def test_faint_galaxies_that_annotators_draw_are_found_by_recognition() -> None:
    scenes = [SurveySceneGenerator(stream=1).draw(seed, side=160) for seed in range(14)]
    boxes = [
        [(Box(left, top, right - left, bottom - top), "galaxy") for left, top, right, bottom in scene.boxes.tolist()]
        for scene in scenes
    ]
    images = [scene.image for scene in scenes]
    head = Detection.fit(images, boxes, classes=("galaxy",))
    assert head.settings.recognises
    likely = [s for s in extract(images[0], settings=head.settings).sources if head.sources.choice.admits(s)]
    assert len(detect(head, images[0])) <= len(likely)


def test_sources_like_the_deleted_ones_are_left_out(sky: Sky) -> None:
    images = fields(sky, 20)
    drawn_boxes = annotate(images, keeps=is_bright, label=lambda _: "galaxy")
    head = Detection.fit(images[:10], drawn_boxes[:10], classes=("galaxy",))
    assert mean_f1(head, images[10:], drawn_boxes[10:]) > 0.97
    assert mean_f1(Detection.base(("galaxy",)), images[10:], drawn_boxes[10:]) < 0.8


def test_the_scale_of_boxes_follows_the_annotators(sky: Sky) -> None:
    images = fields(sky, 12)
    drawn_boxes = annotate(images, keeps=lambda _: True, label=lambda _: "galaxy", scale=1.6)
    head = Detection.fit(images[:8], drawn_boxes[:8], classes=("galaxy",))
    assert head.sources.choice.box_scale > 1.1 or head.sources.choice.settings.isophote < 0.17
    assert mean_f1(head, images[8:], drawn_boxes[8:]) > 0.95


def test_labels_are_predicted(sky: Sky) -> None:
    images = fields(sky, 30)
    drawn_boxes = annotate(images, keeps=lambda _: True, label=lambda s: "flat" if s.features[2] > 0.4 else "round")
    head = Detection.fit(images[:20], drawn_boxes[:20], classes=("round", "flat"))
    right = [
        each.label == ("flat" if each.source.features[2] > 0.4 else "round")
        for image in images[20:]
        for each in detect(head, image)
    ]
    assert np.mean(right) > 0.9


def test_annotations_equal_to_the_defaults_change_nothing(sky: Sky) -> None:
    images = fields(sky, 5)
    drawn_boxes = annotate(images, keeps=lambda _: True, label=lambda _: "galaxy")
    assert Detection.fit(images, drawn_boxes, classes=("galaxy",)).sources.choice == GridPoint()


def test_without_distinguishable_labels_the_most_frequent_one_is_predicted(sky: Sky) -> None:
    images = fields(sky, 3)
    drawn_boxes = annotate(images, keeps=lambda _: True, label=lambda _: "spiral")
    detections = detect(Detection.fit(images, drawn_boxes, classes=("elliptical", "spiral")), images[0])
    assert {each.label for each in detections} == {"spiral"}


def test_boxes_are_inside_the_image(sky: Sky) -> None:
    image = sky((60, 60), [(1, 1, 6, 6, 0, 0.8), (59, 58, 6, 6, 0, 0.7)])
    head = Detection(replace(SourceDetector.base(("galaxy",)), choice=GridPoint(box_scale=1.6)))
    for each in detect(head, image):
        box = each.source.box
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= 60
        assert box.y + box.height <= 60


def test_the_number_of_objects_is_limited(sky: Sky) -> None:
    crowd = [(10.0 + 20 * i, 10.0 + 20 * j, 2.0, 2.0, 0.0, 0.5) for i in range(13) for j in range(13)]
    assert len(detect(Detection.base(("star",)), sky((270, 270), crowd))) == MAXIMUM_OBJECTS


def test_an_empty_image_has_no_objects() -> None:
    assert detect(Detection.base(("galaxy",)), np.zeros((50, 50, 3), np.float32)) == ()


def test_images_without_boxes_count_as_examples(sky: Sky) -> None:
    images = [*fields(sky, 4), np.zeros((130, 130, 3), np.float32)]
    drawn_boxes = [*annotate(images[:4], keeps=is_bright, label=lambda _: "galaxy"), []]
    assert len(detect(Detection.fit(images, drawn_boxes, classes=("galaxy",)), images[0])) == 4


def test_a_saved_head_is_loaded_unchanged(sky: Sky, tmp_path: Path) -> None:
    images = fields(sky, 6)
    drawn_boxes = annotate(images, keeps=is_bright, label=lambda s: "flat" if s.features[2] > 0.4 else "round")
    for head in (Detection.fit(images, drawn_boxes, classes=("round", "flat")), Detection.base(("galaxy",))):
        head.save(tmp_path / str(id(head)))
        loaded_head = Detection.load(tmp_path / str(id(head)))
        assert [(a.label, a.score, a.source.box) for a in detect(loaded_head, images[0])] == [
            (a.label, a.score, a.source.box) for a in detect(head, images[0])
        ]


def test_a_head_with_damaged_settings_is_an_error(tmp_path: Path) -> None:
    Detection.base(("galaxy",)).save(tmp_path)
    text = (tmp_path / "head.json").read_text().replace('"isophote": 0.17', '"isophote": 17')
    (tmp_path / "head.json").write_text(text)
    with pytest.raises(HeadError, match="choice"):
        Detection.load(tmp_path)


def test_too_few_images_or_boxes_are_an_error(sky: Sky) -> None:
    images = fields(sky, 3)
    with pytest.raises(NotEnoughLabels, match="2 annotated images"):
        Detection.fit(images[:2], [[(Box(1, 1, 5, 5), "galaxy")]] * 2, classes=("galaxy",))
    with pytest.raises(NotEnoughLabels, match="0 boxes"):
        Detection.fit(images, [[], [], []], classes=("galaxy",))


def test_a_label_outside_the_classes_is_an_error(sky: Sky) -> None:
    with pytest.raises(ValueError, match="nebula"):
        Detection.fit(fields(sky, 3), [[(Box(1, 1, 5, 5), "nebula")]] * 3, classes=("galaxy",))
