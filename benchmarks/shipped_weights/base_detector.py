"""Fit the shipped detector on scenes, compare it with source extraction, and save it in the shipped heads.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.base_detector DATA   (DATA holds masks/ and fields/)

The detector is trained on scenes of the `train` part; its score threshold is chosen on further scenes of that part. The printed
metrics, and whether the detector is preferred to source extraction while a project has no annotations, are from the `val` part.
An interrupted run continues with the feature maps in its cache.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

import backend.scenes
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.detection.model_selection import least_score
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.extraction.extract import extract
from backend.heads.training import Schedule
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.feature_maps import Pyramids
from backend.prediction.factory import BASE_DETECTOR
from backend.scenes.folders import Part, generator_of, list_outlines
from backend.scenes.generator import SceneGenerator
from backend.scenes.scene import Scene
from benchmarks.detection.scores import Boxes, DetectionScores, Finds, measure
from sync.files.cache import FileCache, key_of
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

CLASSES = ("galaxy",)
SIDE = 256
SCENES, CHOOSING, JUDGING, FITTING = 2000, 150, 200, 60
"""Numbers of scenes for training, for the score threshold, for validation, and for the fit of source extraction."""
SCHEDULE = Schedule(steps=2500, rate=1e-3, batch=4 * 256**2)
CACHE = Path(".cache/base-detector")
AT_THE_GALAXY = 0.1
"""Outlined images have one marked galaxy of many: detections with a smaller overlap with it are not counted."""
CODE = b"".join(file.read_bytes() for file in sorted(Path(backend.scenes.__file__).parent.glob("*.py")))

Image_ = NDArray[np.float32]


class LazyScene:
    """A scene that is drawn on first use of its pixels, or of boxes that are not cached; `Pyramids` accepts it as an image."""

    def __init__(self, generator: SceneGenerator, seed: int, part: Part, cache: FileCache) -> None:
        self.key = key_of("scene", CODE, part, str(seed), str(SIDE))
        self._draw = lambda: generator.draw(seed, SIDE)
        self._cache = cache

    @cached_property
    def scene(self) -> Scene:
        """Return the scene, drawn on first use."""
        return self._draw()

    @property
    def pixels(self) -> Image_:
        """Return the image, shape (side, side, 3)."""
        return self.scene.image

    @property
    def boxes(self) -> Boxes:
        """Return the boxes of all galaxies, shape (n, 4)."""
        name = key_of("boxes", self.key)
        content = self._cache.get(name)
        if content is None:
            content = json.dumps(self.scene.boxes.tolist()).encode()
            self._cache.put(name, content)
        return np.asarray(json.loads(content), np.float64).reshape(-1, 4)

    def forget(self) -> None:
        """Release the pixels."""
        self.__dict__.pop("scene", None)


def label_boxes(boxes: Boxes) -> list[tuple[Box, str]]:
    """Return boxes as labelled boxes."""
    return [(Box(left, top, right - left, bottom - top), CLASSES[0]) for left, top, right, bottom in boxes.tolist()]


def compute_feature_maps(scenes: Sequence[LazyScene], pyramids: Pyramids, what: str) -> None:
    """Compute the missing feature maps of scenes and cache them on disk."""
    for scene in track(scenes, what):
        for _ in pyramids.of(scene, size=(SIDE, SIDE)):  # type: ignore[arg-type]
            pass
        _ = scene.boxes
        scene.forget()


def detect_by_network(detector: LearnedDetector, images: Sequence[object], pyramids: Pyramids) -> list[Finds]:
    """Return the learned detector's boxes and scores in each image."""
    finds = []
    for image in images:
        look = pyramids.of_pixels(image) if isinstance(image, np.ndarray) else pyramids.of(image, size=(SIDE, SIDE))  # type: ignore[arg-type]
        detections = detector.predict(look)
        finds.append((detections.boxes.double().numpy(), detections.scores.double().numpy()))
    return finds


def detect_by_extraction(detector: SourceDetector, images: Sequence[Image_]) -> list[Finds]:
    """Return the boxes and scores of source extraction in each image."""
    finds = []
    for image in images:
        sources = extract(image, settings=detector.settings).sources
        detections = detector.select(sources, size=(image.shape[1], image.shape[0]))
        finds.append(
            (
                box_edges([detection.source.box for detection in detections]),
                np.array([detection.score for detection in detections]),
            )
        )
    return finds


def read_outlines(data: Path) -> tuple[list[Image_], list[Boxes]]:
    """Return the images of the val part of the outlined galaxies, and the box of each outline."""
    images: list[Image_] = []
    boxes: list[Boxes] = []
    for file, mask in list_outlines(data / "masks", part="val"):
        images.append(np.asarray(Image.open(file).convert("RGB"), np.float32) / np.float32(255))
        rows, columns = np.nonzero(np.asarray(Image.open(mask)) > 0)
        boxes.append(np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float64))
    return images, boxes


def select_at_the_galaxy(finds: Sequence[Finds], truth: Sequence[Boxes]) -> list[Finds]:
    """Return only the detections that overlap the marked galaxy."""
    choices = []
    for (boxes, scores), galaxy in zip(finds, truth, strict=True):
        near = box_overlaps(boxes, galaxy)[:, 0] >= AT_THE_GALAXY if len(boxes) else np.zeros(0, bool)
        choices.append((boxes[near], scores[near]))
    return choices


def main(data: Path, scenes: int, schedule: Schedule, *, again: bool) -> None:
    """Fit or load the detector, validate it, and save it."""
    torch.set_num_threads(1)
    cache = FileCache(CACHE, max_bytes=4 * 2**30)
    pyramids = Pyramids(load_encoder(SHIPPED_CHECKPOINT), cache, fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    train, val = generator_of(data, part="train"), generator_of(data, part="val")
    learning = [LazyScene(train, seed, "train", cache) for seed in range(scenes)]
    choosing = [LazyScene(train, seed, "train", cache) for seed in range(10**6, 10**6 + CHOOSING)]
    judging = [LazyScene(val, seed, "val", cache) for seed in range(JUDGING)]
    detector = LearnedDetector.load(BASE_DETECTOR) if again else fit_detector(learning, choosing, pyramids, schedule)
    scores = validate(detector, data, learning[:FITTING], judging, pyramids)
    better = all(scores[where]["learned"].accuracy > scores[where]["source extraction"].accuracy for where in scores)
    evidence = {
        f"{where}, {name}, {number}": round(value, 4)
        for where, rows in scores.items()
        for name, row in rows.items()
        for number, value in asdict(row).items()
    }
    replace(detector, preferred=better, evidence=evidence).save(BASE_DETECTOR)
    table = Table("val", "by", "AP50", "precision", "recall", "F1", "TP/(TP+FP+FN)", title="base detector")
    for where, rows in scores.items():
        for name, row in rows.items():
            table.add_row(where, name, *(f"{value:.3f}" for value in asdict(row).values()))
    Console().print(table)
    print(f"preferred to source extraction: {better}; least score {detector.least_score:.2f}")


def fit_detector(
    learning: Sequence[LazyScene], choosing: Sequence[LazyScene], pyramids: Pyramids, schedule: Schedule
) -> LearnedDetector:
    """Return a detector trained on scenes, with its score threshold chosen on other scenes."""
    start_s = time.monotonic()
    compute_feature_maps([*learning, *choosing], pyramids, "scenes")
    look_s = time.monotonic()
    with Progress() as progress:
        task = progress.add_task("learning", total=schedule.steps)
        detector = LearnedDetector.blank(pyramids, CLASSES).fit(
            [pyramids.of(scene, size=(SIDE, SIDE)) for scene in learning],  # type: ignore[arg-type]
            [label_boxes(scene.boxes) for scene in learning],
            schedule=schedule,
            report=lambda step, loss: progress.update(task, completed=step, description=f"learning, loss {loss:.3f}"),
        )
    end_s = time.monotonic()
    chosen_on = [detector.predict(pyramids.of(scene, size=(SIDE, SIDE))) for scene in choosing]  # type: ignore[arg-type]
    print(f"{look_s - start_s:.0f} s for feature maps, {end_s - look_s:.0f} s for {schedule.steps} steps, one thread")
    return replace(
        detector, least_score=least_score(chosen_on, [label_boxes(scene.boxes) for scene in choosing], classes=CLASSES)
    )


def validate(
    detector: LearnedDetector, data: Path, fitting: Sequence[LazyScene], judging: Sequence[LazyScene], pyramids: Pyramids
) -> dict[str, dict[str, DetectionScores]]:
    """Return the metrics of the detector and of source extraction on scenes and outlined galaxies of the `val` part."""
    compute_feature_maps(judging, pyramids, "val scenes")
    truth, images_of_scenes = [scene.boxes for scene in judging], [scene.pixels for scene in judging]
    galaxies, outlines = read_outlines(data)
    rivals = {
        "source extraction": SourceDetector.base(CLASSES),
        "source extraction, fitted": SourceDetector.fit(
            [scene.pixels for scene in fitting], [label_boxes(scene.boxes) for scene in fitting], classes=CLASSES
        ),
    }
    scores: dict[str, dict[str, DetectionScores]] = {"scenes": {}, "outlines": {}}
    for name, rival in rivals.items():
        scores["scenes"][name] = measure(detect_by_extraction(rival, images_of_scenes), truth, least_score=0)
        near = select_at_the_galaxy(detect_by_extraction(rival, galaxies), outlines)
        scores["outlines"][name] = measure(near, outlines, least_score=0)
    least = detector.least_score
    scores["scenes"]["learned"] = measure(detect_by_network(detector, judging, pyramids), truth, least_score=least)
    near = select_at_the_galaxy(detect_by_network(detector, galaxies, pyramids), outlines)
    scores["outlines"]["learned"] = measure(near, outlines, least_score=least)
    return scores


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--steps", type=int, default=SCHEDULE.steps)
    parser.add_argument("--again", action="store_true", help="judge the shipped detector again; nothing is learned")
    options = parser.parse_args()
    main(options.data, options.scenes, replace(SCHEDULE, steps=options.steps), again=options.again)
