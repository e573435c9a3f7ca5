"""Embeddings, and classes with masks (`everything`), in bulk: images per second of one core, before and with each change.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.throughput.bulk DATA     (a minute on one idle core)

DATA holds gz1/ and gz2/. Three kinds of survey cut-outs are predicted as `galaxyloop survey` does it, without writing: crops of
124 px of the Hubble deep field, SDSS cut-outs of 256 px (gz1) and of 424 px (gz2), read from JPEG or PNG in memory, without a
cache. All methods work on the same images in turn, and the CPU time of the process is divided by their number, so that other
work on the machine changes the figures little. The AUC of a logistic regression on the embeddings of gz1's `val` part, in which
labels are drawn, is that of both arithmetics. Writes a section of docs/benchmarks.md and benchmarks/results/bulk.json.

How the cost grows. Linearly with the number of images, and in `everything` with the number of objects that are decoded.

Limitations. One process with one thread: on two cores, two workers (`--engine ray`) predict twice as many images.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from skimage.data import hubble_deep_field
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from backend.images.local import LocalImageStore
from backend.jobs.memory import keep_freed_memory
from backend.lvm import openvino_encoder
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_encoder
from backend.lvm.cropping import frame
from backend.prediction import shipped_parts
from backend.prediction.factory import PredictorFactory, read_config
from backend.prediction.predictor import Predictor
from backend.prediction.project_heads import ProjectHeads
from backend.prediction.rows import predict_rows
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.errors.images import ImageError
from sync.files.cache import MemoryCache
from sync.images.decode import decode

IMAGES, BATCH = 16, 8
CROP_PX = 124
EMBEDDED, LABELS, DRAWS = 400, (32, 128), 10
CONFIG = Path(__file__).parents[2] / "labeling_configs" / "everything.xml"
EMBEDDING_COLUMNS = ["arithmetic", "images/s of one core", "cosine: mean, smallest", *(f"AUC, {n} labels" for n in LABELS)]
BEFORE, OUTLINES, FAST = "all objects decoded", "small objects keep their outline", "the same, extra `fast`"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to predict: whether all objects are decoded, and whether OpenVINO computes the encoder."""

    decodes_all: bool
    fast: bool

    def open(self, images: LocalImageStore) -> Predictor:
        """Return a predictor with the shipped heads and a new cache."""
        load = openvino_encoder.load_fastest_encoder if self.fast else load_encoder
        setattr(shipped_parts, "load_fastest_encoder", load)  # noqa: B010
        cache = MemoryCache(max_bytes=256 * 2**20)
        factory = PredictorFactory(images, cache, cache)
        heads = ProjectHeads(prompted_masks=replace(factory.base_masks, decoded_from_px=0.0) if self.decodes_all else None)
        return factory.build(read_config(CONFIG.read_text()), heads, version="benchmark")


METHODS = {BEFORE: Method(True, False), OUTLINES: Method(False, False), FAST: Method(False, True)}


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description="Measure embeddings and masks in bulk.")
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    torch.set_num_threads(1)
    keep_freed_memory()
    has_openvino = bool(openvino_encoder.load_fastest_encoder(SHIPPED_CHECKPOINT).numerics)
    methods = {name: method for name, method in METHODS.items() if has_openvino or not method.fast}
    sets = {
        f"Hubble deep field, {CROP_PX} px": _cut_crops(),
        "gz1, 256 px": _read(data, "gz1"),
        "gz2, 424 px": _read(data, "gz2"),
    }
    masks = [_measure_masks(name, files, methods) for name, files in sets.items()]
    embedding = _measure_embedding(data) if has_openvino else []
    tables = [
        markdown_table(["cut-outs", "objects an image", *methods], masks, title="`everything`, images per second of one core"),
        markdown_table(EMBEDDING_COLUMNS, embedding, title="Embeddings, frames in memory"),
    ]
    Console().print(*tables, sep="\n\n", markup=False)
    write_numbers("bulk", {"machine": machine_line(), "masks": masks, "embedding": embedding})
    write_section("bulk", "\n\n".join([f"One run on {machine_line()}.", *tables]))


def _measure_masks(name: str, files: Sequence[bytes], methods: dict[str, Method]) -> list[str]:
    """Return a row: the objects of an image, and the rate of each method."""
    rates, objects = [], 0
    for method in methods.values():
        images = LocalImageStore(max_bytes=10**8, max_pixels=10**8)
        predictor = method.open(images)
        _predict(predictor, images, files[:2])  # the first images are slower
        began = time.process_time()
        objects = _predict(predictor, images, files[2:])
        rates.append((len(files) - 2) / (time.process_time() - began))
    return [name, f"{objects / (len(files) - 2):.1f}", *(f"{rate:.3g}" for rate in rates)]


def _predict(predictor: Predictor, images: LocalImageStore, files: Sequence[bytes]) -> int:
    """Predict images as a survey does; return the number of their objects."""
    count = 0
    for start in range(0, len(files), BATCH):
        batch = {str(start + index): images.decode(content) for index, content in enumerate(files[start : start + BATCH])}
        images.hold(batch)
        for rows in predict_rows(list(batch), predictor.models, predictor.extractor):
            assert not isinstance(rows, ImageError)
            objects: Any = rows[1]["outline"].value
            count += len(objects)
    return count


def _measure_embedding(data: Path) -> list[list[str]]:
    """Return a row for each arithmetic: its rate, its agreement with PyTorch, and the AUC of a classifier."""
    with (data / "gz1" / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"][:EMBEDDED]
    labels = np.array([row["coarse5"] for row in rows])
    fast_encoder = openvino_encoder.load_fastest_encoder(SHIPPED_CHECKPOINT)
    encoders = {"PyTorch, float32": load_encoder(SHIPPED_CHECKPOINT), "OpenVINO, bfloat16": fast_encoder}
    side = encoders["PyTorch, float32"].image_px
    pixels = np.stack([frame(decode((data / "gz1" / row["file"]).read_bytes()), side=side) for row in rows])
    frames = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    rates, vectors = {}, {}
    for name, encoder in encoders.items():
        encoder.embed(frames[:32])
        rates[name] = max(_rate(partial(encoder.embed, frames[:32]), 32) for _ in range(5))
        vectors[name] = torch.cat([encoder.embed(frames[start : start + 32]) for start in range(0, len(frames), 32)])
    reference = vectors["PyTorch, float32"]
    cosines = {name: torch.nn.functional.cosine_similarity(each, reference) for name, each in vectors.items()}
    aucs = {name: [_auc(each.numpy(), labels, count) for count in LABELS] for name, each in vectors.items()}
    return [
        [
            name,
            f"{rates[name]:.0f}",
            f"{cosines[name].mean():.4f}, {cosines[name].min():.4f}",
            *(f"{auc:.4f}" for auc in aucs[name]),
        ]
        for name in encoders
    ]


def _auc(vectors: NDArray[np.float32], labels: NDArray[Any], count: int) -> float:
    """Return the macro AUC of a logistic regression on `count` labels, a mean over draws that are the same for all vectors."""
    rng, aucs = np.random.default_rng(0), []
    scaled_vectors = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
    for _ in range(DRAWS):
        order = rng.permutation(len(labels))
        train, test = order[:count], order[count:]
        if len(set(labels[train])) < len(set(labels)):
            continue
        model = LogisticRegression(C=0.01, max_iter=300, class_weight="balanced").fit(scaled_vectors[train], labels[train])
        aucs.append(roc_auc_score(labels[test], model.predict_proba(scaled_vectors[test]), multi_class="ovr", average="macro"))
    return float(np.mean(aucs))


def _rate(work: Callable[[], object], images: int) -> float:
    began = time.process_time()
    work()
    return images / (time.process_time() - began)


def _read(data: Path, name: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((data / name / "images").glob("*.jpg"))[:IMAGES]]


def _cut_crops() -> list[bytes]:
    """Return squares of the Hubble deep field as PNG files."""
    field, rng, files = hubble_deep_field(), np.random.default_rng(0), []
    for _ in range(IMAGES):
        top, left = (int(rng.integers(0, length - CROP_PX)) for length in field.shape[:2])
        buffer = io.BytesIO()
        Image.fromarray(field[top : top + CROP_PX, left : left + CROP_PX]).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


if __name__ == "__main__":
    main()
