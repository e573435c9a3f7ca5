"""The order of scenes with boxes: query strategies of projects with objects against random order, on simulated scenes.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.human_in_the_loop.objects DATA [--part val|test] [--seeds 5] [--write]

A simulated annotator draws all boxes of batches of five scenes that a strategy chooses; source extraction is fitted after each
batch, and average precision is measured on other scenes. The strategies are those of the product that need no classes, with the
product's uncertainty of objects as information (`backend/loop/queue`): `bald` takes the scenes with the largest uncertainty,
`herding` covers the pool weighted by it. Each seed draws its own pool from the scenes to label. The parts share no galaxy;
`--part val` is for the choice of a default, and `--part test` reports.

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
from collections.abc import Sequence
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
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.files.cache import FileCache
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box

SCENES, POOL, MEASURED, SIDE_PX = 120, 96, 80, 160
BATCH, BATCHES = 5, 8
CLASS = "Galaxy"
STRATEGIES = ("random", "bald", "herding", "kmeans", "typiclust", "coreset")
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

    scenes: Scenes
    grids: Sequence[Grid]
    embeddings: NDArray[np.float32]
    test_scenes: Scenes
    part: Part


def main() -> None:
    """Simulate all strategies, print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description="The order of scenes with boxes.")
    parser.add_argument("data", type=Path, help="folder that holds masks/ and fields/")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=("val", "test"), default="val")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    stage = prepare(options.data, part=options.part)
    runs = {(seed, name): _read_or_run(stage, name, seed) for seed, name in product(range(options.seeds), STRATEGIES)}
    results = {name: np.array([runs[seed, name] for seed in range(options.seeds)]) for name in STRATEGIES}
    table = _tabulate(results)
    print(table)
    if options.write:
        line = f"{options.seeds} seeds, {options.part} part, {machine_line()}."
        write_section("human_in_the_loop_objects", f"{line}\n\n{table}")
        numbers = {name: values.round(4).tolist() for name, values in results.items()}
        write_numbers("human_in_the_loop_objects", {"machine": machine_line(), "part": options.part, "ap50_and_boxes": numbers})


def _tabulate(results: dict[str, Floats]) -> str:
    """Return the table of runs of shape (seeds, 2, batches): average precision and number of drawn boxes after each batch."""
    by_scenes = {name: runs[:, 0] for name, runs in results.items()}
    low, high = max(runs[:, 1, 0].max() for runs in results.values()), min(runs[:, 1, -1].min() for runs in results.values())
    grid = np.linspace(low, high, 20)
    by_boxes = {name: np.array([np.interp(grid, run[1], run[0]) for run in runs]) for name, runs in results.items()}
    gains = [[_mean((curves[name] - curves["random"]).mean(axis=1)) for curves in (by_scenes, by_boxes)] for name in results]
    rows = [
        [name, *map(_mean, runs[:, 0].T[1::2]), f"{runs[:, 1, -1].mean():.0f}", *gain]
        for (name, runs), gain in zip(results.items(), gains, strict=True)
    ]
    scenes = [BATCH * (batch + 1) for batch in range(1, BATCHES, 2)]
    columns = [
        "strategy",
        *(f"{count} scenes" for count in scenes),
        f"boxes in {scenes[-1]} scenes",
        "curve minus random",
        "minus random, per box",
    ]
    return markdown_table(columns, rows, title="AP of boxes (IoU 0.5), mean and standard error over seeds")


def prepare(data: Path, *, part: Part) -> Stage:
    """Draw the scenes, score the settings' grid on them, and embed them."""
    scenes, test_scenes = _draw(data, part="train", count=SCENES), _draw(data, part=part, count=MEASURED)
    grids = [_grid(scenes, scene) for scene in range(SCENES)]
    return Stage(scenes, grids, _embed(scenes), test_scenes, part)


def _embed(scenes: Scenes) -> NDArray[np.float32]:
    encoder = fingerprint(SHIPPED_CHECKPOINT)
    file = RUNS / f"embeddings-{encoder}.npy"
    if not file.exists():
        source = Embeddings(load_encoder(SHIPPED_CHECKPOINT), FileCache(CACHE, max_bytes=10**8), fingerprint=encoder)
        np.save(file, np.stack([source.of([_store_image(image, number)])[0] for number, image in enumerate(scenes.images)]))
    embeddings: NDArray[np.float32] = np.load(file)
    return embeddings


def _grid(scenes: Scenes, scene: int) -> Grid:
    """Return the scores of all settings on a scene; stored as a list, whose order that of an image without objects gives."""
    file = RUNS / f"grid-{scene}.json"
    if not file.exists():
        file.write_text(json.dumps(list(score_grid(scenes.images[scene], scenes.boxes[scene]).values())))
    return dict(zip(_choices(), json.loads(file.read_text()), strict=True))


@cache
def _choices() -> tuple[GridPoint, ...]:
    return tuple(score_grid(np.zeros((SIDE_PX, SIDE_PX, 3), np.float32), []))


def _read_or_run(stage: Stage, strategy: str, seed: int) -> list[list[float]]:
    file = RUNS / f"run-{stage.part}-{strategy}-{seed}.json"
    if not file.exists():
        file.write_text(json.dumps(simulate(stage, strategy, seed)))
    values: list[list[float]] = json.loads(file.read_text())
    return values


def _draw(data: Path, *, part: Part, count: int) -> Scenes:
    """Return scenes, which are drawn once: reading the skies takes half a minute."""
    file = RUNS / f"scenes-{part}.npz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        generator = generator_of(data, part=part)
        new_scenes = [generator.draw(seed, SIDE_PX) for seed in range(count)]
        numbers = np.repeat(np.arange(count), [len(scene.boxes) for scene in new_scenes])
        images, edges = np.stack([scene.image for scene in new_scenes]), np.concatenate([scene.boxes for scene in new_scenes])
        np.savez(file, images=images, edges=edges, numbers=numbers)
    arrays = np.load(file)
    boxes = [_boxes(arrays["edges"][arrays["numbers"] == number]) for number in range(count)]
    return Scenes(list(arrays["images"]), boxes)


def simulate(stage: Stage, strategy: str, seed: int) -> list[list[float]]:
    """Return the average precision on the test scenes, and the number of boxes drawn so far, after each batch."""
    pool: Indices = np.random.default_rng(seed).permutation(SCENES)[:POOL]
    rows: Indices = np.zeros(0, np.intp)
    head, values, boxes = SourceDetector.base((CLASS,)), [], []
    for batch in range(BATCHES):
        open_ = np.setdiff1d(pool, rows)
        features, labelled_features = reduce_embeddings(stage.embeddings[open_], stage.embeddings[rows])
        no_classes = np.zeros((len(open_), 0), np.float32)
        candidates = Pool(features, labelled_features, no_classes, _uncertainty(stage, head, open_))
        choice = select_batch(candidates, strategy, BATCH, source=np.random.default_rng((seed, batch)))
        rows = np.concatenate([rows, open_[choice]])
        head = _fit(stage, rows, head)
        values.append(_measure(stage.test_scenes, head))
        boxes.append(float(sum(len(stage.scenes.boxes[row]) for row in rows)))
    return [values, boxes]


def _uncertainty(stage: Stage, head: SourceDetector, scenes: Indices) -> NDArray[np.float32]:
    """Return one minus the own score of each scene, as the queue reads it."""
    entropies = [entropy_of_objects(stage.scenes.find(head, int(scene))) for scene in scenes]
    return np.array([1 - acquisition_confidence(entropy) for entropy in entropies], np.float32)


def _fit(stage: Stage, rows: Indices, head: SourceDetector) -> SourceDetector:
    images = [stage.scenes.images[scene] for scene in rows]
    boxes = [[(box, CLASS) for box in stage.scenes.boxes[scene]] for scene in rows]
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


def _boxes(edges: Floats) -> list[Box]:
    return [Box(left, top, right - left, bottom - top) for left, top, right, bottom in edges.tolist()]


def _store_image(image: NDArray[np.float32], number: int) -> StoredImage:
    file = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(file, "PNG")
    return StoredImage(f"human-in-the-loop-train-{SIDE_PX}-{number}", file.getvalue, 10**8)


def _mean(values: Floats) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
