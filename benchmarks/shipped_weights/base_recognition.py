"""Fit the network that recognises galaxies among the sources of an image, and save it in the shipped heads.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.shipped_weights.base_recognition DATA
(DATA holds masks/, fields/, hst_cosmos/ and structure_priors/: docs/scenes.md)

The network is trained on scenes of the `train` part; after each epoch the script prints how well it separates the candidates of
survey scenes and of deep fields of the `val` part. An interrupted run continues with the examples and the last epoch in its
cache. About ten minutes of one core for the examples and one for the training.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
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
from backend.scenes.exposures import SurveySceneGenerator
from backend.scenes.folders import Part, generator_of, survey_generator_of
from backend.scenes.generator import SceneGenerator
from benchmarks.shipped_weights.recognition_examples import (
    FRAGMENT,
    GALAXY,
    NO_GALAXY,
    UNKNOWN,
    Examples,
    examples_of_scenes,
    examples_of_surveys,
)

SEEDS = {"surveys": range(100_000, 103_000), "deep": range(3_000_000, 3_000_300), "older": range(500_000, 500_300)}
VAL_SEEDS = {"surveys": range(2_000_000, 2_000_100), "deep": range(4_000_000, 4_000_040)}
SEEDS_A_FILE = 100
SIDES = {"surveys": (256, 128, 192), "deep": (96, 128, 160)}
ENLARGED_SHARES = {"surveys": 0.4, "deep": 0.7}
EPOCHS, IMAGES_A_STEP, RATE = 20, 24, 3e-3
CACHE = Path(".cache/base-recognition")


def main(data: Path, epochs: int) -> None:
    """Make the examples, train, and save the network."""
    torch.set_num_threads(1)
    CACHE.mkdir(parents=True, exist_ok=True)
    train = [image for name in SEEDS for image in _read_or_make(data, name, "train")]
    val = {name: _read_or_make(data, name, "val") for name in VAL_SEEDS}
    network = fit(train, val, epochs=epochs)
    Recogniser(round_weights(network)).save(SHIPPED_RECOGNITION)


def _read_or_make(data: Path, name: str, part: Part) -> list[Examples]:
    """Return the stored examples of a set; make and store those that are missing."""
    seeds = (SEEDS if part == "train" else VAL_SEEDS)[name]
    images: list[Examples] = []
    for first in range(seeds.start, seeds.stop, SEEDS_A_FILE):
        file = CACHE / f"{part}-{name}-{first}.npz"
        if not file.exists():
            _write(file, list(_examples(data, name, part, range(first, min(first + SEEDS_A_FILE, seeds.stop)))))
            Console().print(f"examples of {file.stem}")
        images += _read(file)
    return images


def _examples(data: Path, name: str, part: Part, seeds: range) -> Iterator[Examples]:
    """Yield the examples of a set; of the `val` part, only deep fields are enlarged."""
    if name == "older":
        return examples_of_scenes(_generator(data), seeds)
    share = ENLARGED_SHARES[name] if part == "train" or name == "deep" else 0.0
    generator = replace(_survey_generator(data, part), deep_share=1.0 if name == "deep" else 0.0)
    return examples_of_surveys(generator, seeds, sides=SIDES[name], enlarged_share=share)


@cache
def _survey_generator(data: Path, part: Part) -> SurveySceneGenerator:
    return survey_generator_of(data, part=part)


@cache
def _generator(data: Path) -> SceneGenerator:
    return generator_of(data, part="train")


def fit(train: Sequence[Examples], val: Mapping[str, Sequence[Examples]], *, epochs: int) -> RecognitionNetwork:
    """Return a network trained on images; a training on the same images continues from its last epoch in the cache."""
    torch.manual_seed(0)
    network = RecognitionNetwork()
    network.standardise(torch.from_numpy(np.concatenate([image.profiles for image in train])))
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    steps = epochs * -(-len(train) // IMAGES_A_STEP) + 1
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=steps, pct_start=0.15)
    digest = hashlib.sha256(b"".join(image.profiles.tobytes() + image.kinds.tobytes() for image in train)).hexdigest()
    state_file, first = CACHE / f"{digest[:12]}-of-{epochs}.pt", 0
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
        precisions = ", ".join(f"{name} {average_precision(network, images):.3f}" for name, images in val.items())
        Console().print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, val AP {precisions}")
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


def _write(file: Path, images: Sequence[Examples]) -> None:
    counts = [len(image.kinds) for image in images]
    profiles, kinds = (np.concatenate([getattr(image, name) for image in images]) for name in ("profiles", "kinds"))
    part_file = file.with_suffix(".part")
    with part_file.open("wb") as stream:
        np.savez(stream, profiles=profiles, kinds=kinds, counts=counts)
    part_file.replace(file)


def _read(file: Path) -> list[Examples]:
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
