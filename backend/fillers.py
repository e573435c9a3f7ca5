"""Fillers: one control and the head that fills it, from what was seen of a picture to Label Studio regions and a confidence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.heads.detection import Detected, Detection
from backend.heads.morphology import Morphology
from backend.heads.parameters import Parameters
from backend.heads.sources import ExtractionSettings
from backend.observer import Observation
from backend.project_heads import ProjectHeads
from backend.regions import regions_of_mask
from sync.controls import ControlError, choices, ellipselabels, number, rectanglelabels, taxonomy
from sync.controls.shapes import Size
from sync.labelconfig import Control
from sync.matching import match_labels

__all__ = ["Filled", "Filler", "base_probabilities", "fillers_of"]

log = logging.getLogger("galaxyloop.fillers")

CHOSEN_ABOVE = 0.5
"""A multiple choice is ticked above this probability."""
LEAST_PROBABILITY = 1e-3


@dataclass(frozen=True, slots=True)
class Filled:
    """A control's regions on one task, and how sure the head is, in [0, 1] (None: it has nothing to say)."""

    regions: list[dict[str, Any]]
    confidence: float | None


class Filler(Protocol):
    """Fills one control."""

    @property
    def control(self) -> Control:
        """What it fills."""
        ...

    @property
    def needs_embedding(self) -> bool:
        """Whether observations must have an embedding."""
        ...

    @property
    def needs_sources(self) -> ExtractionSettings | None:
        """With which settings observations must have sources."""
        ...

    def fill(self, observations: Sequence[Observation]) -> list[Filled]:
        """Fill the control on each picture, in order."""
        ...


def fillers_of(controls: Sequence[Control], heads: ProjectHeads, *, base: Morphology) -> list[Filler]:
    """Choose the filler of each control; those that nothing can be said of yet are left out."""
    fillers: list[Filler] = []
    for control in controls:
        head = heads.filling.get(control.name)
        if control.tag in ("Choices", "Taxonomy"):
            known = isinstance(head, Morphology) or match_labels(base.classes, control)
            if known:
                fillers.append(ClassFiller(control, head if isinstance(head, Morphology) else None, base))
        elif control.tag == "Number":
            if isinstance(head, Parameters):
                fillers.append(NumberFiller(control, head))
        elif control.labels:
            labels = tuple(label.value for label in control.labels)
            fillers.append(ObjectFiller(control, head if isinstance(head, Detection) else Detection.base(labels)))
    return fillers


def base_probabilities(embeddings: NDArray[np.float32], control: Control, base: Morphology) -> NDArray[np.float64] | None:
    """Say in a control's labels what the shipped head thinks; None where it knows none of them.

    Returns
    -------
    ndarray, shape (n, len(control.labels)), or None
        Classes that share a label add up; an exclusive control's rows sum to one.
    """
    matches = match_labels(base.classes, control)
    if not matches:
        return None
    predicted = base.predict(embeddings)
    position = {label.value: index for index, label in enumerate(control.labels)}
    mapped: NDArray[np.float64] = np.zeros((len(embeddings), len(control.labels)))
    for index, name in enumerate(base.classes):
        if name in matches:
            mapped[:, position[matches[name]]] += predicted[:, index]
    # Of a label that the head knows nothing of it says nothing: as likely as the others are on average, never impossible.
    known = sorted({position[label] for label in matches.values()})
    unknown = [index for index in range(len(control.labels)) if index not in known]
    mapped[:, unknown] = mapped[:, known].mean(axis=1, keepdims=True) if not control.multiple else LEAST_PROBABILITY
    mapped = np.clip(mapped, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return mapped if control.multiple else mapped / mapped.sum(axis=1, keepdims=True)


class ClassFiller:
    """Choices and Taxonomy, by a classifier on embeddings."""

    needs_embedding = True
    needs_sources: ExtractionSettings | None = None

    def __init__(self, control: Control, head: Morphology | None, base: Morphology) -> None:
        self.control = control
        self._head = head
        self._base = base
        # The shipped head has one class a galaxy; here its classes are the control's labels, of which several may be ticked.
        self._sure = head or replace(base, exclusive=not control.multiple)

    def probabilities(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each of the control's labels, shape (n, k)."""
        base = base_probabilities(embeddings, self.control, self._base)
        if self._head is None:
            assert base is not None, "a control that nothing is known of has no filler"
            return base
        offset = None if base is None else np.log(base)
        return np.asarray(self._head.predict(embeddings, offset=offset), np.float64)

    def fill(self, observations: Sequence[Observation]) -> list[Filled]:
        if not observations:
            return []
        probabilities = self.probabilities(np.stack([_embedding(one) for one in observations]))
        sure = self._sure.confidence(probabilities)
        return [Filled(self._regions(row), float(one)) for row, one in zip(probabilities, sure, strict=True)]

    def _regions(self, row: NDArray[np.float64]) -> list[dict[str, Any]]:
        if self.control.multiple and self.control.tag == "Choices":
            chosen = [index for index in range(len(row)) if row[index] > CHOSEN_ABOVE]
        else:
            chosen = [int(row.argmax())]
        if not chosen:
            return []
        labels = [self.control.labels[index].value for index in chosen]
        score = float(np.clip(row[chosen].mean(), 0, 1))
        if self.control.tag == "Taxonomy":
            return [taxonomy.encode([self.control.path(label) for label in labels], control=self.control, score=score)]
        return [choices.encode(labels, control=self.control, score=score)]


class NumberFiller:
    """Number, by regression on embeddings."""

    needs_embedding = True
    needs_sources: ExtractionSettings | None = None

    def __init__(self, control: Control, head: Parameters) -> None:
        self.control = control
        self._head = head

    def values(self, observations: Sequence[Observation]) -> NDArray[np.float64]:
        """Predicted values, shape (n,)."""
        return np.asarray(self._head.predict(np.stack([_embedding(one) for one in observations]))[0], np.float64)

    def fill(self, observations: Sequence[Observation]) -> list[Filled]:
        if not observations:
            return []
        values, deviations = self._head.predict(np.stack([_embedding(one) for one in observations]))
        filled = []
        for value, deviation in zip(values.tolist(), deviations.tolist(), strict=True):
            # 1 amid what it was taught, less where the embedding is far from all of that.
            sure = float(np.clip(self._head.noise / deviation, 0, 1)) if deviation > 0 else 1.0
            filled.append(Filled([number.encode(value, control=self.control, score=sure)], sure))
        return filled


class ObjectFiller:
    """Boxes, ellipses, masks and polygons, by source extraction."""

    needs_embedding = False

    def __init__(self, control: Control, head: Detection) -> None:
        self.control = control
        self._head = head
        self.needs_sources: ExtractionSettings | None = head.settings

    def objects(self, observation: Observation) -> tuple[Detected, ...]:
        """What the head finds on one picture."""
        assert observation.size is not None
        return self._head.select(observation.sources[self._head.settings], size=observation.size)

    def fill(self, observations: Sequence[Observation]) -> list[Filled]:
        filled = []
        for one in observations:
            assert one.size is not None
            found = self.objects(one)
            regions = [region for detected in found for region in self._regions(detected, one.size)]
            filled.append(Filled(regions, float(np.mean([detected.score for detected in found])) if found else None))
        return filled

    def _regions(self, found: Detected, size: Size) -> list[dict[str, Any]]:
        control, label, score = self.control, found.label, found.score
        try:
            if control.tag == "RectangleLabels":
                return [rectanglelabels.encode(found.source.box, control=control, label=label, score=score, size=size)]
            if control.tag == "EllipseLabels":
                return [ellipselabels.encode(found.source.ellipse, control=control, label=label, score=score, size=size)]
            return regions_of_mask(found.source.full_mask(size), control=control, label=label, score=score)
        except ControlError as error:
            log.warning("event=region_left_out control=%s reason=%r", control.name, str(error))
            return []


def _embedding(observation: Observation) -> NDArray[np.float32]:
    assert observation.embedding is not None, "this head was not announced as one that needs embeddings"
    return observation.embedding
