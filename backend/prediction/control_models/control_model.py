"""The interface of control models: a control model predicts one control with its head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads import Head
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.extraction.source import ExtractionSettings
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.object_images import ObjectImages
from backend.prediction.control_models.shared_objects import SharedObjects
from backend.prediction.features import ImageFeatures
from sync.controls.control import Control
from sync.controls.region import Region
from sync.geometry.shapes import Box, Size

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ControlModel", "Heads", "RegionPredictions", "Row", "Scores", "TrainingData", "embedding_of"]

Row = tuple[Any, float | None]
"""A head's prediction for one image, as a value of a survey's column, and its confidence (None: no prediction)."""


@dataclass(frozen=True, slots=True)
class RegionPredictions:
    """A control's regions on one image, and the acquisition confidence, in [0, 1] (None: no prediction)."""

    regions: list[dict[str, Any]]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement of a model with the annotators on each of n images.

    Attributes
    ----------
    agreement : ndarray, shape (n,)
        Between 0 and 1. Classes: one minus the Brier score. Numbers: from the error relative to the spread. Objects: F1 of
        boxes.
    predicted, hits : ndarray of int, shape (n,)
        Number of objects predicted, and of drawn objects that were found; 0 for other controls.
    probabilities : ndarray, shape (n, k), or None
        Predicted probabilities of a control's labels.
    """

    agreement: NDArray[np.float64]
    predicted: NDArray[np.int64]
    hits: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None = None

    @classmethod
    def of_agreement(cls, agreement: NDArray[np.float64], probabilities: NDArray[np.float64] | None = None) -> Self:
        """Create the scores of a control without objects.

        Parameters
        ----------
        agreement : ndarray, shape (n,)
        probabilities : ndarray, shape (n, k), optional
            Predicted probabilities of a control's labels.
        """
        none = np.zeros(len(agreement), np.int64)
        return cls(agreement, none, none, probabilities)

    def of(self, places: Sequence[int]) -> Scores:
        """Return the scores of the images at the given indices."""
        index = np.asarray(places, np.intp)
        probabilities = None if self.probabilities is None else self.probabilities[index]
        return Scores(self.agreement[index], self.predicted[index], self.hits[index], probabilities)


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads that models are created from.

    Attributes
    ----------
    trained : mapping
        Control's name to its trained head.
    base : Morphology
        The shipped classifier.
    masks : PromptedMasks
        The segmenter.
    detector : LearnedDetector or None
        The shipped detector, if there is one for the encoder in use.
    shared : mapping
        Name of a control to the source of its objects, if another control has the same ones.
    """

    trained: Mapping[str, Head]
    base: Morphology
    masks: PromptedMasks
    detector: LearnedDetector | None
    shared: Mapping[str, SharedObjects]


class TrainingData(Protocol):
    """Data that a head is trained on: the features of images, and the shipped heads that it starts from."""

    @property
    def base(self) -> Morphology: ...

    @property
    def detector(self) -> LearnedDetector | None: ...

    def embeddings(self, references: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the embeddings of images; None for those that cannot be read."""
        ...

    def open_images(self, examples: Examples, control: Control) -> ObjectImages:
        """Open the newest annotated images that can be read, up to the limit of pixels in memory."""
        ...


class ControlModel(ABC):
    """Predicts one control.

    Attributes
    ----------
    finds_objects : bool
        Whether the head detects objects on an image, so that a refit takes seconds; other heads read one embedding per image.
    control : Control
    needs_embedding : bool
        Whether features must have an embedding.
    needs_sources : ExtractionSettings or None
        Settings with which the sources in the features must be extracted.
    needs_pyramid : bool
        Whether features must have feature maps.
    """

    finds_objects: ClassVar[bool] = False
    control: Control
    needs_embedding: bool = True
    needs_sources: ExtractionSettings | None = None
    needs_pyramid: bool = False

    # -- examples and training, without a trained head

    @classmethod
    @abstractmethod
    def read_regions(cls, regions: Sequence[Region], control: Control, *, size: Size | None) -> list[Any] | None:
        """Read the regions of one annotation on one image.

        Parameters
        ----------
        regions : sequence of Region
        control : Control
        size : (width, height) or None
            Size of the image, pixels; None if it cannot be read.

        Returns
        -------
        list or None
            None if the regions need the size of the image, and it is None.

        Raises
        ------
        ControlError
            If a region cannot be read.
        """

    @classmethod
    @abstractmethod
    def make_label(cls, answers: Sequence[tuple[str, list[Any]]], control: Control) -> Any:
        """Make the label of an image from all annotators' answers.

        Parameters
        ----------
        answers : sequence of (str, list)
            Time of the last change of each annotation, and its values from `read_regions`.
        control : Control

        Returns
        -------
        ndarray, float or list of DrawnObject, or None
            As in `Examples`; None if there is no label.
        """

    @classmethod
    @abstractmethod
    def fit(cls, examples: Examples, control: Control, data: TrainingData) -> Head:
        """Train a head.

        Parameters
        ----------
        examples : Examples
        control : Control
        data : TrainingData

        Raises
        ------
        NotEnoughLabels
            If the examples are too few.
        """

    @classmethod
    @abstractmethod
    def stratum(cls, label: Any, labels: Sequence[Any]) -> str:
        """Return the stratum of a label among all `labels`; the folds of a cross-validation hold them in equal parts."""

    @classmethod
    def label_names(cls, control: Control) -> list[str]:
        """Return the names of the labels that a head can be trained on."""
        return []

    @classmethod
    def names_in(cls, label: Any, control: Control) -> set[str]:
        """Return the names of `label_names` that a label is an example of."""
        return set()

    @classmethod
    def shipped_names(cls, control: Control, base: Morphology) -> set[str]:
        """Return the names of `label_names` that the shipped heads can predict."""
        return set()

    # -- with a head

    @classmethod
    @abstractmethod
    def create(cls, control: Control, heads: Heads) -> Self | None:
        """Create the model of a control; None if neither a trained nor a shipped head can predict it."""

    @abstractmethod
    def predict_regions(self, features_of_images: Sequence[ImageFeatures]) -> list[RegionPredictions]:
        """Predict the control on each image, in order."""

    @abstractmethod
    def score(self, features_of_images: Sequence[ImageFeatures], labels: Sequence[Any], all_labels: Sequence[Any]) -> Scores:
        """Score the predictions on n images.

        Parameters
        ----------
        features_of_images : sequence of ImageFeatures, length n
        labels : sequence, length n
            Labels of these images.
        all_labels : sequence
            Labels of all images of the project.
        """

    @abstractmethod
    def column_type(self) -> pa.DataType:
        """Return the type of the control's column in the parts of a survey."""

    @abstractmethod
    def rows(self, features_of_images: Sequence[ImageFeatures]) -> list[Row]:
        """Predict the control's column on each image, in order."""

    def prompt_boxes(self, features: ImageFeatures) -> list[Box]:
        """Return the boxes of the objects on an image that annotators may click."""
        return []


def embedding_of(features: ImageFeatures) -> NDArray[np.float32]:
    """Return the embedding of an image; models with `needs_embedding` get features that have one."""
    assert features.embedding is not None, "this model was not announced as one that needs embeddings"
    return features.embedding


def read_embeddings(examples: Examples, data: TrainingData) -> tuple[list[Any], NDArray[np.float32]]:
    """Return the labels and embeddings of the images that can be read.

    Parameters
    ----------
    examples : Examples
    data : TrainingData

    Returns
    -------
    list, length n
        Labels.
    ndarray, shape (n, d)
        Embeddings; shape (0, 1) if no image can be read.
    """
    embeddings = data.embeddings([examples.references[image] for image in examples.labels])
    readable = [
        (label, embedding)
        for label, embedding in zip(examples.labels.values(), embeddings, strict=True)
        if embedding is not None
    ]
    if not readable:
        return [], np.empty((0, 1), np.float32)
    return [label for label, _ in readable], np.stack([embedding for _, embedding in readable])
