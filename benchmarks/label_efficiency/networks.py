"""Methods that train a whole network on labelled pixels: one training recipe for all networks.

Augmentation with random rotations, mirror images, zooms and small shifts; classes weighted by the inverse square root of their
frequency and the logits corrected for it (King & Zeng 2001), as in the product's head; predictions averaged over four
rotations. The number of steps grows with the labels, and nothing is chosen at fit time, so that no further label is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models.resnet import resnet18
from torch import Tensor, nn
from torch.nn import functional

from backend.lvm.checkpoint import load_model
from backend.lvm.encoder import Encoder, EncoderConfig

__all__ = ["RECIPES", "Recipe", "Trained", "build_finetuned", "build_resnet18", "build_scratch", "steps_for", "train"]

BATCH = 32
STEPS_AT_TEN = 80
GROWTH = 0.365
"""Steps grow as this power of the labels: 80 at 10 labels, 430 at 1,000, 640 at 3,000."""
WARM_UP = 0.1
DROP_PATH = 0.1
ZOOM = (0.8, 1.1)
SHIFT = 0.06


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters that were chosen once per network, of four candidates each, on galaxies outside the rung.

    Attributes
    ----------
    learning_rate : float
        Peak of one warm-up and cosine decay, AdamW.
    weight_decay : float
    body : float
        Learning rate of a pre-trained encoder as a share of its new last layer's.
    bfloat16 : bool
        Whether it computes in bfloat16, which takes twice the time for depthwise convolutions on a CPU.
    """

    learning_rate: float
    weight_decay: float = 0.05
    body: float = 1.0
    bfloat16: bool = True


RECIPES = {
    "resnet18": Recipe(3e-4),
    "swin": Recipe(5e-4),
    "efficientnet_lite0": Recipe(1e-3, bfloat16=False),
    "swin fine-tuned": Recipe(1e-3, body=0.1),
    "efficientnet_lite0 fine-tuned": Recipe(1e-3, body=0.1, bfloat16=False),
}
"""Recipes by name of the network, or by the encoder's family."""


class _Normalised(nn.Module):
    """A convolutional network with the stretch that the encoder also applies."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body((images.clamp(min=0).sqrt() - 0.4) / 0.25)
        return features


def build_resnet18(classes: int) -> nn.Sequential:
    """Build a ResNet18 with random weights (He+2016), the baseline."""
    body = resnet18(num_classes=0)
    return nn.Sequential(_Normalised(body), nn.Linear(body.num_features, classes)).to(memory_format=torch.channels_last)


def build_scratch(classes: int, *, config: EncoderConfig, side: int) -> nn.Sequential:
    """Build one of the product's encoder networks with random weights."""
    encoder = Encoder(replace(config, image_px=side), drop_path=DROP_PATH)
    return nn.Sequential(encoder, nn.Linear(config.dimension, classes)).to(memory_format=torch.channels_last)


def build_finetuned(classes: int, *, checkpoint: Path, side: int) -> nn.Sequential:
    """Build the product's encoder with its pre-trained weights, all of them trainable."""
    encoder, _ = load_model(checkpoint)
    network = build_scratch(classes, config=encoder.config, side=side)
    network[0].load_state_dict(encoder.state_dict())
    return network


def steps_for(labels: int) -> int:
    """Return the optimisation steps for a number of labels."""
    return round(STEPS_AT_TEN * math.pow(labels / 10, GROWTH))


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network.

    Attributes
    ----------
    network : nn.Sequential
        In evaluation mode.
    shift : Tensor, shape (classes,)
        Logarithm of the classes' weights in training, subtracted from the logits.
    bfloat16 : bool
    """

    network: nn.Sequential
    shift: Tensor
    bfloat16: bool

    @torch.inference_mode()
    def predict(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities from logits averaged over the four rotations, shape (n, classes).

        The encoder averages over mirror images too; for these networks, which are trained on them, this changed the AUC by less
        than 0.002.
        """
        device = self.shift.device
        batches = []
        for start in range(0, len(frames), BATCH):
            images = torch.from_numpy(frames[start : start + BATCH]).permute(0, 3, 1, 2).to(device).float() / 255
            with torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16):
                views = [self.network(torch.rot90(images, turns, dims=(-2, -1))).float() for turns in range(4)]
            batches.append((torch.stack(views).mean(dim=0) - self.shift).softmax(dim=1).cpu())
        return np.asarray(torch.cat(batches).numpy(), np.float32)


def train(
    build: Callable[[], nn.Sequential], frames: NDArray[np.uint8], labels: NDArray[np.int64], *, recipe: Recipe, seed: int
) -> Trained:
    """Train a network.

    Parameters
    ----------
    build : callable
        Makes the network: a body and a last linear layer.
    frames : ndarray of uint8, shape (n, side, side, 3)
    labels : ndarray of int, shape (n,)
    recipe : Recipe
    seed : int
        Seed of weights, batches and augmentation.
    """
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build().to(device).train()
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).to(device)
    target = torch.from_numpy(labels).to(device)
    last = network[-1]
    assert isinstance(last, nn.Linear), f"a network ends in a linear layer, not in {type(last).__name__}"
    weights = _class_weights(target, last.out_features)
    groups = [
        {"params": network[0].parameters(), "lr": recipe.learning_rate * recipe.body},
        {"params": last.parameters(), "lr": recipe.learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    steps = steps_for(len(labels))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    for batch in _batches(len(labels), steps):
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16):
            logits = network(_augment(pixels[batch].float() / 255))
        loss = functional.cross_entropy(logits.float(), target[batch], weight=weights)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
    return Trained(network.eval(), weights.log(), recipe.bfloat16)


def _batches(n: int, steps: int) -> list[Tensor]:
    """Return batches of whole shuffled passes; with few labels a batch holds an image several times, differently augmented."""
    order = torch.cat([torch.randperm(n) for _ in range(math.ceil(steps * BATCH / n))])
    return list(order[: steps * BATCH].view(steps, BATCH))


def _rate(step: int, steps: int) -> float:
    """Return the learning rate as a share of its peak."""
    warm = max(1, round(WARM_UP * steps))
    return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _class_weights(target: Tensor, classes: int) -> Tensor:
    """Return the inverse square root of each class's frequency, with a mean of 1 over the galaxies; 1 for an absent class."""
    share = torch.bincount(target, minlength=classes) / len(target)
    weights = share.clamp(min=1e-3).rsqrt()
    return torch.where(share > 0, weights / (weights * share).sum(), torch.ones_like(share))


def _augment(images: Tensor) -> Tensor:
    """Rotate, mirror, zoom and shift each image at random."""
    n, device = len(images), images.device
    angle = torch.rand(n, device=device) * 2 * math.pi
    zoom = torch.empty(n, device=device).uniform_(*ZOOM)
    mirror = torch.randint(0, 2, (n,), device=device) * 2.0 - 1.0
    shift = torch.empty(n, 2, device=device).uniform_(-SHIFT, SHIFT)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    rows = [torch.stack([cosine * mirror, -sine, shift[:, 0]], dim=1), torch.stack([sine * mirror, cosine, shift[:, 1]], dim=1)]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
