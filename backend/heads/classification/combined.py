"""Classes from the image, catalogue columns and a spectrum: classifiers of blocks that start from the image's probabilities.

The log-probabilities of the classifier on embeddings are the offset of a classifier on the blocks. A galaxy without the blocks
gets the probabilities of the image; one without an image gets those of a classifier on its blocks alone, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.classification.block_features import BlockFeatures
from backend.heads.classification.class_expert import BlockTrial, ClassExpert, PlainClasses
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.uncertainty import Uncertainty
from backend.heads.errors import HeadError
from backend.heads.feature_blocks import IMAGE
from backend.heads.feature_table import FeatureTable
from backend.heads.inputs import HeadInputs

__all__ = ["CombinedClasses"]

NAME = "combined_classes"
KINDS: Mapping[str, type[Morphology | DecisionTree]] = {"morphology": Morphology, "tree": DecisionTree}

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]


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
    choices_without_image : mapping
        Blocks that a galaxy without an image has, to the index of its expert; without an entry, it is not predicted.
    """

    image: PlainClasses
    table: FeatureTable = field(default_factory=lambda: FeatureTable({}))
    experts: tuple[ClassExpert, ...] = ()
    choices: Mapping[frozenset[str], int] = field(default_factory=dict)
    trials: tuple[BlockTrial, ...] = ()
    choices_without_image: Mapping[frozenset[str], int] = field(default_factory=dict)

    @property
    def encoder(self) -> str:
        """Fingerprint of the encoder whose embeddings the head reads."""
        return self.image.encoder

    @property
    def blocks(self) -> frozenset[str]:
        """Names of the blocks that predictions of galaxies with an image use."""
        return frozenset(block for index in self.choices.values() for block in self.experts[index].features.blocks)

    @property
    def blocks_without_image(self) -> frozenset[str]:
        """Names of the blocks that predictions of galaxies without an image use; empty if these are not predicted."""
        numbers = self.choices_without_image.values()
        return frozenset(block for index in numbers for block in self.experts[index].features.blocks)

    def features_of(self, blocks: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the features of some blocks, by block."""
        return {block: self.table.names[block] for block in self.table.blocks if block in blocks}

    def predict(self, inputs: HeadInputs, *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Return probabilities of the classes, shape (n, k); `offset` is that of the classifier on embeddings.

        A galaxy that is not predicted, since it has neither an image nor the blocks for it, has a row of NaN.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or the head was fitted with an offset and gets none.
        """
        probabilities = self._predict_images(inputs, offset)
        for expert, rows, features in self._groups(inputs):
            probabilities[rows] = expert.head.predict(features, offset=expert.offset(probabilities[rows]))
        return probabilities

    def predict_nodes(self, inputs: HeadInputs, *, offset: NDArray[np.floating] | None = None) -> Floats:
        """Return the probability of each node of a tree, shape (n, m); parameters and errors are those of `predict`."""
        tree = cast(DecisionTree, self.image)
        nodes = _predict_pictured(tree.predict_nodes, inputs, offset, width=len(tree.tree.nodes))
        for expert, rows, features in self._groups(inputs):
            logs = expert.offset(nodes[rows][:, tree.tree.ends])
            nodes[rows] = cast(DecisionTree, expert.head).predict_nodes(features, offset=logs)
        return nodes

    def uncertainty(self, inputs: HeadInputs, *, offset: NDArray[np.floating] | None = None) -> Uncertainty:
        """Return the epistemic and aleatoric uncertainty, nats, shape (n,) each; parameters and errors are those of `predict`.

        The epistemic uncertainty of the image's weights is added to that of the weights of the blocks.
        """
        has_image = inputs.has_image
        epistemic, aleatoric = np.full(len(inputs), np.nan, np.float32), np.full(len(inputs), np.nan, np.float32)
        if has_image.any():
            offset_of_images = None if offset is None else offset[has_image]
            image = self.image.uncertainty(inputs.embeddings[has_image], offset=offset_of_images)
            epistemic[has_image], aleatoric[has_image] = image.epistemic, image.aleatoric
        probabilities: Floats | None = None
        for expert, rows, features in self._groups(inputs):
            if probabilities is None:
                probabilities = self._predict_images(inputs, offset)
            own = expert.head.uncertainty(features, offset=expert.offset(probabilities[rows]))
            epistemic[rows] = own.epistemic + (epistemic[rows] if IMAGE in expert.inputs else 0)
            aleatoric[rows] = own.aleatoric
        return Uncertainty(epistemic, aleatoric)

    def blocks_used(self, inputs: HeadInputs) -> list[tuple[str, ...]]:
        """Return the names of the inputs that the prediction of each galaxy uses, length n; none if it is not predicted."""
        inputs_of_rows: list[tuple[str, ...]] = [(IMAGE,) if has else () for has in inputs.has_image.tolist()]
        for expert, rows, _ in self._groups(inputs):
            for row in rows.tolist():
                inputs_of_rows[row] = expert.inputs
        return inputs_of_rows

    def _groups(self, inputs: HeadInputs) -> Iterator[tuple[ClassExpert, Rows, Floats]]:
        """Yield the experts with the rows that they predict, and the features of these galaxies."""
        has_image = inputs.has_image
        parts = [(has_image, self.choices), (~has_image, self.choices_without_image)]
        if not any(is_of_part.any() and choices for is_of_part, choices in parts):
            return
        present = {block: self.table.present(inputs.blocks, block) for block in self.table.blocks}
        for is_of_part, choices in parts:
            for blocks, index in choices.items():
                has = [present[block] if block in blocks else ~present[block] for block in present]
                rows = np.flatnonzero(np.logical_and.reduce([is_of_part, *has]))
                if len(rows):
                    expert = self.experts[index]
                    yield expert, rows, expert.features.read(self.table, inputs.only(rows).blocks)

    def _predict_images(self, inputs: HeadInputs, offset: NDArray[np.floating] | None) -> Floats:
        """Return the probabilities of the classes by the image, shape (n, k); NaN for galaxies without one."""
        classes = self.image.classes if isinstance(self.image, Morphology) else self.image.tree.ends
        return _predict_pictured(self.image.predict, inputs, offset, width=len(classes))

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
            "expert_without_image": [[sorted(blocks), index] for blocks, index in self.choices_without_image.items()],
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
            choices = {frozenset(blocks): int(index) for blocks, index in record.field("expert_of_blocks", list)}
            # Heads of versions before tasks without an image do not have these.
            without_image = {frozenset(blocks): int(index) for blocks, index in record.fields.get("expert_without_image", [])}
            experts = []
            for index, blocks in enumerate(record.field("experts", list)):
                features = BlockFeatures.of_arrays([str(block) for block in blocks], _reader(record, index))
                expert_head = kind.load(folder / f"expert-{index}")
                experts.append(ClassExpert(features, expert_head, without_image=index in without_image.values()))
            trials = tuple(BlockTrial(**{**trial, "blocks": tuple(trial["blocks"])}) for trial in record.field("trials", list))
            if not all(0 <= index < len(experts) for index in [*choices.values(), *without_image.values()]):
                raise ValueError("its choices name an expert that it does not have")
            return cls(kind.load(folder / IMAGE), table, tuple(experts), choices, trials, without_image)
        except HeadError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise HeadError(f"the head in {folder} is damaged: {error}") from error


def _predict_pictured(
    predict: Callable[..., Floats], inputs: HeadInputs, offset: NDArray[np.floating] | None, *, width: int
) -> Floats:
    """Return what a function predicts from the embeddings, shape (n, width); NaN for galaxies without an image."""
    has_image = inputs.has_image
    answers = np.full((len(inputs), width), np.nan, np.float32)
    if has_image.any():
        answers[has_image] = predict(inputs.embeddings[has_image], offset=None if offset is None else offset[has_image])
    return answers


def _reader(record: storage.StoredHead, index: int) -> Any:
    return lambda name, *shape: record.array(f"{index}.{name}", *shape)
