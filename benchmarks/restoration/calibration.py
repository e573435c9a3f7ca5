"""Complete the shipped restorer: choose the steps that make the flux unbiased and the factors of the uncertainty, on `val`.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.restoration.calibration DATA CHECKPOINT [--form swin]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from backend.heads.network_weights import round_weights
from backend.heads.restoration.network import FORMS, SMOOTH, Restoring
from backend.heads.restoration.noise import measure_noise
from backend.heads.restoration.restorer import SHIPPED_RESTORER, Restorer
from backend.heads.restoration.spread import SpreadFactors
from backend.heads.restoration.tikhonov import deconvolve
from benchmarks.restoration.figures import aperture_of, flux_error, psnr
from benchmarks.restoration.training import Material, observe_kind

STEPS = (0, 1, 2, 3)
BATCHES, BATCH = 8, 16
RATIOS = (15.0, 30.0, 60.0, 200.0)
"""Signal-to-noise ratios at which the uncertainty is calibrated."""
SIGNIFICANCES, ROUNDS = (1.5, 4.0, 12.0, 40.0, 120.0), 6
COVERED = 0.6827
LARGEST_LOSS_DB = 0.6
"""PSNR that unbiased flux may cost."""


def main() -> None:
    """Choose on `val`, print the candidates, and store the head."""
    options = _options()
    torch.set_num_threads(1)
    network = Restoring(FORMS[options.form][0]())
    network.load_state_dict(torch.load(options.checkpoint, weights_only=True)["network"])
    restorer = Restorer(round_weights(network))
    material = Material(options.data, "val", pool=200)
    restorer.steps = _choose_steps(restorer, material) if options.steps is None else options.steps
    spread = _calibrate(restorer, material)
    Restorer(restorer.network, spread=spread, steps=restorer.steps).save(SHIPPED_RESTORER)
    print(f"stored with {restorer.steps} steps and {spread}")


def _choose_steps(restorer: Restorer, material: Material) -> int:
    """Return the number of steps with the least error of the flux, among those that cost little PSNR."""
    batches_of_images = [material.batch(number, BATCH) for number in range(100, 100 + BATCHES)]
    rows = []
    for steps in STEPS:
        restorer.steps = steps
        quality, flux = [], []
        for batch in batches_of_images:
            mean, _ = restorer.restore_tensors(batch.images, batch.psfs, measure_noise(batch.images))
            for image, target in zip(mean.numpy(), batch.target.numpy(), strict=True):
                quality.append(psnr(image, target))
                flux.append(flux_error(image, target, aperture_of(target)))
        rows.append((steps, float(np.mean(quality)), float(np.median(flux))))
        print(f"{steps} steps: PSNR {rows[-1][1]:.2f} dB, median flux error {rows[-1][2]:+.4f}", flush=True)
    best = max(row[1] for row in rows)
    return min((row for row in rows if row[1] >= best - LARGEST_LOSS_DB), key=lambda row: abs(row[2]))[0]


def _calibrate(restorer: Restorer, material: Material) -> SpreadFactors:
    """Return the factors of the uncertainty by significance, with equal weights of simulated and real galaxies."""
    errors, significances = [], []
    for kind in ("simulated", "real"):
        for ratio in RATIOS:
            for batch in observe_kind(material, kind, ratio, 2 * BATCH):
                noise = measure_noise(batch.images)
                mean, std = restorer.restore_tensors(batch.images, batch.psfs, noise)
                filter_result = deconvolve(batch.images, batch.psfs, noise)
                errors.append((mean - batch.target).abs() / std)
                significances.append(filter_result.images[:, SMOOTH] / filter_result.noise[:, SMOOTH, None, None])
    error, significance = torch.cat(errors), torch.cat(significances)
    bins = np.digitize(significance.abs().numpy(), np.sqrt(np.array(SIGNIFICANCES[1:]) * np.array(SIGNIFICANCES[:-1])))
    factors = np.ones(len(SIGNIFICANCES))
    for _ in range(ROUNDS):  # a factor also acts on the neighbouring bins
        spread = SpreadFactors(SIGNIFICANCES, tuple(factors))
        relative = (error / spread.scale(torch.ones_like(error), significance)).numpy()
        factors *= [np.quantile(relative[bins == number], COVERED) for number in range(len(factors))]
    return SpreadFactors(SIGNIFICANCES, tuple(round(float(factor), 3) for factor in factors))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Complete the shipped restorer on the val part.")
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--steps", type=int, help="steps of unbiased flux; default: chosen on the val part")
    parser.add_argument("--form", choices=sorted(FORMS), default="convolutional")
    return parser.parse_args()


if __name__ == "__main__":
    main()
