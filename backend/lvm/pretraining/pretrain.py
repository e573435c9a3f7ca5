"""Pre-training of the vision model on a pool of galaxies, without labels or, in a later stage, on volunteers' votes.

It can be killed at any moment and goes on from its last saved state; under torchrun several processes share each batch.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import update_bn

from backend.lvm.checkpoint import CheckpointError, load_model, save_model
from backend.lvm.encoder import EncoderConfig
from backend.lvm.pretraining.augmentation import random_views
from backend.lvm.pretraining.dataset import DatasetError, PretrainDataset
from backend.lvm.pretraining.distributed import Seat, taking_a_seat
from backend.lvm.pretraining.loss_curve import draw_loss_curve
from backend.lvm.pretraining.vision_model import OBJECTIVES, VisionModel

__all__ = ["FRAME_SCALE", "PretrainConfig", "pretrain"]

FRAME_SCALE = 1.25
"""Frames are this many times as wide as what the encoder sees, so that a zoomed view is still sharp."""
SAVE_EVERY_S = 120.0
SETTLE_ON, SETTLE_BATCH = 2048, 128
NOTE_EVERY = 20
"""Steps that one point of the loss curve is the mean of."""


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """Settings of one pre-training.

    Attributes
    ----------
    epochs, batch : int
        Passes over the pool; galaxies a step (each gives two views), of all processes together.
    objectives : tuple of str
        What is asked of the encoder: names in `backend.lvm.pretraining.vision_model.OBJECTIVES`.
    learning_rate, weight_decay : float
        AdamW; the rate warms up over the first 3 % of the steps and falls to zero along a cosine.
    seed : int
        Of weights, order and views.
    """

    epochs: int = 40
    batch: int = 128
    objectives: tuple[str, ...] = ("invariance", "reconstruction")
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0


@dataclass(slots=True)
class _Progress:
    """How far a run is: what is saved besides weights."""

    step: int = 0
    seconds: float = 0.0
    history: dict[str, list[float]] = field(default_factory=dict)


def pretrain(
    dataset: PretrainDataset,
    *,
    output: Path,
    config: PretrainConfig,
    network: EncoderConfig,
    start: Path | None = None,
) -> None:
    """Train a model on a pool and write its checkpoint, and its loss curve as PNG beside it.

    Parameters
    ----------
    pool : Pool
        Frames `FRAME_SCALE` times as wide as `network.image_px`.
    output : Path
        The checkpoint; beside it `<output>.state` lets a killed run go on.
    config, network : PretrainConfig, EncoderConfig
        How to train, and what.
    start : Path, optional
        A checkpoint of the same network to begin from.

    Raises
    ------
    PoolError
        If there are fewer galaxies than one batch takes, or no votes for the objective that learns from them.
    CheckpointError
        If `start` holds another network, or a saved state is of another run.
    """
    _check(dataset, config)
    with taking_a_seat() as seat:
        torch.manual_seed(config.seed)
        model = VisionModel(network, objectives=config.objectives, dataset=dataset)
        if start is not None:
            _begin_from(model, start)
        model.to(seat.device).to(memory_format=torch.channels_last)  # convolutions on CPUs are up to twice as fast
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        state_file, progress = output.with_suffix(".state"), _Progress()
        if state_file.exists():
            progress = _resume(model, optimizer, state_file, config)
        _train(model, optimizer, dataset=dataset, config=config, seat=seat, progress=progress, output=output)
        if seat.rank == 0:
            _recalibrate_batch_norm(model, dataset, seat)
            save_model(model.encoder, model.decoder, output, training=_training(progress, config, dataset, seat))
            draw_loss_curve(progress.history, output.with_suffix(".png"), steps_between=NOTE_EVERY)
            state_file.unlink()


def _check(dataset: PretrainDataset, config: PretrainConfig) -> None:
    n = len(dataset.frames)
    if n < config.batch:
        raise DatasetError(f"{n} images are fewer than one batch of {config.batch}: give more images or a smaller batch")
    if "votes" in config.objectives and not dataset.answers:
        raise DatasetError("the objective votes needs columns `question/answer` with shares of volunteers in the data")


def _train(
    model: VisionModel,
    optimizer: torch.optim.Optimizer,
    *,
    dataset: PretrainDataset,
    config: PretrainConfig,
    seat: Seat,
    progress: _Progress,
    output: Path,
) -> None:
    parallel = DistributedDataParallel(model) if seat.peers > 1 else model
    steps_an_epoch, side = len(dataset.frames) // config.batch, model.encoder.config.image_px
    steps, share = config.epochs * steps_an_epoch, config.batch // seat.peers
    started = saved = time.monotonic()
    spent_before = progress.seconds
    noted: list[dict[str, float]] = []
    columns = (
        TextColumn("pre-training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    parallel.train()
    with Progress(*columns, disable=seat.rank > 0) as bar:
        task = bar.add_task("", total=steps, completed=progress.step, loss="")
        while progress.step < steps:
            epoch, position = divmod(progress.step, steps_an_epoch)
            order = torch.randperm(len(dataset.frames), generator=torch.Generator().manual_seed(config.seed + epoch))
            begin = position * config.batch + seat.rank * share
            rows = order[begin : begin + share]
            # Views depend on the step alone, so that a resumed run draws those that it would have drawn.
            torch.manual_seed((config.seed * 1_000_003 + progress.step) * seat.peers + seat.rank)
            frames = dataset.frames[rows].to(seat.device).float() / 255
            views = torch.stack([random_views(frames, side=side) for _ in range(2)])
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(progress.step / steps)
            halves = seat.device.type == "cuda" or model.encoder.config.halves_on_cpu
            with torch.autocast(seat.device.type, torch.bfloat16, enabled=halves):
                losses = parallel(views, dataset.votes[rows].to(seat.device))
            loss = sum((OBJECTIVES[name] * one for name, one in losses.items()), start=views.new_zeros(()))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            progress.step += 1
            noted.append({name: one.item() for name, one in losses.items()})
            bar.update(task, completed=progress.step, loss=" ".join(f"{name} {one:.3f}" for name, one in noted[-1].items()))
            last = progress.step == steps
            if last or len(noted) == NOTE_EVERY:
                for name in noted[0]:
                    progress.history.setdefault(name, []).append(sum(one[name] for one in noted) / len(noted))
                noted.clear()
            if seat.rank == 0 and (last or time.monotonic() - saved > SAVE_EVERY_S):
                progress.seconds = spent_before + time.monotonic() - started
                _save_state(model, optimizer, progress, config, output)
                saved = time.monotonic()


def _begin_from(model: VisionModel, start: Path) -> None:
    encoder, decoder = load_model(start)
    if encoder.config != model.encoder.config:
        raise CheckpointError(f"{start} holds the network {encoder.config}, not {model.encoder.config}")
    model.encoder.load_state_dict(encoder.state_dict())
    model.decoder.load_state_dict(decoder.state_dict())


def _recalibrate_batch_norm(model: VisionModel, dataset: PretrainDataset, seat: Seat) -> None:
    """Measure what batch normalisation divides by on clean frames, which is what the encoder will see from now on."""
    side = model.encoder.config.image_px
    rows = torch.randperm(len(dataset.frames), generator=torch.Generator().manual_seed(0))[:SETTLE_ON]
    parts = [rows[begin : begin + SETTLE_BATCH] for begin in range(0, len(rows), SETTLE_BATCH)]
    clean = (
        functional.interpolate(dataset.frames[some].to(seat.device).float() / 255, size=(side, side), mode="area")
        for some in parts
    )
    with torch.no_grad():
        update_bn(clean, model.encoder)


def _training(progress: _Progress, config: PretrainConfig, dataset: PretrainDataset, seat: Seat) -> dict[str, object]:
    """What the checkpoint says of its making."""
    losses = {name: round(one[-1], 4) for name, one in progress.history.items()}
    made = {
        "images": len(dataset.frames),
        "hardware": seat.hardware,
        "steps": progress.step,
        "seconds": round(progress.seconds),
    }
    return asdict(config) | made | {"losses": losses}


def _save_state(
    model: VisionModel, optimizer: torch.optim.Optimizer, progress: _Progress, config: PretrainConfig, output: Path
) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    state_file = output.with_suffix(".state")
    unfinished = state_file.with_suffix(".unfinished-state")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "config": asdict(config)}
    torch.save(state | asdict(progress), unfinished)
    os.replace(unfinished, state_file)


def _resume(model: VisionModel, optimizer: torch.optim.Optimizer, state_file: Path, config: PretrainConfig) -> _Progress:
    state = torch.load(state_file, weights_only=True)
    same = {**state["config"], "epochs": config.epochs} == asdict(config)
    try:
        if not same:
            raise ValueError(f"it was begun with {state['config']}")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{state_file} is of another run, remove it to begin anew: {error}") from error
    return _Progress(state["step"], state["seconds"], state["history"])


def _schedule(fraction: float) -> float:
    """Learning rate as a fraction of its peak: a short warm-up, then a cosine to zero."""
    return min(fraction / 0.03, 1.0) * 0.5 * (1 + math.cos(math.pi * fraction))
