"""Train the correction of structural fits that is shipped in backend/heads/weights/structure_correction.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.structure_correction PRIORS --fits FOLDER

PRIORS is a folder with catalogues of Sersic fits, PSFs and the correlation of the noise (backend/heads/structure/priors.py).
FOLDER keeps the fits of simulated galaxies, so that the script continues where it was stopped. Each fifth row of catalogues
and each fifth PSF is held out: the script prints, for fits of them, the part of true values within one error and
the mean difference in errors, before and after the correction. benchmarks/structure reports other simulations of held-out rows.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from backend.heads.structure.correction import CORRECTED, SHIFTED, WEIGHTS, Correction, apply_shift
from backend.heads.structure.correction_training import FitRecord, record_fits, train_correction
from backend.heads.structure.priors import Priors, read_priors
from backend.heads.structure.simulation import simulate
from backend.heads.structure.training import SIDES
from sync.files.atomic import atomic_write

PER_FILE = 100
FILES = {"train": 40, "validation": 15}
SIGNAL_TO_NOISE = (3.0, 600.0)
RANGES = ((3, 10), (10, 20), (20, 50), (50, 150), (150, 600))
STEPS = 800
"""More steps make the errors too small on the validation: 3,652 galaxies are few."""


def main() -> None:
    """Fit simulated galaxies, train the correction, write it, and print how well it holds."""
    options = _options()
    torch.set_num_threads(1)
    began = time.monotonic()
    records = {}
    for name, count in FILES.items():
        priors = read_priors(options.priors, held_out=name == "validation")
        files = []
        for number in range(count):
            path = options.fits / f"{name}-{number:03d}.npz"
            if not path.exists():
                if options.limit_s is not None and time.monotonic() - began > options.limit_s:
                    print(f"stopped before {path.name}: run again to continue", flush=True)
                    return
                _record_file(priors, path, side=SIDES[number % len(SIDES)], seed=(len(name), number))
                print(f"{path.name} {time.monotonic() - began:.0f} s", flush=True)
            with np.load(path) as archive:
                files.append(FitRecord(*(archive[field.name] for field in fields(FitRecord))))
        records[name] = FitRecord.join(files)
    correction = Correction.of(train_correction(records["train"], steps=STEPS))
    correction.save(options.output)
    validation = records["validation"]
    for title, record in (("fit", validation), ("corrected", correct_record(correction, validation))):
        for line in _report(record):
            print(title, line, flush=True)


def _record_file(priors: Priors, path: Path, *, side: int, seed: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    record = record_fits(simulate(priors, PER_FILE, side=side, rng=rng, signal_to_noise=SIGNAL_TO_NOISE))
    with atomic_write(path) as file:
        np.savez(file, **{field.name: getattr(record, field.name) for field in fields(FitRecord)})


def correct_record(correction: Correction, record: FitRecord) -> FitRecord:
    """Return the fits of a record with corrected values and errors."""
    with torch.inference_mode():
        shifts, factors = correction.network(torch.from_numpy(record.features).float())
        values, errors = (torch.from_numpy(array).float() for array in (record.values, record.errors))
        columns = [
            apply_shift(name, values[:, place], errors[:, place], shifts[:, place]) if name in SHIFTED else values[:, place]
            for place, name in enumerate(CORRECTED)
        ]
        return replace(
            record, values=torch.stack(columns, 1).double().numpy(), errors=(errors * factors.exp()).double().numpy()
        )


def _report(record: FitRecord) -> list[str]:
    """Return, for ranges of S/N, coverage, mean and median absolute difference of the quantities with a bias."""
    lines = []
    for low, high in RANGES:
        rows = (record.signal_to_noise >= low) & (record.signal_to_noise < high)
        texts = []
        for place, name in enumerate(SHIFTED):
            difference = record.values[rows, place] - record.true[rows, place]
            pulls = (difference / record.errors[rows, place]).clip(-5, 5)
            scale = record.true[rows, place] if name != "axis_ratio" else 1.0
            size = np.median(np.abs(difference / scale))
            texts.append(f"{name} {np.mean(np.abs(pulls) < 1):.0%} {pulls.mean():+.2f} {size:.3f}")
        lines.append(f"{low}-{high} ({rows.sum()}, ± {1 / math.sqrt(max(rows.sum(), 1)):.2f}): {', '.join(texts)}")
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the correction of structural fits.")
    parser.add_argument("priors", type=Path)
    parser.add_argument("--fits", type=Path, required=True, help="folder of the fits of simulated galaxies, to continue from")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--limit-s", type=float, help="stop to fit galaxies after this time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
