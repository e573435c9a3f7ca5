"""Fit the shipped morphology head on Galaxy Zoo labels, print its metrics, and save it next to the encoder.

Run: .venv/bin/python -m benchmarks.shipped_weights.base_head DATA   (DATA holds gz1/ and gz2/ with images and labels.csv)

The head is fitted on `train` of both sets; `val` was used to choose the cropping, `test` is reported once. Galaxies of one
set's test or validation part are never in the other's training part.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.metrics import roc_auc_score

from backend.heads.classification.calibration import brier_score, expected_calibration_error
from backend.heads.classification.morphology import Morphology
from backend.images.store import StoredImage
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint, load_encoder
from backend.lvm.embeddings import Embeddings
from backend.prediction.factory import BASE_MORPHOLOGY
from sync.files.cache import FileCache, key_of

CLASSES = ("elliptical", "spiral", "edge_on", "merger")
LABELS = {"gz1": ("coarse5", "sdss_dr7_objid"), "gz2": ("clean_label", "dr7objid")}
RESAMPLES = 1000
BATCH = 64


def read(data: Path, name: str) -> list[dict[str, str]]:
    """Read the rows of one set with one of `CLASSES`: file, label, object and split."""
    label, object_id = LABELS[name]
    with (data / name / "labels.csv").open() as file:
        rows = [
            {"file": str(data / name / row["file"]), "label": row[label], "object": row[object_id], "split": row["split"]}
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if row["label"] in CLASSES]


def embed(rows: list[dict[str, str]], embeddings: Embeddings) -> NDArray[np.float32]:
    """Embed the images of rows, shape (n, d)."""
    batches = []
    for start in track(range(0, len(rows), BATCH), "embedding", transient=True):
        files = [Path(row["file"]) for row in rows[start : start + BATCH]]
        batches.append(embeddings.of([StoredImage(key_of(file.read_bytes()), file.read_bytes, 10**8) for file in files]))
    return np.concatenate(batches)


def targets(rows: list[dict[str, str]]) -> NDArray[np.float64]:
    """Return one-hot labels, shape (n, k)."""
    return np.array([[row["label"] == name for name in CLASSES] for row in rows], np.float64)


def macro_auc(probabilities: NDArray[np.float32], truth: NDArray[np.float64]) -> float:
    """Compute the mean over classes of the area under the one-vs-rest ROC curve."""
    columns = [column for column in range(truth.shape[1]) if 0 < truth[:, column].sum() < len(truth)]
    return float(np.mean([roc_auc_score(truth[:, column], probabilities[:, column]) for column in columns]))


def main(data: Path) -> None:
    """Fit the head, save it, and print its metrics."""
    cache = FileCache(Path(".cache/base-head"), max_bytes=2**30)
    embeddings = Embeddings(load_encoder(SHIPPED_CHECKPOINT), cache, fingerprint=fingerprint(SHIPPED_CHECKPOINT))
    sets = {name: read(data, name) for name in LABELS}
    held_out = {row["object"] for rows in sets.values() for row in rows if row["split"] != "train"}
    training = [row for rows in sets.values() for row in rows if row["split"] == "train" and row["object"] not in held_out]
    head = Morphology.fit(embed(training, embeddings), targets(training), classes=CLASSES, exclusive=True)
    head = replace(head, encoder=fingerprint(SHIPPED_CHECKPOINT))
    head.save(BASE_MORPHOLOGY)

    table = Table(
        "set", "part", "galaxies", "macro AUC (95 % interval)", "Brier", "ECE", title=f"base head, {len(training)} labels"
    )
    generator = np.random.default_rng(0)
    for name, rows in sets.items():
        for part in ("val", "test"):
            rows_of_part = [row for row in rows if row["split"] == part]
            probabilities, truth = head.predict(embed(rows_of_part, embeddings)), targets(rows_of_part)
            samples = []
            for _ in range(RESAMPLES):
                sample = generator.integers(len(rows_of_part), size=len(rows_of_part))
                samples.append(macro_auc(probabilities[sample], truth[sample]))
            low, high = np.percentile(samples, [2.5, 97.5])
            brier = brier_score(probabilities, truth)
            ece = expected_calibration_error(probabilities, truth)
            auc = f"{macro_auc(probabilities, truth):.3f} ({low:.3f}-{high:.3f})"
            table.add_row(name, part, str(len(rows_of_part)), auc, f"{brier:.3f}", f"{ece:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
