"""Methods of the label-efficiency benchmark, by name.

With one seed all random methods draw the same galaxies in the same order, and a higher rung includes the labels of a lower one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from backend.lvm.checkpoint import fingerprint, load_encoder
from backend.lvm.encoder import EncoderConfig
from benchmarks.label_efficiency.cells import Cell
from benchmarks.label_efficiency.frozen import Rank, by_confidence, by_information, embed, fit_and_predict, queries
from benchmarks.label_efficiency.galaxies import CLASSES, Galaxies
from benchmarks.label_efficiency.networks import RECIPES, Recipe, build_finetuned, build_resnet18, build_scratch, train

__all__ = ["METHODS", "Bench", "Method"]


@dataclass(frozen=True)
class Bench:
    """Galaxies and encoders that the methods share.

    Attributes
    ----------
    galaxies : Galaxies
    checkpoint : Path
        Checkpoint of the encoder that was pre-trained without labels.
    votes_checkpoint : Path
        Checkpoint of the encoder that was also trained on volunteers' votes of other sets.
    voted_here : Path
        Checkpoint of the encoder that was also trained on votes of galaxies of this set; these galaxies are then not queried.
    """

    galaxies: Galaxies
    checkpoint: Path
    votes_checkpoint: Path
    voted_here: Path

    def on_votes(self) -> Bench:
        """Return the same bench with the encoder that was trained on votes of other sets."""
        return replace(self, checkpoint=self.votes_checkpoint)

    def on_votes_here(self) -> Bench:
        """Return the bench with the encoder trained on votes of this set, and without the training galaxies of those votes."""
        return replace(self, checkpoint=self.voted_here, galaxies=self.galaxies.without_encoder_training_galaxies())

    @cached_property
    def weights(self) -> str:
        """Return the fingerprint of the checkpoint."""
        return fingerprint(self.checkpoint)

    @cached_property
    def config(self) -> EncoderConfig:
        """Return the configuration of the checkpoint's network."""
        return load_encoder(self.checkpoint).config

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """Return the embeddings of all galaxies, shape (n, d)."""
        return embed(self.galaxies, self.checkpoint)

    def order(self, seed: int) -> NDArray[np.int64]:
        """Return the training galaxies in a random order of queries."""
        return np.random.default_rng(seed).permutation(self.galaxies.rows("train"))


@dataclass(frozen=True, slots=True)
class Method:
    """One line of the figure.

    Attributes
    ----------
    title : str
    seeds : int
        Default number of seeds.
    setting : callable
        What its cells depend on besides labels and seed, as text.
    run : callable
        From bench, rungs and seed to (labelled galaxies, probabilities of the test galaxies), rung by rung.
    default : bool
        Whether it is run by default.
    """

    title: str
    seeds: int
    setting: Callable[[Bench], str]
    run: Callable[[Bench, Sequence[int], int], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
    default: bool = True

    def cells(self, name: str, bench: Bench, *, rungs: Sequence[int], seed: int) -> Iterator[Cell]:
        """Measure cells and yield each one."""
        began = time.monotonic()
        for rows, probabilities in self.run(bench, rungs, seed):
            counts = np.bincount(bench.galaxies.labels[rows], minlength=len(CLASSES))
            yield Cell(
                method=name,
                setting=self.setting(bench),
                labels=len(rows),
                seed=seed,
                found=tuple(counts.tolist()),
                seconds=round(time.monotonic() - began, 2),
                probabilities=Cell.pack(probabilities),
            )
            began = time.monotonic()


Result = Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]
Build = Callable[[], nn.Sequential]


def _network(bench: Bench, rungs: Sequence[int], seed: int, *, build: Build, recipe: Recipe) -> Result:
    galaxies = bench.galaxies
    for rung in rungs:
        rows = bench.order(seed)[:rung]
        network = train(build, galaxies.frames[rows], galaxies.labels[rows], recipe=recipe, seed=seed)
        yield rows, network.predict(galaxies.frames[galaxies.rows("test")])


def _resnet18(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    return _network(bench, rungs, seed, build=partial(build_resnet18, len(CLASSES)), recipe=RECIPES["resnet18"])


def _scratch(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    build = partial(build_scratch, len(CLASSES), config=bench.config, side=bench.galaxies.side)
    return _network(bench, rungs, seed, build=build, recipe=RECIPES[bench.config.family])


def _finetune(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    build = partial(build_finetuned, len(CLASSES), checkpoint=bench.checkpoint, side=bench.galaxies.side)
    return _network(bench, rungs, seed, build=build, recipe=RECIPES[f"{bench.config.family} fine-tuned"])


def _frozen_random(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    galaxies, embeddings = bench.galaxies, bench.embeddings
    for rung in rungs:
        rows = bench.order(seed)[:rung]
        yield rows, fit_and_predict(embeddings[rows], galaxies.labels[rows], embeddings[galaxies.rows("test")])


def _frozen_active(rank: Rank, bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    galaxies, order, test = bench.galaxies, bench.order(seed), bench.embeddings[bench.galaxies.rows("test")]
    embeddings, labels = bench.embeddings[order], galaxies.labels[order]
    for _, query_rows in queries(embeddings, labels, order=np.arange(len(order)), rungs=rungs, rank=rank):
        yield order[query_rows], fit_and_predict(embeddings[query_rows], labels[query_rows], test)


def _voted_random(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    return _frozen_random(bench.on_votes(), rungs, seed)


def _voted_active(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    return _frozen_active(by_information, bench.on_votes(), rungs, seed)


def _voted_here_random(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    results = bench.on_votes_here()
    return _frozen_random(results, _limit_rungs(results, rungs), seed)


def _voted_here_active(bench: Bench, rungs: Sequence[int], seed: int) -> Result:
    results = bench.on_votes_here()
    return _frozen_active(by_information, results, _limit_rungs(results, rungs), seed)


def _limit_rungs(bench: Bench, rungs: Sequence[int]) -> list[int]:
    """Return the rungs that do not exceed the number of training galaxies."""
    return [rung for rung in rungs if rung <= len(bench.galaxies.rows("train"))]


def _pixels(bench: Bench) -> str:
    return bench.galaxies.pixels


def _shape(bench: Bench) -> str:
    fields = {name: value for name, value in asdict(bench.config).items() if name != "image_px"}
    shape = "-".join([bench.config.family, *(f"{name}{value}".replace(" ", "") for name, value in fields.items())])
    return f"{bench.galaxies.pixels}-{shape}"


def _weights(bench: Bench) -> str:
    return f"{bench.galaxies.pixels}-enlarged-encoder-{bench.weights}"


def _voted_weights(bench: Bench) -> str:
    return _weights(bench.on_votes())


def _voted_here_weights(bench: Bench) -> str:
    return _weights(bench.on_votes_here())


METHODS = {
    "resnet18": Method("ResNet18 from scratch", 3, _pixels, _resnet18),
    "scratch": Method("the LVM's network from scratch", 3, _shape, _scratch),
    "lvm_random": Method("LVM frozen, random queries", 10, _weights, _frozen_random),
    "lvm_active": Method("LVM frozen, active learning by confidence", 10, _weights, partial(_frozen_active, by_confidence)),
    "lvm_informed": Method(
        "LVM frozen, active learning by mutual information", 10, _weights, partial(_frozen_active, by_information)
    ),
    "voted_random": Method("LVM that learned votes of other sets, frozen, random queries", 10, _voted_weights, _voted_random),
    "voted_informed": Method(
        "LVM that learned votes of other sets, active learning by mutual information", 10, _voted_weights, _voted_active
    ),
    "voted_here_random": Method(
        "LVM that learned votes of 2,523 other galaxies, frozen, random queries", 10, _voted_here_weights, _voted_here_random
    ),
    "voted_here_informed": Method(
        "LVM that learned votes of 2,523 other galaxies, active learning", 10, _voted_here_weights, _voted_here_active
    ),
    "lvm_finetuned": Method("LVM fine-tuned, random queries", 3, _weights, _finetune, default=False),
}
