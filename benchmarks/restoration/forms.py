"""Compare the forms of the restorer's network, each trained for the same CPU time, on validation images.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.restoration.forms DATA swin=CHECKPOINT convolutional=CHECKPOINT

The checkpoints are those of `benchmarks.shipped_weights.base_restorer --form FORM`. All forms restore the same images. The
interval (95 %) is that of the mean difference to the first form, over images. Steps that make the flux unbiased are left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.heads.restoration.network import FORMS, Restoring
from benchmarks.restoration.figures import psnr, ssim
from benchmarks.restoration.observing import Observed
from benchmarks.restoration.training import Material, observe_kind, restore_observed

KINDS, RATIOS, IMAGES = ("simulated", "real"), (20.0, 40.0, 200.0), 96
FILTER = "Tikhonov filter"
LEVEL_95 = 1.96


def main() -> None:
    """Restore the images with each form, and print the table."""
    parser = argparse.ArgumentParser(description="Compare the forms of the restorer's network.")
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoints", nargs="+", metavar="FORM=CHECKPOINT")
    options = parser.parse_args()
    torch.set_num_threads(1)
    networks = {form: _load(form, Path(file)) for form, _, file in (each.partition("=") for each in options.checkpoints)}
    material = Material(options.data, "val", pool=200)
    first = next(iter(networks))
    for kind in KINDS:
        for ratio in RATIOS:
            batches = list(observe_kind(material, kind, ratio, IMAGES))
            scores = {form: _score(network, batches) for form, network in networks.items()}
            for form, (quality, similarity, rate) in scores.items():
                difference = quality - scores[first][0]
                half = LEVEL_95 * difference.std(ddof=1) / np.sqrt(len(difference))
                print(
                    f"| {kind} | {ratio:.0f} | {form} | {quality.mean():.2f} | {similarity.mean():.3f} | "
                    f"{difference.mean():+.2f} ± {half:.2f} | {rate:.0f} |",
                    flush=True,
                )
            quality, similarity = _score_filter(networks[first], batches)
            print(f"| {kind} | {ratio:.0f} | {FILTER} | {quality.mean():.2f} | {similarity.mean():.3f} | | |", flush=True)


def _load(form: str, file: Path) -> Restoring:
    network = Restoring(FORMS[form][0]())
    network.load_state_dict(torch.load(file, weights_only=True)["network"])
    return network.eval()


def _score(network: Restoring, batches: list[Observed]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return PSNR in dB and SSIM of each image, and the images that are filtered and restored per second of CPU time."""
    restored_batches = []
    start_s = time.process_time()
    with torch.inference_mode():
        for batch in batches:
            restored_batches.append(restore_observed(network, batch, blind=False)[0].mean.numpy())
    seconds = time.process_time() - start_s
    quality, similarity = _compare(restored_batches, batches)
    return quality, similarity, len(quality) / seconds


def _score_filter(network: Restoring, batches: list[Observed]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with torch.inference_mode():
        return _compare([restore_observed(network, batch, blind=False)[1].numpy() for batch in batches], batches)


def _compare(
    images_of_batches: list[NDArray[np.float32]], batches: list[Observed]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs = [
        pair
        for images, batch in zip(images_of_batches, batches, strict=True)
        for pair in zip(images, batch.target.numpy(), strict=True)
    ]
    return np.array([psnr(*pair) for pair in pairs]), np.array([ssim(*pair) for pair in pairs])


if __name__ == "__main__":
    main()
