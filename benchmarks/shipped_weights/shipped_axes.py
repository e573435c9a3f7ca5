"""Write the axes on which the shipped encoder projects annular means and radial profiles.

Run: .venv/bin/python -m benchmarks.shipped_weights.shipped_axes DATA   (DATA holds pretrain/unlabelled.parquet)

The axes are principal axes of the standardised values of unlabelled galaxies. Each is divided by the fourth root of its
variance, which lies half-way between leaving the correlations and removing them, and all are rotated at random among each
other, so that the numbers have similar variances. No label is read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import torch
import typer
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import save_file

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_encoder
from backend.lvm.cropping import frame
from backend.lvm.encoder import Encoder
from backend.lvm.shipped_encoder import measure_details
from backend.lvm.shipped_names import SHIPPED_AXES
from sync.images.decode import decode

GALAXIES = 3_000
BATCH = 32
POWER = 0.25
LEAST_VARIANCE = 1e-3
"""Least variance of an axis, as a share of the mean one: noise is not magnified."""

Floats = NDArray[np.float32]


def main(data: Path) -> None:
    """Write the file."""
    torch.set_num_threads(1)
    save_file(fit_axes(load_encoder(SHIPPED_CHECKPOINT), data / "pretrain" / "unlabelled.parquet"), SHIPPED_AXES)


def fit_axes(encoder: Encoder, pool: Path) -> dict[str, torch.Tensor]:
    """Return the means and axes of `ShippedEncoder` for a network, from unlabelled galaxies of a Parquet file."""
    values = measure(encoder, pool)
    # The numbers get the typical scale of those of the network, for readers that do not standardise them.
    scale = float(np.median(values.pop("embeddings").std(axis=0)))
    arrays: dict[str, torch.Tensor] = {}
    for name, part in values.items():
        mean, axes = find_axes(part)
        arrays[f"{name}.mean"] = torch.from_numpy(mean)
        arrays[f"{name}.axes"] = torch.from_numpy(scale * axes).half()
    return arrays


def measure(encoder: Encoder, pool: Path) -> dict[str, Floats]:
    """Return embeddings, annular means and profiles of galaxies drawn from the pool, shape (n, p) each."""
    images = parquet.read_table(pool, columns=["image"]).column("image")
    rows = np.random.default_rng(0).permutation(len(images))[:GALAXIES]
    parts: dict[str, list[Floats]] = {"embeddings": [], "annuli": [], "profiles": []}
    for start in track(range(0, len(rows), BATCH), "measuring", transient=True):
        crops = [frame(decode(images[int(row)].as_py()), side=encoder.image_px) for row in rows[start : start + BATCH]]
        with torch.inference_mode():
            embeddings, details = measure_details(encoder, torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2))
        for name, part in ({"embeddings": embeddings} | details).items():
            parts[name].append(part.numpy())
    return {name: np.concatenate(part) for name, part in parts.items()}


def find_axes(values: Floats) -> tuple[Floats, Floats]:
    """Return the mean of values, shape (n, p), and their axes as columns, shape (p, p)."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    standard = (values - mean) / deviation
    variances, vectors = np.linalg.eigh(standard.T.astype(np.float64) @ standard / len(values))
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=vectors.shape))
    axes = vectors * np.maximum(variances, LEAST_VARIANCE) ** -POWER @ rotation
    deviation_of_axes = (standard @ axes).std(axis=0).mean()
    return mean, np.asarray(axes / deviation[:, None] / deviation_of_axes, np.float32)


if __name__ == "__main__":
    typer.run(main)
