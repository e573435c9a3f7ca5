"""Classes from the image, catalogue columns and a spectrum: classifiers of blocks that start from the image's probabilities.

The log-probabilities of the classifier on embeddings are the offset of a classifier on the blocks. A galaxy without the blocks
gets the probabilities of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.classification.block_features import BlockFeatures
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.links import LEAST_PROBABILITY
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.uncertainty import Uncertainty
from backend.heads.errors import HeadError
from backend.heads.feature_blocks import IMAGE
from backend.heads.feature_table import FeatureTable
from backend.heads.inputs import HeadInputs

__all__ = ["BlockTrial", "ClassExpert", "CombinedClasses", "PlainClasses", "log_probabilities"]

NAME = "combined_classes"
KINDS: Mapping[str, type[Morphology | DecisionTree]] = {"morphology": Morphology, "tree": DecisionTree}

PlainClasses = Morphology | DecisionTree
"""A classifier of one matrix of features."""

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class BlockTrial:
    """How well blocks predict held-out galaxies, compared with the image.

    Attributes
    ----------
    blocks : tuple of str
    galaxies : int
    image_loss, loss : float
        Mean log loss, nats, of the image alone, and of the image and the blocks.
    gain_error : float
        Standard error of the difference between the two.
    used : bool
        Whether any galaxy is predicted with these blocks.
    """

    blocks: tuple[str, ...]
    galaxies: int
    image_loss: float
    loss: float
    gain_error: float
    used: bool


@dataclass(frozen=True, slots=True, eq=False)
class ClassExpert:
    """A classifier of blocks, with the log-probabilities of the image as its offset."""

    features: BlockFeatures
    head: PlainClasses

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it uses; the image is not among them if the folds chose a fit without the offset."""
        alone = isinstance(self.head, Morphology) and self.head.plan.offset_weight == 0
        return self.features.blocks if alone else (IMAGE, *self.features.blocks)


@dataclass(frozen=True, slots=True, eq=False)
class CombinedClasses:
    """A classifier on embeddings, and experts for the sets of blocks that predict held-out galaxies better.

    Attributes
    ----------
    image : Morphology or DecisionTree
    table : FeatureTable
    experts : tuple of ClassExpert
    choices : mapping
        Blocks that a galaxy has, to the index of the expert that predicts it; without an entry, the image predicts it.
    trials : tuple of BlockTrial
        The sets of blocks that were compared with the image.
    """

    image: PlainClasses
    table: FeatureTable = field(default_factory=lambda: FeatureTable({}))
    experts: tuple[ClassExpert, ...] = ()
    choices: Mapping[frozenset[str], int] = field(default_factory=dict)
    trials: tuple[BlockTrial, ...] = ()

    @property
    def encoder(self) -> str:
        """Fingerprint of the encoder whose embeddings the head reads."""
        return self.image.encoder

    @property
    def blocks(self) -> frozenset[str]:
        """Names of the blocks that any prediction uses."""
        return frozenset(block for expert in self.experts for block in expert.features.blocks)

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Features of each block that any prediction uses."""
        return {block: self.table.names[block] for block in self.table.blocks if block in self.blocks}

    def predict(self, inputs: HeadInputs, *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Return probabilities of the classes, shape (n, k); `offset` is that of the classifier on embeddings.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or the head was fitted with an offset and gets none.
        """
        probabilities = self.image.predict(inputs.embeddings, offset=offset)
        for expert, rows, features in self._groups(inputs):
            probabilities[rows] = expert.head.predict(features, offset=log_probabilities(probabilities[rows]))
        return probabilities

    def predict_nodes(self, inputs: HeadInputs, *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Return the probability of each node of a tree, shape (n, m); parameters and errors are those of `predict`."""
        tree = cast(DecisionTree, self.image)
        nodes = tree.predict_nodes(inputs.embeddings, offset=offset)
        for expert, rows, features in self._groups(inputs):
            logs = log_probabilities(nodes[rows][:, tree.tree.ends])
            nodes[rows] = cast(DecisionTree, expert.head).predict_nodes(features, offset=logs)
        return nodes

    def uncertainty(self, inputs: HeadInputs, *, offset: NDArray[np.floating] | None = None) -> Uncertainty:
        """Return the epistemic and aleatoric uncertainty, nats, shape (n,) each; parameters and errors are those of `predict`.

        The epistemic uncertainty of the image's weights is added to that of the weights of the blocks.
        """
        image = self.image.uncertainty(inputs.embeddings, offset=offset)
        epistemic, aleatoric = image.epistemic.copy(), image.aleatoric.copy()
        probabilities: Floats | None = None
        for expert, rows, features in self._groups(inputs):
            if probabilities is None:
                probabilities = self.image.predict(inputs.embeddings, offset=offset)
            own = expert.head.uncertainty(features, offset=log_probabilities(probabilities[rows]))
            epistemic[rows] = own.epistemic + (image.epistemic[rows] if IMAGE in expert.inputs else 0)
            aleatoric[rows] = own.aleatoric
        return Uncertainty(epistemic, aleatoric)

    def blocks_used(self, inputs: HeadInputs) -> list[tuple[str, ...]]:
        """Return the names of the inputs that the prediction of each galaxy uses, length n."""
        used: list[tuple[str, ...]] = [(IMAGE,)] * len(inputs)
        for expert, rows, _ in self._groups(inputs):
            for row in rows.tolist():
                used[row] = expert.inputs
        return used

    def _groups(self, inputs: HeadInputs) -> Iterator[tuple[ClassExpert, Rows, Floats]]:
        """Yield the experts with the rows that they predict, and the features of these galaxies."""
        if not self.choices:
            return
        present = {block: self.table.present(inputs.blocks, block) for block in self.table.blocks}
        for blocks, index in self.choices.items():
            has = [present[block] if block in blocks else ~present[block] for block in present]
            rows = np.flatnonzero(np.logical_and.reduce(has))
            if len(rows):
                expert = self.experts[index]
                yield expert, rows, expert.features.read(self.table, inputs.only(rows).blocks)

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`, and the classifiers into subfolders."""
        arrays = {
            f"{index}.{name}": array
            for index, expert in enumerate(self.experts)
            for name, array in expert.features.arrays().items()
        }
        fields = {
            "kind": next(kind for kind, head in KINDS.items() if isinstance(self.image, head)),
            "features": {block: list(names) for block, names in self.table.names.items()},
            "left_out": list(self.table.left_out),
            "experts": [list(expert.features.blocks) for expert in self.experts],
            "expert_of_blocks": [[sorted(blocks), index] for blocks, index in self.choices.items()],
            "trials": [asdict(trial) for trial in self.trials],
            "encoder": self.encoder,
        }
        storage.write(folder, head=NAME, fields=fields, arrays=arrays)
        self.image.save(folder / IMAGE)
        for index, expert in enumerate(self.experts):
            expert.head.save(folder / f"expert-{index}")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        try:
            kind = KINDS[record.field("kind", str)]
            table = FeatureTable(
                {block: tuple(map(str, names)) for block, names in record.field("features", dict).items()},
                record.names("left_out"),
            )
            experts = []
            for index, blocks in enumerate(record.field("experts", list)):
                features = BlockFeatures.of_arrays([str(block) for block in blocks], _reader(record, index))
                experts.append(ClassExpert(features, kind.load(folder / f"expert-{index}")))
            choices = {frozenset(blocks): int(index) for blocks, index in record.field("expert_of_blocks", list)}
            trials = tuple(BlockTrial(**{**trial, "blocks": tuple(trial["blocks"])}) for trial in record.field("trials", list))
            if not all(0 <= index < len(experts) for index in choices.values()):
                raise ValueError("its choices name an expert that it does not have")
            return cls(kind.load(folder / IMAGE), table, tuple(experts), choices, trials)
        except HeadError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise HeadError(f"the head in {folder} is damaged: {error}") from error


def log_probabilities(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return logarithms of probabilities, as the offset of another classifier."""
    logs: NDArray[np.float64] = np.log(np.clip(probabilities.astype(np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
    return logs


def _reader(record: storage.StoredHead, index: int) -> Any:
    return lambda name, *shape: record.array(f"{index}.{name}", *shape)
