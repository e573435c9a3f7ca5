"""The trainer: one optimisation step after another, and the state from which an interrupted run continues."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from backend.lvm.checkpoint import CheckpointError
from backend.lvm.decoder import Decoder
from backend.lvm.encoder import Encoder
from backend.lvm.pretraining.augmentation import random_views
from backend.lvm.pretraining.dataset import PretrainDataset
from backend.lvm.pretraining.distributed import DistributedRank
from backend.lvm.pretraining.vision_model import OBJECTIVES, VisionModel
from sync.files.atomic import atomic_write

__all__ = ["PretrainConfig", "Trainer", "TrainingProgress"]

WARM_UP = 0.03
"""Fraction of the steps over which the learning rate rises."""
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """Settings of one pre-training.

    Attributes
    ----------
    epochs : int
        Passes over the data set.
    batch : int
        Galaxies per step, of all processes together; each gives two augmented views.
    objectives : tuple of str
        Names in `backend.lvm.pretraining.vision_model.OBJECTIVES`.
    learning_rate, weight_decay : float
        Parameters of AdamW. The rate rises over the first 3 % of the steps and falls to zero along a cosine.
    seed : int
        Random seed of the initial weights, the order of the data and the augmentations.
    sides : tuple of int
        Sides of the views, pixels; the steps use them in turn. Empty: the side of the network's images.
    margin : float
        Width of the frames in widths of the product's crop; above 1.1, some views show the surroundings of the galaxy.
    projects_votes : bool
        Whether a hidden layer lies between the embedding and the votes.
    averaging : float
        Decay per step of the moving average of the weights that is written as the checkpoint; 0: the last weights.
    freezes_statistics : bool
        Whether batch normalisation keeps the statistics of the first weights, instead of those of each batch. ImageNet's
        features of galaxies are better with ImageNet's own statistics.
    """

    epochs: int = 40
    batch: int = 128
    objectives: tuple[str, ...] = ("invariance", "reconstruction")
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0
    sides: tuple[int, ...] = ()
    margin: float = 1.0
    projects_votes: bool = False
    averaging: float = 0.0
    freezes_statistics: bool = False


@dataclass(slots=True)
class TrainingProgress:
    """Progress of a run.

    Attributes
    ----------
    step : int
        Number of steps done.
    seconds : float
        Duration of the training so far.
    history : dict of str to list of float
        Loss curve of each objective.
    """

    step: int = 0
    seconds: float = 0.0
    history: dict[str, list[float]] = field(default_factory=dict)


class Trainer:
    """Trains a model on a data set, one batch per call of `step`.

    Parameters
    ----------
    model : VisionModel
        On the device of `process`.
    dataset : PretrainDataset
    config : PretrainConfig
    process : DistributedRank
        Each process of a group computes its share of every batch.
    """

    def __init__(
        self, model: VisionModel, dataset: PretrainDataset, *, config: PretrainConfig, process: DistributedRank
    ) -> None:
        self.progress = TrainingProgress()
        self.steps_per_epoch = len(dataset.frames) // config.batch
        self.steps = config.epochs * self.steps_per_epoch
        self._model, self._dataset, self._config, self._process = model, dataset, config, process
        self._parallel = DistributedDataParallel(model) if process.world_size > 1 else model
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self._average = None
        if config.averaging:
            networks = nn.ModuleDict({"encoder": model.encoder, "decoder": model.decoder})
            average = get_ema_multi_avg_fn(config.averaging)  # type: ignore[no-untyped-call]
            self._average = AveragedModel(networks, multi_avg_fn=average)

    @property
    def result(self) -> tuple[Encoder, Decoder]:
        """Encoder and decoder to be written: with their last weights, or with the moving average of the weights."""
        if self._average is None:
            return self._model.encoder, self._model.decoder
        networks = cast("dict[str, nn.Module]", self._average.module)
        return cast(Encoder, networks["encoder"]), cast(Decoder, networks["decoder"])

    def step(self) -> dict[str, float]:
        """Compute the losses of the next batch, change the weights, and return the loss of each objective."""
        device, rows = self._process.device, self._rows()
        # Augmentations depend only on seed, step and rank, so that a resumed run draws the same ones as an uninterrupted run.
        seed = self._config.seed * 1_000_003 + self.progress.step
        torch.manual_seed(seed * self._process.world_size + self._process.rank)
        frames = self._dataset.frames[rows].to(device).float() / 255
        sides = self._config.sides or (self._model.encoder.config.image_px,)
        side = sides[self.progress.step % len(sides)]
        views = torch.stack([random_views(frames, side=side, margin=self._config.margin) for _ in range(2)])
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * _scheduled_rate(self.progress.step / self.steps)
        half_precision = device.type == "cuda" or self._model.encoder.config.halves_on_cpu
        self._parallel.train()
        if self._config.freezes_statistics:
            for module in self._model.encoder.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        with torch.autocast(device.type, torch.bfloat16, enabled=half_precision):
            losses = self._parallel(views, self._dataset.votes[rows].to(device))
        total = sum((OBJECTIVES[name] * loss for name, loss in losses.items()), start=views.new_zeros(()))
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), LARGEST_GRADIENT)
        self._optimizer.step()
        if self._average is not None:
            self._average.update_parameters(nn.ModuleDict({"encoder": self._model.encoder, "decoder": self._model.decoder}))
        self.progress.step += 1
        return {name: loss.item() for name, loss in losses.items()}

    def save(self, state_file: Path) -> None:
        """Write the state of the run; an interrupted write leaves the previous state."""
        state_file.parent.mkdir(parents=True, exist_ok=True)
        state = {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict(), "config": asdict(self._config)}
        if self._average is not None:
            state["averaged"] = self._average.state_dict()
        with atomic_write(state_file) as file:
            torch.save(state | asdict(self.progress), file)

    def resume(self, state_file: Path) -> None:
        """Continue from a saved state.

        Raises
        ------
        CheckpointError
            If the state is of a run with other settings, except `epochs`, or of another network.
        """
        state = torch.load(state_file, weights_only=True)
        try:
            # The state of an earlier release lacks the settings that were added since.
            if asdict(PretrainConfig()) | state["config"] | {"epochs": self._config.epochs} != asdict(self._config):
                raise ValueError(f"it was begun with {state['config']}")
            self._model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            if self._average is not None:
                self._average.load_state_dict(state["averaged"])
        except (ValueError, RuntimeError) as error:
            raise CheckpointError(f"{state_file} belongs to another run: remove it to start again ({error})") from error
        self.progress = TrainingProgress(state["step"], state["seconds"], state["history"])

    def _rows(self) -> torch.Tensor:
        """Return the rows of the data set that this process reads in the next step."""
        epoch, position = divmod(self.progress.step, self.steps_per_epoch)
        generator = torch.Generator().manual_seed(self._config.seed + epoch)
        order = torch.randperm(len(self._dataset.frames), generator=generator)
        share = self._config.batch // self._process.world_size
        begin = position * self._config.batch + self._process.rank * share
        return order[begin : begin + share]


def _scheduled_rate(fraction: float) -> float:
    """Return the learning rate as a fraction of its peak: a linear warm-up times a cosine that falls to zero."""
    return min(fraction / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * fraction))
