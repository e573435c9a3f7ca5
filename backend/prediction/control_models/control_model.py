"""The interface of control models: a control model predicts one control with its head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray

from backend.heads import Head
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.extraction.source import ExtractionSettings
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.lvm.joined_embeddings import Float
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.results import ControlRow, RegionPredictions, Scores
from backend.prediction.control_models.shared_objects import SharedObjects
from backend.prediction.control_models.training_data import TrainingData
from backend.prediction.image_features import ImageFeatures
from sync.controls.control import Control
from sync.controls.region import Region
from sync.geometry.shapes import Box, Size

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ControlModel", "Heads"]


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads that models are created from.

    Attributes
    ----------
    by_control : mapping
        Control's name to its trained head.
    base : BaseClassifier
        The shipped classifier.
    masks : PromptedMasks
        The segmenter.
    detector : LearnedDetector or None
        The shipped detector, if there is one for the encoder in use.
    shared_objects : mapping
        Name of a control to the source of its objects, if another control has the same ones.
    """

    by_control: Mapping[str, Head]
    base: BaseClassifier
    masks: PromptedMasks
    detector: LearnedDetector | None
    shared_objects: Mapping[str, SharedObjects]


class ControlModel(ABC):
    """Predicts one control.

    Attributes
    ----------
    trains_on : frozenset of str
        Names of the feature blocks that a new head may use beside the embedding.
    finds_objects : bool
        Whether the head detects objects on an image, so that a refit takes seconds; other heads read one embedding per image.
    control : Control
    needs_sources : ExtractionSettings or None
        Settings with which the sources in the features must be extracted.
    needs_pyramid : bool
        Whether features must have feature maps.
    needs_blocks : frozenset of str
        Names of the feature blocks that the head uses beside the image.
    blocks_without_image : frozenset of str
        Names of the feature blocks from which the head predicts a task whose image cannot be read; empty if it does not.
    needs_indices : bool
        Whether the head uses indices of structure, which take most of the time of a measurement.
    data_keys : frozenset of str
        Keys of a task's data that the head uses beside the image: a changed value needs a new prediction.
    """

    trains_on: ClassVar[frozenset[str]] = frozenset()
    finds_objects: ClassVar[bool] = False
    control: Control
    needs_sources: ExtractionSettings | None = None
    needs_pyramid: bool = False
    needs_blocks: frozenset[str] = frozenset()
    blocks_without_image: frozenset[str] = frozenset()
    needs_indices: bool = False
    data_keys: frozenset[str] = frozenset()

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
    def shipped_names(cls, control: Control, base: BaseClassifier) -> set[str]:
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
    def rows(self, features_of_images: Sequence[ImageFeatures]) -> list[ControlRow]:
        """Predict the control's column on each image, in order."""

    def own_columns(self, embeddings: NDArray[Float]) -> NDArray[Float]:
        """Return the columns of embeddings, shape (n, d), that describe how similar images are to this model's head."""
        return embeddings

    def prompt_boxes(self, features: ImageFeatures) -> list[Box]:
        """Return the boxes of the objects on an image that annotators may click."""
        return []
