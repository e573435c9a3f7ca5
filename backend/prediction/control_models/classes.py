"""Models of Choices and Taxonomy: a classifier on embeddings and feature blocks; before it is trained, the shipped one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads import NotEnoughLabels
from backend.heads.classification.class_expert import PlainClasses
from backend.heads.classification.column_choice import CLASS_BLOCKS
from backend.heads.classification.combined import CombinedClasses
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.questions import QuestionTree
from backend.heads.feature_blocks import IMAGE, describe_inputs, describe_missing
from backend.heads.inputs import HeadInputs
from backend.lvm.joined_embeddings import Float
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.agreement import class_agreement
from backend.prediction.control_models.base_classes import base_offset, base_probabilities
from backend.prediction.control_models.class_targets import fit_classes, make_target
from backend.prediction.control_models.control_model import ControlModel, Heads
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.results import NO_REGIONS, ControlRow, RegionPredictions, Scores
from backend.prediction.control_models.training_data import TrainingData, inputs_of, read_inputs
from backend.prediction.image_features import ImageFeatures
from backend.prediction.task_blocks import data_keys_of
from sync.controls import ANSWERS
from sync.controls.control import Control
from sync.controls.region import Region
from sync.geometry.shapes import Size
from sync.labelling.matching import match_labels
from sync.labelling.reading import read_region

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ClassModel"]

CHOSEN_ABOVE = 0.5
"""Probability above which a label of a multiple choice, or a path of a multiple taxonomy, is predicted; a taxonomy without such
a path gets the most probable one."""


class ClassModel(ControlModel):
    """Predicts Choices and Taxonomy with a classifier on embeddings, columns and the spectrum.

    Attributes
    ----------
    tree : QuestionTree or None
        The questions of a Taxonomy.
    """

    trains_on = frozenset(CLASS_BLOCKS)

    def __init__(self, control: Control, head: PlainClasses | CombinedClasses | None, base: BaseClassifier) -> None:
        self.control = control
        self.tree = QuestionTree.of(control.paths) if control.paths else None
        self._head = CombinedClasses(head) if isinstance(head, PlainClasses) else head
        if self._head is not None:
            self.needs_blocks, self.blocks_without_image = self._head.blocks, self._head.blocks_without_image
            self.data_keys = data_keys_of(self._head.features_of(self.needs_blocks | self.blocks_without_image))
        self._base = base
        # The shipped head has one class a galaxy; here its classes are the control's labels, of which several may be ticked.
        self._shipped_head = replace(base.morphology, exclusive=not control.multiple)

    @property
    def is_trained(self) -> bool:
        """Whether the project has a head of its own for the control."""
        return self._head is not None

    @classmethod
    def create(cls, control: Control, heads: Heads) -> Self | None:
        head = heads.by_control.get(control.name)
        own_head = head if isinstance(head, Morphology | DecisionTree | CombinedClasses) else None
        return cls(control, own_head, heads.base) if own_head or match_labels(heads.base.classes, control) else None

    @classmethod
    def read_regions(cls, regions: Sequence[Region], control: Control, *, size: Size | None) -> list[Any]:
        return [read_region(region, control) for region in regions]

    @classmethod
    def make_label(cls, answers: Sequence[tuple[str, list[Any]]], control: Control) -> NDArray[np.float64] | None:
        return make_target([values[0] for _, values in answers], control)

    @classmethod
    def fit(cls, examples: Examples, control: Control, data: TrainingData) -> PlainClasses | CombinedClasses:
        targets, inputs = read_inputs(examples, data)
        if not targets:
            raise NotEnoughLabels("there are no labelled images yet")
        return fit_classes(inputs, np.stack(targets), control=control, base=data.base, encoder=data.encoder)

    @classmethod
    def stratum(cls, label: NDArray[np.float64], labels: Sequence[Any]) -> str:
        return str(int(label.argmax()))

    @classmethod
    def label_names(cls, control: Control) -> list[str]:
        if control.paths:
            return ["/".join(node) for node in QuestionTree.of(control.paths).nodes]
        return [label.value for label in control.labels]

    @classmethod
    def names_in(cls, label: NDArray[np.float64], control: Control) -> set[str]:
        names = cls.label_names(control)
        return {names[index] for index in label.nonzero()[0]}

    @classmethod
    def shipped_names(cls, control: Control, base: BaseClassifier) -> set[str]:
        labels = set(match_labels(base.classes, control).values())
        if not control.paths:
            return labels
        names, ends = cls.label_names(control), QuestionTree.of(control.paths).ends
        return {names[end] for label, end in zip(control.labels, ends, strict=True) if label.value in labels}

    def probabilities(self, inputs: HeadInputs) -> NDArray[np.float64]:
        """Return the probability of each of the control's labels, shape (n, k); NaN for an image that is not predicted."""
        if self._head is None:
            base = base_probabilities(inputs.embeddings, self.control, self._base)
            assert base is not None, "a control of which no label is known has no model"
            return base
        return np.asarray(self._head.predict(self._own_inputs(inputs), offset=self._offset(inputs)), np.float64)

    def acquisition_confidence(self, inputs: HeadInputs, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return 1 - epistemic entropy / maximum entropy, 0 to 1; for the shipped head, which no project trains, the margin.

        The task with the lowest confidence is the most useful to label next.

        Parameters
        ----------
        inputs : HeadInputs
            Of n images.
        probabilities : ndarray, shape (n, k)
            From `probabilities`, for the same images.

        Returns
        -------
        ndarray, shape (n,)

        Notes
        -----
        Measured on Galaxy Zoo 1 with features of ImageNet, in batches of ten: macro AUC with 100 labels, and in brackets its
        mean over the learning curve. Without a base head: 0.836 (0.807 +- 0.006), with the margin 0.775 (0.747 +- 0.013), in
        random order 0.788 (0.762 +- 0.010). With a base head of 166 labels: 0.839 (0.819 +- 0.009), with the margin 0.820
        (0.825 +- 0.006), in random order 0.835 (0.842 +- 0.004).
        """
        if self._head is None:
            return np.asarray(self._shipped_head.confidence(probabilities), np.float64)
        epistemic = self._head.uncertainty(self._own_inputs(inputs), offset=self._offset(inputs)).epistemic
        labels = probabilities.shape[1]
        maximum = labels * np.log(2) if self.control.multiple else np.log(max(labels, 2))
        return np.asarray((1 - epistemic / maximum).clip(0, 1), np.float64)

    def shares(self, inputs: HeadInputs) -> NDArray[np.float64]:
        """Return the expected share of annotators at each label of Choices, shape (n, k), or node of a Taxonomy, (n, m)."""
        if self._head is not None and isinstance(self._head.image, DecisionTree):
            nodes = self._head.predict_nodes(self._own_inputs(inputs), offset=self._offset(inputs))
            return np.asarray(nodes, np.float64)
        probabilities = self.probabilities(inputs)
        return probabilities if self.tree is None else self.tree.gather(probabilities)

    def predict_regions(self, features_of_images: Sequence[ImageFeatures]) -> list[RegionPredictions]:
        if not features_of_images:
            return []
        inputs = inputs_of(features_of_images)
        probabilities, confidences = self._predict(inputs)
        blocks_used = self._blocks_used(inputs)
        return [
            NO_REGIONS
            if np.isnan(row).any()
            else RegionPredictions(self._regions(row, blocks_used[place], features_of_images[place]), confidence)
            for place, (row, confidence) in enumerate(zip(probabilities, confidences.tolist(), strict=True))
        ]

    def score(self, features_of_images: Sequence[ImageFeatures], labels: Sequence[Any], all_labels: Sequence[Any]) -> Scores:
        inputs = inputs_of(features_of_images)
        levels = self.tree.depth if self.tree else 1
        exclusive = not self.control.multiple
        agreement = class_agreement(self.shares(inputs), np.stack(labels), exclusive=exclusive, levels=levels)
        agreement = np.where(np.isnan(agreement), 0.0, agreement)
        return Scores.of_agreement(agreement, self.probabilities(inputs))

    def column_type(self) -> pa.DataType:
        import pyarrow as pa  # of the extra `survey`; without it tasks are predicted all the same

        return pa.struct({label.value: pa.float32() for label in self.control.labels})

    def rows(self, features_of_images: Sequence[ImageFeatures]) -> list[ControlRow]:
        inputs = inputs_of(features_of_images)
        probabilities, confidences = self._predict(inputs)
        all_blocks_used, labels = self._blocks_used(inputs), [label.value for label in self.control.labels]
        rows = []
        for place, (row, confidence) in enumerate(zip(probabilities.tolist(), confidences.tolist(), strict=True)):
            has_value, features = not np.isnan(row).any(), features_of_images[place]
            blocks_used = (all_blocks_used[place] or (IMAGE,)) if has_value else ()
            value = dict(zip(labels, row, strict=True)) if has_value else dict.fromkeys(labels)
            reasons = self._describe_missing(blocks_used, features)
            rows.append(ControlRow(value, confidence if has_value else None, blocks_used, reasons))
        return rows

    def own_columns(self, embeddings: NDArray[Float]) -> NDArray[Float]:
        """Return the columns of the encoder that the head stands on, or of the shipped one, shape (n, dimension)."""
        return self._base.read(embeddings, self._encoder)

    @property
    def _encoder(self) -> str:
        return (self._head or self._base.morphology).encoder

    def _own_inputs(self, inputs: HeadInputs) -> HeadInputs:
        return self._base.read_inputs(inputs, self._encoder)

    def _offset(self, inputs: HeadInputs) -> NDArray[np.float64] | None:
        return base_offset(inputs.embeddings, self.control, self._base)

    def _predict(self, inputs: HeadInputs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probabilities, shape (n, k), and the acquisition confidences."""
        probabilities = self.probabilities(inputs)
        return probabilities, self.acquisition_confidence(inputs, probabilities)

    def _blocks_used(self, inputs: HeadInputs) -> list[tuple[str, ...]]:
        """Return the inputs of each prediction, length n; empty for a head that no block was compared for."""
        if self._head is None or not (self._head.table.blocks or self._head.table.left_out):
            return [()] * len(inputs)
        return self._head.blocks_used(self._own_inputs(inputs))

    def _regions(self, row: NDArray[np.float64], blocks_used: Sequence[str], features: ImageFeatures) -> list[dict[str, Any]]:
        indices = [index for index in range(len(row)) if row[index] > CHOSEN_ABOVE] if self.control.multiple else []
        if not indices and self.control.multiple and self.tree is None:
            return []
        if not self.control.multiple and row.sum() < CHOSEN_ABOVE:
            return []  # the shipped head has only one label, which the image does not have
        indices = indices or [int(row.argmax())]
        labels = [self.control.labels[index].value for index in indices]
        score = float(np.clip(row[indices].mean(), 0, 1))
        values = [self.control.path(label) for label in labels] if self.tree is not None else labels
        region = ANSWERS[self.control.tag].encode(values, control=self.control, score=score)
        if not blocks_used or self._head is None:
            return [region]
        reasons = self._describe_missing(blocks_used, features)
        text = "; ".join(filter(None, (describe_inputs(blocks_used), reasons)))
        return [region | {"meta": {"text": [text], "used": list(blocks_used)}}]

    def _describe_missing(self, blocks_used: Sequence[str], features: ImageFeatures) -> str:
        """Return why inputs of the head are missing for an image, in a part of a sentence; empty if none is."""
        own_blocks = self.blocks_without_image if features.image is None else self.needs_blocks
        return describe_missing(blocks_used, features.blocks, self._head.features_of(own_blocks) if self._head else {})
