"""Redshifts of zCOSMOS and SDSS from magnitudes, metallicities from images, and classes: one run, a few CPU minutes.

    python -m benchmarks.redshift.run DATA [--sets sdss,zcosmos,metallicity,metals,rings] [--output results.json]

DATA has the folders `photoz`, `metallicity` and `rings`. Heads are fitted on train and val; the test part is reported
once. The results of sets that are not run are kept; the section of docs/benchmarks.md is written anew.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from backend.heads.feature_blocks import COLUMNS, Block, FeatureBlocks
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Regression
from benchmarks.redshift.classes import CLASS_SETS, run_classes
from benchmarks.redshift.methods import METHODS, number_scores, time_work
from benchmarks.redshift.page import write_page
from benchmarks.redshift.pictures import colours_of, embed
from benchmarks.redshift.sets import GalaxySet, read_metallicity, read_sdss, read_zcosmos
from benchmarks.report import RESULTS

__all__ = ["main"]


def run_redshifts(galaxies: GalaxySet) -> dict[str, Any]:
    """Compare the methods on one set."""
    train, test = galaxies.rows("train", "val"), galaxies.rows("test")
    true = galaxies.values[test]
    result: dict[str, Any] = {"fitted": len(train), "reported": len(test)}
    for name, method in METHODS.items():
        outcome, seconds = time_work(lambda method=method: method(galaxies, train, test))  # type: ignore[misc]
        head, predictions = outcome if isinstance(outcome, tuple) else (None, outcome)
        values, widths = (
            (predictions, None) if isinstance(predictions, np.ndarray) else (predictions.values, predictions.half_widths)
        )
        result[name] = number_scores(values, true, relative=True, half_widths=widths) | {"cpu_seconds": round(seconds, 1)}
        if head is not None:
            result[name]["learner"] = [expert.learner for expert in head.experts.experts if expert.blocks]
        print(name, json.dumps(result[name]), flush=True)
    return result


def run_metallicity(galaxies: GalaxySet, folder: Path) -> dict[str, Any]:
    """Compare image, columns (what is measured on the picture) and both, in five-fold cross-validation over all galaxies."""
    files = [folder / "metallicity" / name for name in galaxies.names]
    embeddings = embed(files)
    measured_colours = [colours_of(file) for file in files]
    blocks = tuple({COLUMNS: Block(colours)} for colours in measured_colours)
    no_embeddings = np.empty((len(files), 0), np.float32)
    empty: tuple[FeatureBlocks, ...] = tuple({} for _ in files)
    arms = {
        "mean": HeadInputs.of_images(np.zeros((len(files), 1), np.float32)),
        "image": HeadInputs(embeddings, empty),
        "columns": HeadInputs(no_embeddings, blocks),
        "columns and image": HeadInputs(embeddings, blocks),
    }
    folds = np.random.default_rng(0).permutation(len(files)) % 5
    result: dict[str, Any] = {"galaxies": len(files)}
    errors = {}
    for name, inputs in arms.items():
        values, widths = np.zeros(len(files)), np.zeros((2, len(files)))
        for fold in range(5):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            predictions = Regression.fit(inputs.only(train), galaxies.values[train]).predict(inputs.only(test))
            values[test], widths[:, test] = predictions.values, predictions.half_widths
        result[name] = number_scores(values, galaxies.values, relative=False, half_widths=widths)
        errors[name] = (values - galaxies.values) ** 2
        print(name, json.dumps(result[name]), flush=True)
    rng = np.random.default_rng(0)
    samples = rng.integers(0, len(files), (2000, len(files)))
    for other in ("image", "columns"):
        gain = [float(np.sqrt(errors[other][row].mean()) - np.sqrt(errors["columns and image"][row].mean())) for row in samples]
        low, high = np.percentile(gain, [2.5, 97.5])
        result[f"gain over {other}, dex"] = {"value": float(np.mean(gain)), "low": float(low), "high": float(high)}
        print("gain over", other, result[f"gain over {other}, dex"], flush=True)
    return result


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=RESULTS / "redshift.json")
    parser.add_argument("--sets", default="sdss,zcosmos,metallicity,metals,rings")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name in options.sets.split(","):
        print("==", name, flush=True)
        if name == "metallicity":
            results[name] = run_metallicity(read_metallicity(options.data), options.data)
        elif name in CLASS_SETS:
            results[name] = run_classes(CLASS_SETS[name](options.data))
        else:
            results[name] = run_redshifts({"sdss": read_sdss, "zcosmos": read_zcosmos}[name](options.data))
        options.output.write_text(json.dumps(results, indent=1) + "\n")
    write_page(results)


if __name__ == "__main__":
    main()
