"""Self-supervised pre-training: the encoder learns that two views of one galaxy are the same galaxy.

The objective is LeJEPA (Balestriero & LeCun 2025, arXiv:2511.08544): views of one image are pulled together while the
embeddings are held to an isotropic Gaussian, so no teacher, no negatives, and nothing can collapse. Training can be killed
at any moment and goes on from its last saved state.
"""

from __future__ import annotations

import io
import math
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import torch
from lightly.loss.lejepa_loss import SIGReg, lejepa_invariance_loss
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from backend.lvm.checkpoint import save_encoder
from backend.lvm.encoder import Encoder, EncoderConfig
from backend.lvm.views import random_views

__all__ = ["PretrainConfig", "pretrain", "read_pool"]

FRAME_PX = 96
SAVE_EVERY_S = 120.0


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """Settings of one pre-training.

    Attributes
    ----------
    epochs, batch : int
        Passes over the pool; galaxies a step (each gives two views).
    learning_rate, weight_decay : float
        AdamW; the rate warms up over the first 3 % of the steps and falls to zero along a cosine.
    sigreg_weight : float
        Weight of the Gaussian regularisation against the invariance, `lambda` in the paper.
    seed : int
        Of weights, order and views.
    """

    epochs: int = 40
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    sigreg_weight: float = 0.05
    seed: int = 0


def read_pool(path: Path) -> Tensor:
    """Read a Parquet of encoded images (column `image`) as frames, shape (n, 3, FRAME_PX, FRAME_PX), uint8."""
    column = parquet.read_table(path, columns=["image"]).column("image")
    frames = np.empty((len(column), FRAME_PX, FRAME_PX, 3), np.uint8)
    for index, value in enumerate(column):
        with Image.open(io.BytesIO(value.as_py())) as image:
            frames[index] = np.asarray(image.convert("RGB").resize((FRAME_PX, FRAME_PX), Image.Resampling.LANCZOS))
    return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()


def pretrain(frames: Tensor, *, output: Path, config: PretrainConfig, network: EncoderConfig) -> None:
    """Train an encoder on unlabelled frames and write its checkpoint.

    Parameters
    ----------
    frames : Tensor, shape (n, 3, height, width), uint8
        Galaxies in the middle of their frames.
    output : Path
        The checkpoint; beside it `<output>.state` lets a killed run go on.
    config, network : PretrainConfig, EncoderConfig
        How to train, and what.

    Raises
    ------
    ValueError
        If there are fewer frames than one batch takes.
    """
    if len(frames) < config.batch:
        raise ValueError(
            f"{len(frames)} images are fewer than one batch of {config.batch}: give more images or a smaller batch"
        )
    torch.manual_seed(config.seed)
    encoder = Encoder(network, drop_path=0.05)
    projector = nn.Sequential(
        nn.Linear(network.dimension, 1024), nn.BatchNorm1d(1024), nn.GELU(), nn.Linear(1024, 64, bias=False)
    )
    model = nn.ModuleDict({"encoder": encoder, "projector": projector})
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    sigreg = SIGReg(num_vectors=256)
    steps_an_epoch = len(frames) // config.batch
    steps = config.epochs * steps_an_epoch

    state_file = output.with_suffix(".state")
    step, spent_s = 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent_s = state["step"], state["spent_s"]

    def save(loss: float) -> None:
        seconds = spent_s + time.monotonic() - started
        unfinished = state_file.with_suffix(".unfinished")
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "spent_s": seconds}
        torch.save(state, unfinished)
        os.replace(unfinished, state_file)
        training: dict[str, float | int | str] = {
            "objective": "LeJEPA, two views",
            "images": len(frames),
            "epochs": round(step / steps_an_epoch, 2),
            "steps": step,
            "seconds": round(seconds),
            "loss": round(loss, 4),
            "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads",
            "seed": config.seed,
        }
        save_encoder(encoder, output, training=training)

    columns = (
        TextColumn("pre-training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    started = saved = time.monotonic()
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=steps, completed=step, loss="")
        loss_value = math.nan
        model.train()
        while step < steps:
            epoch, position = divmod(step, steps_an_epoch)
            order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(config.seed + epoch))
            batch = frames[order[position * config.batch : (position + 1) * config.batch]].float() / 255
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step / steps)
            views = torch.cat([random_views(batch, side=network.image_px) for _ in range(2)])
            with torch.autocast("cpu", torch.bfloat16):
                embeddings = encoder(views)
            projections = projector(embeddings.float()).view(2, len(batch), -1)
            invariance = lejepa_invariance_loss(all_proj=projections, global_proj=projections)
            loss = config.sigreg_weight * sigreg(projections) + (1 - config.sigreg_weight) * invariance
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            loss_value = loss.item()
            progress.update(bar, completed=step, loss=f"loss {loss_value:.3f}")
            if time.monotonic() - saved > SAVE_EVERY_S:
                save(loss_value)
                saved = time.monotonic()
    save(loss_value)
    state_file.unlink()


def _schedule(fraction: float) -> float:
    """Learning rate as a fraction of its peak: a short warm-up, then a cosine to zero."""
    return min(fraction / 0.03, 1.0) * 0.5 * (1 + math.cos(math.pi * fraction))
