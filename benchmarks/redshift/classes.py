"""Classes from images and catalogue columns: what the columns add, and what the folds choose.

No set of the data has classes that people gave and a catalogue with magnitudes. The columns are measured on the pictures, and
one of the two sets has derived classes, thirds of the metallicities. The other has classes of people.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.class_expert import PlainClasses
from backend.heads.classification.column_choice import choose_class_features
from backend.heads.classification.combined import CombinedClasses
from backend.heads.classification.combined_fitting import fit_combined
from backend.heads.classification.fit_classes import MorphologyFit
from backend.heads.classification.labelled_images import LabelledImages
from backend.heads.classification.links import link_of
from backend.heads.feature_blocks import COLUMNS, Block
from backend.heads.inputs import HeadInputs
from benchmarks.redshift.pictures import colours_of, embed

__all__ = ["CLASS_SETS", "ClassSet", "run_classes"]

Floats = NDArray[np.float64]
FOLDS, DRAWS = 5, 2000


@dataclass(frozen=True, eq=False)
class ClassSet:
    """n galaxies with a class: inputs, and the index of the class."""

    inputs: HeadInputs
    kinds: NDArray[np.intp]
    classes: tuple[str, ...]

    def fit(self, inputs: HeadInputs, rows: NDArray[np.intp]) -> PlainClasses | CombinedClasses:
        """Fit to the galaxies at `rows` with other inputs."""
        own, targets = inputs.only(rows), np.eye(len(self.classes))[self.kinds[rows]]
        fit, link = MorphologyFit(self.classes, exclusive=True), link_of(exclusive=True)
        images = LabelledImages(own, targets, fit=fit, offset=None, leaf_targets=lambda each: each, link=link)
        return fit_combined(images, choose_class_features(own.blocks, targets, control="kind", labels=self.classes))


def run_classes(galaxies: ClassSet) -> dict[str, Any]:
    """Compare image, columns and both in five-fold cross-validation; gains have 95 % intervals from a bootstrap."""
    n = len(galaxies.kinds)
    blank = np.zeros((n, 1), np.float32)
    arms = {
        "image": HeadInputs.of_images(galaxies.inputs.embeddings),
        "columns": HeadInputs(blank, galaxies.inputs.blocks),
        "columns and image": galaxies.inputs,
    }
    folds = np.random.default_rng(0).permutation(n) % FOLDS
    losses, right, fields = {}, {}, dict[str, Any](galaxies=n, classes=list(galaxies.classes))
    for name, inputs in arms.items():
        probabilities, uses = np.zeros((n, len(galaxies.classes))), 0
        for fold in range(FOLDS):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            head = galaxies.fit(inputs, train)
            combined_head = head if isinstance(head, CombinedClasses) else CombinedClasses(head)
            uses += bool(combined_head.blocks)
            probabilities[test] = combined_head.predict(inputs.only(test))
        losses[name] = -np.log(probabilities[np.arange(n), galaxies.kinds])
        right[name] = (probabilities.argmax(axis=1) == galaxies.kinds).astype(np.float64)
        fields[name] = {"log_loss": _interval(losses[name]), "accuracy": _interval(right[name]), "folds_with_columns": uses}
        print(name, fields[name], flush=True)
    *others, best = arms
    for other in others:
        fields[f"gain over {other}"] = {
            "log_loss": _interval(losses[other] - losses[best]),
            "accuracy": _interval(right[best] - right[other]),
        }
        print("gain over", other, fields[f"gain over {other}"], flush=True)
    return fields


def read_metal_thirds(folder: Path) -> ClassSet:
    """Read the galaxies with a metallicity, in thirds of 12 + log(O/H)."""
    rows = _read(folder / "metallicity" / "labels.csv")
    metals = np.array([float(row["oh_12plus_log"]) for row in rows])
    kinds = np.searchsorted(np.quantile(metals, [1 / 3, 2 / 3]), metals)
    return _with_pictures([folder / "metallicity" / row["file"] for row in rows], kinds, ("poor", "middle", "rich"))


def read_rings(folder: Path) -> ClassSet:
    """Read the galaxies with and without a ring, whose classes people gave."""
    rows = _read(folder / "rings" / "labels.csv")
    kinds = np.array([int(float(row["ring"])) for row in rows], np.intp)
    return _with_pictures([folder / "rings" / row["file"] for row in rows], kinds, ("no ring", "ring"))


CLASS_SETS: dict[str, Callable[[Path], ClassSet]] = {
    "metals": read_metal_thirds,
    "rings": read_rings,
}


def _with_pictures(files: list[Path], kinds: NDArray[np.intp], classes: tuple[str, ...]) -> ClassSet:
    blocks = tuple({COLUMNS: Block(colours_of(file))} for file in files)
    return ClassSet(HeadInputs(embed(files), blocks), np.asarray(kinds, np.intp), classes)


def _interval(values: Floats) -> dict[str, float]:
    """Return the mean and its 95 % interval from a bootstrap over galaxies."""
    rng = np.random.default_rng(0)
    means = [float(values[rng.integers(0, len(values), len(values))].mean()) for _ in range(DRAWS)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
