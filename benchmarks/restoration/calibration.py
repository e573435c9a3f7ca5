"""Complete the shipped restorer: choose the steps that make the flux unbiased and the factor of the uncertainty, on `val`.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.restoration.calibration DATA CHECKPOINT [--form swin]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from backend.heads.network_weights import round_weights
from backend.heads.restoration.network import FORMS, Restoring
from backend.heads.restoration.noise import measure_noise
from backend.heads.restoration.restorer import SHIPPED_RESTORER, Restorer
from benchmarks.restoration.figures import OBJECT_SHARE, aperture_of, flux_error, psnr
from benchmarks.restoration.training import Material

STEPS = (0, 1, 2, 3)
BATCHES, BATCH = 8, 16
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
    batches_of_images = [material.batch(number, BATCH) for number in range(100, 100 + BATCHES)]
    rows = []
    for steps in STEPS:
        restorer.steps = steps
        quality, flux, ratios = [], [], []
        for batch in batches_of_images:
            mean, std = restorer.restore_tensors(batch.images, batch.psfs, measure_noise(batch.images))
            for image, spread, target in zip(mean.numpy(), std.numpy(), batch.target.numpy(), strict=True):
                aperture = aperture_of(target)
                quality.append(psnr(image, target))
                flux.append(flux_error(image, target, aperture))
                objects = target > OBJECT_SHARE * target.max()
                ratios.append(np.abs(image - target)[objects] / spread[objects])
        spread_factor = float(np.quantile(np.concatenate(ratios), COVERED))
        middle = float(np.median(flux))
        rows.append((steps, float(np.mean(quality)), middle, spread_factor))
        print(
            f"{steps} steps: PSNR {rows[-1][1]:.2f} dB, median flux error {middle:+.4f}, spread factor {spread_factor:.3f}",
            flush=True,
        )
    best = max(row[1] for row in rows)
    steps, _, _, spread_factor = min((row for row in rows if row[1] >= best - LARGEST_LOSS_DB), key=lambda row: abs(row[2]))
    Restorer(restorer.network, spread=spread_factor, steps=steps).save(SHIPPED_RESTORER)
    print(f"stored with {steps} steps and a spread factor of {spread_factor:.3f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Complete the shipped restorer on the val part.")
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--form", choices=sorted(FORMS), default="convolutional")
    return parser.parse_args()


if __name__ == "__main__":
    main()
