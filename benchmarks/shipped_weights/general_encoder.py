"""Write the general network of the shipped encoder, and the axes on which its embeddings are projected.

Run: .venv/bin/python -m benchmarks.shipped_weights.general_encoder DATA   (DATA holds pretrain/unlabelled.parquet)

Each weight is the mean of two networks: ImageNet's start, and the label-free stage, which went on from that start. Such a mean
keeps features of both (Wortsman+2022). The axes are the principal axes of the standardised embeddings of unlabelled galaxies,
rotated at random. No label is read.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import torch
import typer
from numpy.typing import NDArray
from rich.progress import track
from safetensors.torch import save_file

from backend.lvm.checkpoint import load_encoder, load_model, save_model
from backend.lvm.cropping import frame
from backend.lvm.encoder import Encoder
from backend.lvm.shipped_names import GENERAL_AXES, GENERAL_CHECKPOINT, TURNS
from benchmarks.encoders.leave_one_out import LABEL_FREE
from benchmarks.shipped_weights import imagenet_start
from sync.images.decode import decode

IMAGE_PX = 160
AXES = 640
GALAXIES = 2_000
BATCH = 32
LEAST_SCALE = 0.1
"""Added to the standard deviation of each number, as a share of the mean one: numbers that hardly vary are not magnified."""


def main(data: Path) -> None:
    """Write both files."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        imagenet = Path(folder) / "imagenet.safetensors"
        imagenet_start.main(imagenet)
        average(imagenet, LABEL_FREE)
    embeddings = embed(data / "pretrain" / "unlabelled.parquet")
    mean, scale = embeddings.mean(axis=0), embeddings.std(axis=0)
    scale += LEAST_SCALE * scale.mean()
    axes = find_axes((embeddings - mean) / scale) / scale[:, None]
    arrays = {"mean": mean, "axes": axes}
    save_file({name: torch.from_numpy(np.ascontiguousarray(array)).half() for name, array in arrays.items()}, GENERAL_AXES)


def average(first: Path, second: Path) -> None:
    """Write the network whose weights are the means of those of two checkpoints."""
    start, other = load_model(first)[0], load_model(second)[0]
    weights = other.state_dict()
    means = {
        name: (tensor + weights[name]) / 2 if tensor.is_floating_point() else tensor
        for name, tensor in start.state_dict().items()
    }
    encoder = Encoder(replace(start.config, image_px=IMAGE_PX))
    encoder.load_state_dict(means)
    save_model(encoder, None, GENERAL_CHECKPOINT, training={"mean of": ["ImageNet", LABEL_FREE.stem]})


def embed(pool: Path) -> NDArray[np.float32]:
    """Return the embeddings of galaxies drawn from the pool, shape (n, d)."""
    images = parquet.read_table(pool, columns=["image"]).column("image")
    encoder, parts = load_encoder(GENERAL_CHECKPOINT), []
    rows = np.random.default_rng(0).permutation(len(images))[:GALAXIES]
    for start in track(range(0, len(rows), BATCH), "embedding", transient=True):
        crops = [frame(decode(images[int(row)].as_py()), side=IMAGE_PX) for row in rows[start : start + BATCH]]
        parts.append(encoder.embed(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2), turns=TURNS).numpy())
    return np.concatenate(parts)


def find_axes(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the `AXES` principal axes of standardised embeddings, rotated at random among each other, shape (d, AXES)."""
    _, vectors = np.linalg.eigh(embeddings.T @ embeddings)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(AXES, AXES)))
    return np.asarray(vectors[:, ::-1][:, :AXES] @ rotation, np.float32)


if __name__ == "__main__":
    typer.run(main)
