"""The order of scenes with boxes: the product's uncertainty of objects against random order, on simulated scenes.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.human_in_the_loop.objects DATA [--seeds 5] [--write]

A simulated annotator draws all boxes of batches of five scenes that a strategy chooses; source extraction is fitted after each
batch, and average precision is measured on other scenes. The strategies are *random*; *uncertain*: the scenes with the largest
sum of binary entropies of the objects' scores; and *herding*: the product's order of a project with objects, which covers the
pool of embeddings weighted by that uncertainty (`backend/loop/queue`). Scenes of the pool and measured ones share no galaxy.

How the cost grows. Most of the time goes into the scores of all settings on each scene of the pool: seconds a
scene, once for all runs. A batch takes about a second. Scores and runs are stored in .cache and are not computed again, so the
benchmark can be interrupted.

What it does not show. The learned detector, whose training takes a minute for each batch; labels of more than one class;
masks; real images.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.active.pool import Pool, reduce_embeddings
from backend.active.ranking import select_batch
from backend.heads.detection.detected import Detected
from backend.heads.detection.grid_search import Grid, GridPoint, score_grid
from backend.heads.detection.source_detector import SourceDetector
from backend.heads.errors import NotEnoughLabels
from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import ExtractionSettings, Source
from backend.images.store import StoredImage
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.embeddings import Embeddings
from backend.prediction.control_models.object_uncertainty import acquisition_confidence, entropy_of_objects
from backend.reports.object_scores import ImageMatches, average_precision, match_detections
from backend.scenes.folders import Part, generator_of
from backend.scenes.scene import Scene
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.files.cache import FileCache
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

POOL, MEASURED, SIDE_PX = 120, 80, 160
BATCH, BATCHES = 5, 8
CLASS = "Galaxy"
CACHE = Path(".cache/human-in-the-loop/objects")
RUNS = Path(".cache/human-in-the-loop/objects-runs")

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(eq=False)
class Scenes:
    """Scenes with their true boxes, and the sources of each for settings that were needed."""

    images: Sequence[NDArray[np.float32]]
    boxes: Sequence[list[Box]]
    sources: dict[tuple[int, ExtractionSettings], Sequence[Source]] = field(default_factory=dict)

    def find(self, head: SourceDetector, scene: int) -> tuple[Detected, ...]:
        """Return the objects that a head finds."""
        key = scene, head.settings
        if key not in self.sources:
            self.sources[key] = extract(self.images[scene], settings=head.settings).sources
        height, width = self.images[scene].shape[:2]
        return head.select(self.sources[key], size=(width, height))


@dataclass(frozen=True, eq=False)
class Stage:
    """The scenes to label with the scores of the settings' grid and embeddings, and the scenes to measure on."""

    pool: Scenes
    grids: Sequence[Grid]
    embeddings: NDArray[np.float32]
    test_scenes: Scenes


Strategy = Callable[[Stage, SourceDetector, Indices, Indices, np.random.Generator], Indices]
"""Chooses a batch: stage, current head, open scenes, labelled scenes, source of random numbers → indices of open scenes."""


def main() -> None:
    """Simulate all strategies, print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description="The order of scenes with boxes.")
    parser.add_argument("data", type=Path, help="folder that holds masks/ and fields/")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    stage = prepare(options.data)
    runs = {(seed, name): _read_or_run(stage, name, seed) for seed, name in product(range(options.seeds), STRATEGIES)}
    curves = {name: np.array([runs[seed, name] for seed in range(options.seeds)]) for name in STRATEGIES}
    rows = [[name, *map(_mean, values.T[1::2]), _mean(values.mean(axis=1))] for name, values in curves.items()]
    columns = ["order", *(f"{BATCH * (batch + 1)} scenes" for batch in range(1, BATCHES, 2)), "mean of the curve"]
    table = markdown_table(columns, rows, title="AP of boxes (IoU 0.5), mean and standard error over seeds")
    print(table)
    if options.write:
        write_section("human_in_the_loop_objects", f"{options.seeds} seeds, {machine_line()}.\n\n{table}")
        numbers = {name: [[round(float(value), 4) for value in run] for run in values] for name, values in curves.items()}
        write_numbers("human_in_the_loop_objects", {"machine": machine_line(), "ap50": numbers})


def prepare(data: Path) -> Stage:
    """Draw the scenes, score the settings' grid on them, and embed them."""
    pool, test_scenes = _draw(data, part="train", count=POOL), _draw(data, part="test", count=MEASURED)
    grids = [_grid(pool, scene) for scene in range(POOL)]
    encoder = Embeddings(
        load_encoder(SHIPPED_CHECKPOINT), FileCache(CACHE, max_bytes=10**8), fingerprint=fingerprint(SHIPPED_CHECKPOINT)
    )
    embeddings = np.stack([encoder.of([_store_image(image, number)])[0] for number, image in enumerate(pool.images)])
    return Stage(pool, grids, embeddings, test_scenes)


def _grid(pool: Scenes, scene: int) -> Grid:
    """Return the scores of all settings on a scene; stored as a list, whose order that of an image without objects gives."""
    file = RUNS / f"grid-{scene}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(list(score_grid(pool.images[scene], pool.boxes[scene]).values())))
    return dict(zip(_choices(), json.loads(file.read_text()), strict=True))


@cache
def _choices() -> tuple[GridPoint, ...]:
    return tuple(score_grid(np.zeros((SIDE_PX, SIDE_PX, 3), np.float32), []))


def _read_or_run(stage: Stage, strategy: str, seed: int) -> list[float]:
    file = RUNS / f"run-{strategy.split()[0]}-{seed}.json"
    if not file.exists():
        file.write_text(json.dumps(simulate(stage, STRATEGIES[strategy], seed)))
    values: list[float] = json.loads(file.read_text())
    return values


def _draw(data: Path, *, part: Part, count: int) -> Scenes:
    generator = generator_of(data, part=part)
    scenes = [generator.draw(seed, SIDE_PX) for seed in range(count)]
    return Scenes([scene.image for scene in scenes], [_boxes(scene) for scene in scenes])


def simulate(stage: Stage, strategy: Strategy, seed: int) -> list[float]:
    """Return the average precision on the measured scenes after each batch."""
    rows: Indices = np.zeros(0, np.intp)
    head, values = SourceDetector.base((CLASS,)), []
    for batch in range(BATCHES):
        generator = np.random.default_rng((seed, batch))
        open_ = generator.permutation(np.setdiff1d(np.arange(POOL), rows))
        rows = np.concatenate([rows, strategy(stage, head, open_, rows, generator)])
        head = _fit(stage, rows, head)
        values.append(_measure(stage.test_scenes, head))
    return values


def _random(stage: Stage, head: SourceDetector, open_: Indices, rows: Indices, generator: np.random.Generator) -> Indices:
    return open_[:BATCH]


def _uncertain(stage: Stage, head: SourceDetector, open_: Indices, rows: Indices, generator: np.random.Generator) -> Indices:
    return open_[np.argsort(-_uncertainty(stage, head, open_), kind="stable")[:BATCH]]


def _herding(stage: Stage, head: SourceDetector, open_: Indices, rows: Indices, generator: np.random.Generator) -> Indices:
    features, labelled_features = reduce_embeddings(stage.embeddings[open_], stage.embeddings[rows])
    pool = Pool(features, labelled_features, np.zeros((len(open_), 0), np.float32), _uncertainty(stage, head, open_))
    return open_[select_batch(pool, "herding", BATCH, source=generator)]


STRATEGIES: dict[str, Strategy] = {"random": _random, "uncertain": _uncertain, "herding (default)": _herding}


def _uncertainty(stage: Stage, head: SourceDetector, scenes: Indices) -> NDArray[np.float32]:
    """Return one minus the own score of each scene, as the queue reads it."""
    entropies = [entropy_of_objects(stage.pool.find(head, int(scene))) for scene in scenes]
    return np.array([1 - acquisition_confidence(entropy) for entropy in entropies], np.float32)


def _fit(stage: Stage, rows: Indices, head: SourceDetector) -> SourceDetector:
    images = [stage.pool.images[scene] for scene in rows]
    boxes = [[(box, CLASS) for box in stage.pool.boxes[scene]] for scene in rows]
    try:
        return SourceDetector.fit(images, boxes, classes=(CLASS,), grids=[stage.grids[scene] for scene in rows])
    except NotEnoughLabels:
        return head


def _measure(scenes: Scenes, head: SourceDetector) -> float:
    matches = [_match(scenes.find(head, scene), scenes.boxes[scene]) for scene in range(len(scenes.images))]
    return float(average_precision(matches)(np.ones((1, len(matches))))[0])


def _match(objects: Sequence[Detected], boxes: Sequence[Box]) -> ImageMatches:
    labels, names = (CLASS,) * len(objects), (CLASS,) * len(boxes)
    scores = np.array([each.score for each in objects], np.float64)
    overlaps = box_overlaps(box_edges([each.source.box for each in objects]), box_edges(boxes))
    return ImageMatches(labels, scores, match_detections(overlaps, scores, labels, names), names)


def _boxes(scene: Scene) -> list[Box]:
    return [Box(left, top, right - left, bottom - top) for left, top, right, bottom in scene.boxes.tolist()]


def _store_image(image: NDArray[np.float32], number: int) -> StoredImage:
    file = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(file, "PNG")
    return StoredImage(f"human-in-the-loop-train-{SIDE_PX}-{number}", file.getvalue, 10**8)


def _mean(values: Floats) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
