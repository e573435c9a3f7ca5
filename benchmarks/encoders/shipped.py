"""Measure the shipped encoder on galaxies whose votes it has not seen, beside its network alone and ImageNet's features.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.encoders.shipped DATA WORK

For the classes of Galaxy Zoo 1 and 2 and for rings in DECaLS, labels are drawn from the test part, and the rest of it is
scored: the network has learned the votes of the train parts. For metallicity, labels are drawn from the train part, and the
rest is scored. Questions without votes in the training are those of `leave_one_out`. The test parts are scored once. WORK holds
embeddings.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from backend.heads.classification.morphology import Morphology
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_encoder
from backend.lvm.cropping import frame
from backend.lvm.encoder import Encoder
from backend.lvm.shipped_encoder import load_shipped_encoder
from benchmarks.encoders.cost import measure_cost, open_shipped, open_shipped_classifier
from benchmarks.encoders.leave_one_out import Files, imagenet, read_question
from benchmarks.encoders.probes import Interval, compare, probe, score
from benchmarks.encoders.run import draw_labels, read
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.images.decode import decode

LARGE_PX, LARGE_TURNS = 160, 2
RUNGS = {"Galaxy Zoo 2": (32, 64), "Galaxy Zoo 1": (32, 256), "rings": (32, 48)}
TRAIN_RUNGS = (32, 128, 256)
RESAMPLES = 1000
SHIPPED, CLASSIFIER = "shipped", "shipped-classifier"
IMAGENET, IMAGENET_LARGE = "ImageNet, 96 px", "ImageNet, 160 px"
ARMS = (SHIPPED, CLASSIFIER, IMAGENET, IMAGENET_LARGE)

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Embed = Callable[[torch.Tensor], torch.Tensor]


class Arms:
    """Embeds images by all encoders, and keeps the embeddings on disk."""

    def __init__(self, work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._work = work
        start = load_encoder(imagenet(work))
        self._encoders: dict[str, tuple[Embed, int]] = {
            SHIPPED: (load_shipped_encoder(load_encoder).embed, start.image_px),
            CLASSIFIER: (load_encoder(SHIPPED_CHECKPOINT).embed, start.image_px),
            IMAGENET: (start.embed, start.image_px),
            IMAGENET_LARGE: (lambda images: Encoder.embed(start, images, turns=LARGE_TURNS), LARGE_PX),
        }

    def embed(self, name: str, files: Files) -> dict[str, Vectors]:
        """Return the embeddings of images by each arm, shape (n, d)."""
        place = self._work / f"{name}.safetensors"
        if not place.exists():
            parts: dict[str, list[Vectors]] = {arm: [] for arm in self._encoders}
            for begin in range(0, len(files), 16):
                pixels = [decode(file.read_bytes()) for file in files[begin : begin + 16]]
                for arm, (embed, side) in self._encoders.items():
                    crops = np.stack([frame(each, side=side) for each in pixels])
                    parts[arm].append(embed(torch.from_numpy(crops).permute(0, 3, 1, 2)).numpy())
            save_file({arm: np.concatenate(each) for arm, each in parts.items()}, place)
        vectors: dict[str, Vectors] = load_file(place)
        return {arm: vectors[arm] for arm in ARMS}


def measure_classes(vectors: dict[str, Vectors], targets: Floats, labels: int) -> dict[str, Any]:
    """Return the macro area under the ROC curve of each arm, and the gain of the shipped encoder over each other one."""
    classes = tuple(map(str, range(targets.shape[1])))
    draws = list(draw_labels(targets, labels))
    wins = {}
    for arm, embeddings in vectors.items():
        predictions = np.full((len(draws), *targets.shape), np.nan)
        for number, (rows, rest) in enumerate(draws):
            head = Morphology.fit(embeddings[rows], targets[rows], classes=classes, exclusive=True)
            predictions[number, rest] = head.predict(embeddings[rest])
        wins[arm] = [_wins(predictions[..., column], targets[:, column] > 0) for column in range(targets.shape[1])]
    uniform = np.ones(len(targets))
    generator = np.random.default_rng(0)
    weights = [
        np.bincount(generator.integers(len(targets), size=len(targets)), minlength=len(targets)) for _ in range(RESAMPLES)
    ]
    areas = {arm: _area(each, targets, uniform) for arm, each in wins.items()}
    resampled_areas = {arm: np.array([_area(each, targets, weight) for weight in weights]) for arm, each in wins.items()}
    gains = {}
    for arm in vectors:
        if arm != SHIPPED:
            low, high = np.nanpercentile(resampled_areas[SHIPPED] - resampled_areas[arm], [2.5, 97.5])
            gains[arm] = asdict(Interval(areas[SHIPPED] - areas[arm], float(low), float(high)))
    return {"scores": areas, "gains": gains}


def _wins(predictions: Floats, is_positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return how often each positive galaxy is ranked above each negative one, and in how many draws both are scored."""
    positive, negative = predictions[:, is_positive], predictions[:, ~is_positive]
    wins, counts = np.zeros((2, positive.shape[1], negative.shape[1]))
    for high, low in zip(positive, negative, strict=True):
        wins += (high[:, None] > low) + 0.5 * (high[:, None] == low)
        counts += np.isfinite(high)[:, None] & np.isfinite(low)
    return wins, counts


def _area(wins: list[tuple[Floats, Floats]], targets: Floats, weight: NDArray[np.floating | np.integer]) -> float:
    """Return the macro area under the ROC curve for weighted galaxies; NaN if a class is missing."""
    areas = []
    for column, (win_counts, counts) in enumerate(wins):
        positive, negative = weight[targets[:, column] > 0], weight[targets[:, column] == 0]
        pairs = float(positive @ counts @ negative)
        areas.append(float(positive @ win_counts @ negative) / pairs if pairs else np.nan)
    return float(np.mean(areas))


def measure_metallicity(data: Path, arms: Arms) -> dict[str, Any]:
    """Return the scores of all arms, and the gain of the shipped encoder over each other one, by number of labels."""
    files, question = read_question(data, "metallicity")
    vectors = arms.embed("metallicity", files)
    results: dict[str, Any] = {}
    for labels in TRAIN_RUNGS:
        predictions = {arm: probe(question, vectors[arm], labels=labels) for arm in ARMS}
        results[str(labels)] = {
            "scores": {arm: score(question, values) for arm, values in predictions.items()},
            "gains": {arm: asdict(compare(question, predictions[SHIPPED], predictions[arm])) for arm in ARMS[1:]},
        }
    return results


def read_classes(data: Path, name: str) -> tuple[Files, Floats]:
    """Return images and classes of a test part, shape (n, k)."""
    if name == "rings":
        with (data / name / "labels.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
        ring = np.array([float(row["ring"]) for row in rows])
        return [data / name / row["file"] for row in rows], np.stack([1 - ring, ring], axis=1)
    galaxies = read(data, f"gz{name[-1]}", test=True)
    return galaxies.files, galaxies.targets


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return scores of all arms and gains of the shipped encoder, a row for each question and number of labels."""
    rows = []
    for question, by_labels in results.items():
        for labels, cell in by_labels.items():
            gains = (cell["gains"][arm] for arm in ARMS[1:])
            rows.append(
                [question, labels, *(f"{cell['scores'][arm]:.3f}" for arm in ARMS)]
                + [f"{gain['difference']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})" for gain in gains]
            )
    return markdown_table(["question", "labels", *ARMS, *(f"gain over {arm}" for arm in ARMS[1:])], rows)


def describe_cost() -> str:
    """Return how many images per second of CPU time one thread embeds, in one sentence."""
    alone, whole = (measure_cost(*open_encoder()).images_per_s for open_encoder in (open_shipped_classifier, open_shipped))
    return f"One thread embeds {alone:.1f} images/s by `{CLASSIFIER}`, and {whole:.1f} by `{SHIPPED}`."


def main(data: Path, work: Path) -> None:
    """Measure everything and write the section."""
    torch.set_num_threads(1)
    arms = Arms(work)
    classes: dict[str, dict[str, Any]] = {}
    for name, rungs in RUNGS.items():
        files, targets = read_classes(data, name)
        vectors = arms.embed(f"{name} test", files)
        classes[name] = {str(labels): measure_classes(vectors, targets, labels) for labels in rungs}
        print(name, len(files), json.dumps(classes[name]), flush=True)
    classes["metallicity, R²"] = measure_metallicity(data, arms)
    write_numbers("shipped_encoder", classes)
    text = f"{machine_line()}\n\n{describe_cost()}\n\n{table(classes)}"
    write_section("shipped_encoder", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
