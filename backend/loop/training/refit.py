"""Refitting: a head of a control fitted anew, as training fits it, on a part of what it learned from.

What two heads would learn alike is fitted once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from backend.heads import Head, NotEnoughLabels
from backend.heads.detection.detection import BY_EXTRACTION, Detection
from backend.heads.regression import Parameters
from backend.loop.examples.examples import Examples, ImageOfTask
from backend.loop.training.train import fit_classes, fit_detection, open_images
from backend.prediction.control_models.control_model import embedding_of
from backend.prediction.features import ImageFeatures
from backend.prediction.live import LivePredictors
from sync.controls import OBJECTS
from sync.labelling.config import Control

__all__ = ["MOST_OBJECT_IMAGES", "Refits"]

MOST_OBJECT_IMAGES = 20
"""Newest images that object heads are refitted on and judged by in cross-validation, and as many held-out ones."""


class Refits:
    """Fits heads of one control, and keeps what it has seen of their images."""

    def __init__(self, predictors: LivePredictors, control: Control) -> None:
        self._predictors, self._control = predictors, control
        self._seen: dict[str, ImageFeatures] = {}
        self._fitted: dict[str, Head | None] = {}

    def seen(self, reference: str) -> ImageFeatures:
        """What was seen of an image that was observed here."""
        return self._seen[reference]

    def extract_features(self, references: Sequence[str], *, embed: bool, look: bool) -> list[ImageFeatures | None]:
        """Observations, kept by reference; None of what cannot be read."""
        new = [reference for reference in dict.fromkeys(references) if reference not in self._seen]
        for reference, one in zip(new, self._predictors.extractor.extract_features(new, embed=embed, look=look), strict=True):
            if isinstance(one, ImageFeatures):
                self._seen[reference] = one
        return [self._seen.get(reference) for reference in references]

    def fit(self, learned: Examples, *, like: Head | None) -> Head | None:
        """Fit a head as training does; None, the shipped one, where there are too few labels.

        The learned detector is trained again only for a head that uses it. Whether to use it was chosen on all images, the
        fold's among them, so that it cannot be chosen otherwise by a fold. Both choices pass the same test, and training it for
        each fold to leave it aside again took 20 of the 21 seconds of the gate after ten annotations (`docs/benchmarks.md`).
        """
        by_extraction = _by_extraction(like)
        name = _content(learned) + str(by_extraction)
        if name not in self._fitted:
            try:
                self._fitted[name] = self._fit_anew(learned, by_extraction=by_extraction)
            except NotEnoughLabels:
                self._fitted[name] = None
        return self._fitted[name]

    def _fit_anew(self, learned: Examples, *, by_extraction: bool) -> Head:
        if self._control.tag in OBJECTS:
            newest = sorted(learned.objects)[-MOST_OBJECT_IMAGES:]
            some = Examples(learned.references, objects={image: learned.objects[image] for image in newest})
            opened = open_images(self._predictors.extractor, some)
            return fit_detection(opened, self._control, detector=None if by_extraction else self._predictors.base_detector)
        answered: Mapping[ImageOfTask, object] = learned.targets or learned.values
        seen = self.extract_features([learned.references[image] for image in answered], embed=True, look=False)
        images = [image for image, one in zip(answered, seen, strict=True) if one is not None]
        if not images:
            raise NotEnoughLabels("there are no labelled images")
        embeddings = np.stack([embedding_of(self._seen[learned.references[image]]) for image in images])
        if self._control.tag == "Number":
            return Parameters.fit(embeddings, np.array([learned.values[image] for image in images]))
        targets = np.stack([learned.targets[image] for image in images])
        return fit_classes(embeddings, targets, control=self._control, base=self._predictors.base_morphology)


def _by_extraction(head: Head | None) -> bool:
    return isinstance(head, Detection) and head.found_by == BY_EXTRACTION


def _content(learned: Examples) -> str:
    """Name examples by their content."""
    digest = hashlib.sha256()
    for image, reference in learned.references.items():
        objects = [(one.label, one.box) for one in learned.objects.get(image, [])]
        target = learned.targets.get(image)
        said = (image, reference, None if target is None else target.tolist(), learned.values.get(image), objects)
        digest.update(repr(said).encode())
    return digest.hexdigest()
