"""Fit the network that recognises galaxies among the sources of an image, and save it in the shipped heads.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.base_recognition DATA
(DATA holds masks/, fields/, hst_cosmos/ and structure_priors/: docs/scenes.md)

The network is trained on scenes of the `train` part; after each epoch the script prints how well it separates the candidates of
survey scenes of the `val` part. An interrupted run continues with the examples and the last epoch in its cache. About ten
minutes of one core for examples and ten for the training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from backend.heads.extraction.recognition.network import RecognitionNetwork
from backend.heads.extraction.recognition.recogniser import SHIPPED_RECOGNITION, Recogniser
from backend.heads.network_weights import round_weights
from backend.scenes.folders import generator_of, survey_generator_of
from benchmarks.shipped_weights.recognition_examples import (
    FRAGMENT,
    GALAXY,
    NO_GALAXY,
    UNKNOWN,
    Examples,
    examples_of_scenes,
    examples_of_surveys,
)

SURVEY_SEEDS, OLDER_SEEDS, VAL_SEEDS = range(100_000, 103_000), range(500_000, 500_300), range(2_000_000, 2_000_100)
ENLARGED_SHARE = 0.4
EPOCHS, IMAGES_A_STEP, RATE = 40, 24, 3e-3
CACHE = Path(".cache/base-recognition")


def main(data: Path, epochs: int) -> None:
    """Make the examples, train, and save the network."""
    torch.set_num_threads(1)
    CACHE.mkdir(parents=True, exist_ok=True)
    surveys = survey_generator_of(data, part="train")
    train = [
        *_read_or_make(CACHE / "surveys.npz", examples_of_surveys(surveys, SURVEY_SEEDS, enlarged_share=ENLARGED_SHARE)),
        *_read_or_make(CACHE / "older.npz", examples_of_scenes(generator_of(data, part="train"), OLDER_SEEDS)),
    ]
    val_scenes = survey_generator_of(data, part="val")
    val = _read_or_make(CACHE / "val.npz", examples_of_surveys(val_scenes, VAL_SEEDS, enlarged_share=0))
    network = fit(train, val, epochs=epochs)
    Recogniser(round_weights(network)).save(SHIPPED_RECOGNITION)


def fit(train: Sequence[Examples], val: Sequence[Examples], *, epochs: int) -> RecognitionNetwork:
    """Return a network trained on images, which continues from the last epoch in the cache."""
    torch.manual_seed(0)
    network = RecognitionNetwork()
    network.standardise(torch.from_numpy(np.concatenate([image.profiles for image in train])))
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    steps = epochs * -(-len(train) // IMAGES_A_STEP) + 1
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=steps, pct_start=0.15)
    state_file, first = CACHE / f"epoch-of-{epochs}.pt", 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        rates.load_state_dict(state["rates"])
        first = state["epochs"]
    for epoch in range(first, epochs):
        rng = np.random.default_rng([0, epoch])
        order = rng.permutation(len(train))
        losses = []
        for batch in np.array_split(order, -(-len(order) // IMAGES_A_STEP)):
            loss = _loss(network, [train[index] for index in batch.tolist()])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            rates.step()
            losses.append(float(loss.detach()))
        state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "rates": rates.state_dict()}
        torch.save(state | {"epochs": epoch + 1}, state_file)
        Console().print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, val AP {average_precision(network, val):.3f}")
    return network.eval().requires_grad_(False)


def _loss(network: RecognitionNetwork, images: Sequence[Examples]) -> Tensor:
    """Return the mean cross-entropy of the candidates of known kind of some images."""
    profiles = torch.from_numpy(np.concatenate([image.profiles for image in images]))
    target = torch.from_numpy(np.concatenate([image.kinds for image in images]).astype(np.int64))
    numbers = torch.from_numpy(np.repeat(np.arange(len(images)), [len(image.kinds) for image in images]))
    logs = functional.log_softmax(network(profiles, numbers, len(images)), dim=1)
    of_kind = functional.nll_loss(logs, target.clamp(0, FRAGMENT), reduction="none")
    losses = torch.where(target == NO_GALAXY, -torch.logsumexp(logs[:, 1:], dim=1), of_kind)
    is_known = target != UNKNOWN
    return (losses * is_known).sum() / is_known.sum().clamp(min=1)


def average_precision(network: RecognitionNetwork, images: Sequence[Examples]) -> float:
    """Return the area under precision over recall of galaxies among the candidates of known kind."""
    network.eval()
    with torch.no_grad():
        scores = np.concatenate([_galaxy_scores(network, image.profiles) for image in images])
    network.train()
    kinds = np.concatenate([image.kinds for image in images])
    is_galaxy = (kinds == GALAXY)[kinds >= 0][np.argsort(-scores[kinds >= 0], kind="stable")]
    precision = np.cumsum(is_galaxy) / np.arange(1, len(is_galaxy) + 1)
    return float(precision[is_galaxy].mean())


def _galaxy_scores(network: RecognitionNetwork, profiles: NDArray[np.float32]) -> NDArray[np.float32]:
    logits = network(torch.from_numpy(profiles), torch.zeros(len(profiles), dtype=torch.int64), 1)
    scores: NDArray[np.float32] = logits.softmax(dim=1)[:, GALAXY].numpy()
    return scores


def _read_or_make(file: Path, examples: Iterable[Examples]) -> list[Examples]:
    """Return stored examples, or make and store them."""
    if not file.exists():
        images = list(examples)
        counts = [len(image.kinds) for image in images]
        profiles, kinds = (np.concatenate([getattr(image, name) for image in images]) for name in ("profiles", "kinds"))
        np.savez(file, profiles=profiles, kinds=kinds, counts=counts)
    with np.load(file) as arrays:
        ends = np.cumsum(arrays["counts"])[:-1]
        pairs = zip(np.split(arrays["profiles"], ends), np.split(arrays["kinds"], ends), strict=True)
        return [Examples(profiles, kinds) for profiles, kinds in pairs]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    main(options.data, options.epochs)
