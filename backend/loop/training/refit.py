"""Refit a head of a control, as training fits it, on part of its training set.

Two refits on equal training sets are computed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads import EmbeddedHead, Head, NotEnoughLabels
from backend.heads.detection.detection import BY_EXTRACTION, Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.prediction.control_models import model_class
from backend.prediction.control_models.examples import Examples
from backend.prediction.control_models.object_images import ObjectImages, open_images
from backend.prediction.image_features import ImageFeatures
from backend.prediction.live import LivePredictors
from sync.labelling.config import Control

__all__ = ["MOST_OBJECT_IMAGES", "Refits"]

MOST_OBJECT_IMAGES = 20
"""Largest number of images that object heads are refitted on, and of images that they are scored on in cross-validation."""


class Refits:
    """Fits heads of one control, and keeps the features of their images."""

    def __init__(self, predictors: LivePredictors, control: Control) -> None:
        self._predictors, self._control = predictors, control
        self._features: dict[str, ImageFeatures | None] = {}
        self._heads: dict[str, Head | None] = {}

    def features_of(self, reference: str) -> ImageFeatures | None:
        """Return the features of an image from `extract_features`; None if it could not be read."""
        return self._features.get(reference)

    def extract_features(self, references: Sequence[str], *, embed: bool, pyramid: bool) -> list[ImageFeatures | None]:
        """Return the features of images, extracted once per reference.

        Parameters
        ----------
        references : sequence of str
        embed : bool
            Whether to extract embeddings.
        pyramid : bool
            Whether to extract feature maps.

        Returns
        -------
        list of ImageFeatures or None
            In the order of `references`; None for images that cannot be read.
        """
        new = [reference for reference in dict.fromkeys(references) if reference not in self._features]
        new_features = self._predictors.extractor.extract_features(new, embed=embed, pyramid=pyramid)
        for reference, features in zip(new, new_features, strict=True):
            self._features[reference] = features if isinstance(features, ImageFeatures) else None
        return [self._features.get(reference) for reference in references]

    def fit(self, training_set: Examples, *, like: Head | None) -> Head | None:
        """Fit a head as training does.

        The learned detector is fine-tuned again only for a head that uses it. Whether a head uses it was selected on all
        images, the images of the fold among them, so a fold cannot change that selection. Both methods are compared by the same
        test, and to fine-tune the detector for each fold and then not use it took 20 of the 21 seconds of the gate after ten
        annotations (`docs/benchmarks.md`).

        Parameters
        ----------
        training_set : Examples
        like : Head or None
            The head that is refitted, on the encoder that it stands on.

        Returns
        -------
        Head or None
            None, for the shipped head, if there are too few labels.
        """
        by_extraction = _by_extraction(like)
        encoder = like.encoder if isinstance(like, EmbeddedHead) else self._predictors.shipped_encoder
        name = f"{_content(training_set)} {by_extraction} {encoder}"
        if name not in self._heads:
            try:
                self._heads[name] = self._fit_again(training_set, by_extraction=by_extraction, encoder=encoder)
            except NotEnoughLabels:
                self._heads[name] = None
        return self._heads[name]

    def _fit_again(self, training_set: Examples, *, by_extraction: bool, encoder: str) -> Head:
        detector = None if by_extraction else self._predictors.base_detector
        data = _RefitImages(self, self._predictors, detector=detector, encoder=encoder)
        return model_class(self._control).fit(training_set, self._control, data)


class _RefitImages:
    """Training data of a refit: cached embeddings, and the newest images."""

    def __init__(self, refits: Refits, predictors: LivePredictors, *, detector: LearnedDetector | None, encoder: str) -> None:
        self.base, self.detector, self.encoder = predictors.base, detector, encoder
        self._refits, self._extractor = refits, predictors.extractor

    def embeddings(self, references: Sequence[str]) -> list[NDArray[np.float32] | None]:
        features_of_images = self._refits.extract_features(references, embed=True, pyramid=False)
        return [None if features is None else features.embedding for features in features_of_images]

    def open_images(self, examples: Examples, control: Control) -> ObjectImages:
        newest = sorted(examples.labels)[-MOST_OBJECT_IMAGES:]
        return open_images(self._extractor, examples.only(newest))


def _by_extraction(head: Head | None) -> bool:
    return isinstance(head, Detection) and head.found_by == BY_EXTRACTION


def _content(training_set: Examples) -> str:
    """Return a hash of examples."""
    digest = hashlib.sha256()
    for image, reference in training_set.references.items():
        blocks = {name: dict(block.values) for name, block in training_set.blocks.get(image, {}).items() if block.values}
        digest.update(repr((image, reference, _plain(training_set.labels.get(image)), blocks)).encode())
    return digest.hexdigest()


def _plain(label: object) -> object:
    """Return a label as values that `repr` writes in full; for objects their labels and boxes, which heads are trained on."""
    if isinstance(label, np.ndarray):
        return label.tolist()
    return [(obj.label, obj.box) for obj in label] if isinstance(label, list) else label
