"""Pre-training of the vision model on a data set of galaxies, without labels or with the votes of volunteers.

An interrupted run continues from its last saved state. Under torchrun, several processes share each batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from backend.lvm.checkpoint import CheckpointError, load_model, save_model
from backend.lvm.encoder import EncoderConfig
from backend.lvm.pretraining.dataset import DatasetError, PretrainDataset
from backend.lvm.pretraining.distributed import DistributedRank, init_distributed
from backend.lvm.pretraining.loss_curve import draw_loss_curve
from backend.lvm.pretraining.objectives.retention import Retention
from backend.lvm.pretraining.trainer import PretrainConfig, Trainer, TrainingProgress
from backend.lvm.pretraining.vision_model import VisionModel

__all__ = ["FRAME_SCALE", "PretrainConfig", "pretrain"]

FRAME_SCALE = 1.25
"""Frames are this many times as wide as the encoder's input, so that a magnified view is still sharp."""
SAVE_EVERY_S = 120.0
SAMPLE_IMAGES, SAMPLE_BATCH = 2048, 128
STEPS_PER_POINT = 20
"""Steps that one point of the loss curve averages."""


def pretrain(
    dataset: PretrainDataset,
    *,
    output: Path,
    config: PretrainConfig,
    network: EncoderConfig,
    start: Path | None = None,
) -> None:
    """Train a model on a data set and write its checkpoint, and its loss curve as PNG beside it.

    Parameters
    ----------
    dataset : PretrainDataset
        Frames `FRAME_SCALE` times as wide as `network.image_px`.
    output : Path
        The checkpoint. The state of an unfinished run is saved beside it, with the suffix `.state` in place of its own.
    config, network : PretrainConfig, EncoderConfig
        Settings of the training, and of the network.
    start : Path, optional
        A checkpoint of the same network with the initial weights.

    Raises
    ------
    DatasetError
        If there are fewer galaxies than one batch holds, or no votes for the objective `votes`.
    CheckpointError
        If `start` holds another network, or the saved state is of another run.
    """
    _check(dataset, config, start)
    with init_distributed() as process:
        torch.manual_seed(config.seed)
        model = VisionModel(network, objectives=config.objectives, dataset=dataset, projects_votes=config.projects_votes)
        if start is not None:
            _load_weights(model, start)
        model.to(process.device).to(memory_format=torch.channels_last)  # convolutions on CPUs are up to twice as fast
        trainer = Trainer(model, dataset, config=config, process=process)
        state_file = output.with_suffix(".state")
        if state_file.exists():
            trainer.resume(state_file)
        elif "retention" in config.objectives:
            retention = cast(Retention, model.objectives["retention"])
            images = _sample(dataset, network.image_px, config.margin, process)
            retention.remember(model.encoder, images, recalibrates=not config.freezes_statistics)
        _run(trainer, state_file, process)
        if process.rank == 0:
            encoder, decoder = trainer.result
            if not config.freezes_statistics:
                with torch.no_grad():
                    # Statistics of images without augmentation, which are the input of the encoder in use.
                    update_bn(_sample(dataset, network.image_px, config.margin, process), encoder)
            provenance = _provenance(trainer.progress, config, dataset, process)
            save_model(encoder, decoder, output, training=provenance)
            draw_loss_curve(trainer.progress.history, output.with_suffix(".png"), steps_between=STEPS_PER_POINT)
            state_file.unlink()


def _check(dataset: PretrainDataset, config: PretrainConfig, start: Path | None) -> None:
    n = len(dataset.frames)
    if n < config.batch:
        raise DatasetError(f"{n} images are fewer than one batch of {config.batch}: give more images or a smaller batch")
    if "votes" in config.objectives and not dataset.answers:
        raise DatasetError("the objective votes needs columns `question/answer` with shares of volunteers in the data")
    if "retention" in config.objectives and start is None:
        raise CheckpointError("the objective retention needs a checkpoint to start from, whose features it keeps")


def _load_weights(model: VisionModel, start: Path) -> None:
    encoder, decoder = load_model(start)
    if encoder.config != model.encoder.config:
        raise CheckpointError(f"{start} holds the network {encoder.config}, not {model.encoder.config}")
    model.encoder.load_state_dict(encoder.state_dict())
    model.decoder.load_state_dict(decoder.state_dict())


def _run(trainer: Trainer, state_file: Path, process: DistributedRank) -> None:
    """Run the remaining steps with a progress bar; save the state every `SAVE_EVERY_S` and at the end."""
    progress = trainer.progress
    start_s = last_save_s = time.monotonic()
    seconds_before = progress.seconds
    recent: list[dict[str, float]] = []
    columns = (
        TextColumn("pre-training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Progress(*columns, disable=process.rank > 0) as bar:
        task = bar.add_task("", total=trainer.steps, completed=progress.step, loss="", rate="")
        while progress.step < trainer.steps:
            losses = trainer.step()
            recent.append(losses)
            speed = bar.tasks[task].speed
            bar.update(
                task,
                completed=progress.step,
                loss=" ".join(f"{name} {loss:.3f}" for name, loss in losses.items()),
                rate=f"{speed:.3g} steps/s" if speed else "",
            )
            last = progress.step == trainer.steps
            if last or len(recent) == STEPS_PER_POINT:
                for name in losses:
                    progress.history.setdefault(name, []).append(sum(point[name] for point in recent) / len(recent))
                recent.clear()
            if process.rank == 0 and (last or time.monotonic() - last_save_s > SAVE_EVERY_S):
                progress.seconds = seconds_before + time.monotonic() - start_s
                trainer.save(state_file)
                last_save_s = time.monotonic()


def _sample(dataset: PretrainDataset, side: int, margin: float, process: DistributedRank) -> Iterator[Tensor]:
    """Yield batches of images without augmentation, shapes (n, 3, side, side), as the product crops them."""
    rows = torch.randperm(len(dataset.frames), generator=torch.Generator().manual_seed(0))[:SAMPLE_IMAGES]
    whole = dataset.frames.shape[-1]
    border = round(whole * (1 - 1 / margin) / 2)
    inner = slice(border, whole - border)
    for begin in range(0, len(rows), SAMPLE_BATCH):
        part = rows[begin : begin + SAMPLE_BATCH]
        frames = dataset.frames[part][:, :, inner, inner].to(process.device).float() / 255
        yield functional.interpolate(frames, size=(side, side), mode="area")


def _provenance(
    progress: TrainingProgress, config: PretrainConfig, dataset: PretrainDataset, process: DistributedRank
) -> dict[str, object]:
    """Return settings, data, hardware and last losses of the run, for the metadata of the checkpoint."""
    return asdict(config) | {
        "images": len(dataset.frames),
        "hardware": process.hardware,
        "steps": progress.step,
        "seconds": round(progress.seconds),
        "losses": {name: round(points[-1], 4) for name, points in progress.history.items()},
    }
