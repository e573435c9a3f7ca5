"""The head of a Number or Rating: regressions on the embedding, the columns, the spectrum and the measured structure.

Each set of inputs that galaxies have is predicted by the expert with the least error in cross-validation, so a galaxy that
lacks a block or the image is still predicted, and the prediction states which inputs it used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from backend.heads import storage
from backend.heads.errors import HeadError
from backend.heads.feature_blocks import BLOCKS, IMAGE
from backend.heads.feature_table import FeatureTable
from backend.heads.inputs import HeadInputs
from backend.heads.regression.column_choice import choose_features
from backend.heads.regression.expert import IMAGE_RIDGE, LEARNERS, MEAN, Expert
from backend.heads.regression.fitting import FittedExperts, fit_experts
from backend.heads.regression.intervals import LEVELS, Intervals
from backend.heads.regression.ridge import Parameters
from backend.heads.storage import StoredHead

__all__ = ["NumberPredictions", "Regression", "predict_numbers"]

NAME = "regression"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class NumberPredictions:
    """Predictions of n galaxies.

    Attributes
    ----------
    values : ndarray, shape (n,)
        NaN for a galaxy that is not predicted: it has no image, and none of its other inputs predicts it.
    half_widths : ndarray, shape (2, n)
        Half-widths of the intervals that contain the value of 68 % and of 90 % of galaxies.
    used_blocks : tuple of tuple of str, length n
        Names of the blocks that each prediction used.
    """

    values: Floats
    half_widths: Floats
    used_blocks: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """A fitted regression from the inputs of an image to one value.

    Attributes
    ----------
    table : FeatureTable
    experts : FittedExperts
    relative : bool
        Whether errors count relative to one plus the value, as of redshifts.
    dimension : int
        Length of the embeddings; 0 if the head uses none.
    encoder : str
        Fingerprint of the encoder whose embeddings the head reads.
    """

    table: FeatureTable
    experts: FittedExperts
    relative: bool
    dimension: int
    encoder: str = storage.FIRST_ENCODER

    @classmethod
    def fit(cls, inputs: HeadInputs, values: NDArray[np.floating], *, control: str = "", relative: bool = False) -> Self:
        """Fit to n galaxies with a known value.

        Parameters
        ----------
        inputs : HeadInputs
        values : ndarray, shape (n,)
            Values in any unit.
        control : str
            Name of the control: a column of that name is left out.
        relative : bool
            Whether errors count relative to one plus the value, as of redshifts.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_LABELS` galaxies.
        ValueError
            If shapes do not fit or a number is not finite.
        """
        labels: Floats = np.asarray(values, np.float64)
        if labels.shape != (len(inputs),):
            raise ValueError(f"{len(inputs)} images need as many values, not an array of shape {labels.shape}")
        if not (np.isfinite(labels).all() and np.isfinite(inputs.embeddings[inputs.has_image]).all()):
            raise ValueError("embeddings and values must be finite")
        table = choose_features(inputs.blocks, labels, control=control, relative=relative)
        experts = fit_experts(table, inputs, labels, relative=relative)
        return cls(table, experts, relative, inputs.embeddings.shape[1] if experts.image is not None else 0)

    @property
    def noise(self) -> float:
        """Median half-width of the 68 % interval of the labelled galaxies."""
        return self.experts.noise

    @property
    def blocks(self) -> frozenset[str]:
        """Names of the blocks that predictions of galaxies with an image use beside it."""
        return self._blocks_of(with_image=bool(self.dimension))

    @property
    def blocks_without_image(self) -> frozenset[str]:
        """Names of the blocks that predictions of galaxies without an image use; empty if these are not predicted."""
        return self._blocks_of(with_image=False)

    def features_of(self, blocks: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the features of some blocks, by block."""
        return {block: self.table.names[block] for block in BLOCKS if block in blocks}

    def _blocks_of(self, *, with_image: bool) -> frozenset[str]:
        numbers = {index for inputs, index in self.experts.choices.items() if (IMAGE in inputs) is with_image}
        return frozenset(block for index in numbers for block in self.experts.experts[index].blocks if block != IMAGE)

    def predict(self, inputs: HeadInputs) -> NumberPredictions:
        """Predict n galaxies.

        Raises
        ------
        ValueError
            If the embeddings have another length or are not finite.
        """
        shape, has_image = inputs.embeddings.shape, inputs.has_image
        is_readable = has_image.any() and self.dimension
        if is_readable and (shape[1] != self.dimension or not np.isfinite(inputs.embeddings[has_image]).all()):
            raise ValueError(f"embeddings must be finite and of shape (n, {self.dimension}), not {shape}")
        n = len(inputs)
        values, half_widths = np.full(n, np.nan), np.full((len(LEVELS), n), np.nan)
        blocks_used: list[tuple[str, ...]] = [()] * n
        present = {block: self.table.present(inputs.blocks, block) for block in self.table.blocks}
        present |= {IMAGE: has_image} if self.dimension else {}
        patterns = [frozenset(name for name, has in present.items() if has[row]) for row in range(n)]
        for pattern in dict.fromkeys(patterns):
            choice = self.experts.choices.get(pattern)
            rows = np.array([row for row in range(n) if patterns[row] == pattern], np.intp)
            if choice is not None and self.experts.experts[choice].learner == MEAN:
                rows = rows[has_image[rows]]  # the mean of the labels tells nothing of a galaxy that nothing is known of
            if choice is None or not len(rows):
                continue
            expert = self.experts.experts[choice]
            predictions, relative = self._predict(expert, inputs.only(rows))
            values[rows], half_widths[:, rows] = predictions, expert.intervals.half_widths(predictions, relative)
            for row in rows.tolist():
                blocks_used[row] = expert.blocks
        return NumberPredictions(values, half_widths, tuple(blocks_used))

    def _predict(self, expert: Expert, inputs: HeadInputs) -> tuple[Floats, Floats]:
        image: Floats | None = None
        relative: Floats = np.ones(len(inputs))
        if IMAGE in expert.blocks and self.experts.image is not None:
            ridge = self.experts.image
            single, deviations = ridge.predict(inputs.embeddings)
            image = single.astype(np.float64)
            relative = np.asarray(deviations / ridge.noise, np.float64) if ridge.noise > 0 else relative
        if expert.fit is None:
            mean = np.full(len(inputs), expert.intervals.places.mean())
            return (mean if image is None else image), relative
        parts = [self.table.read(inputs.blocks, block) for block in expert.blocks if block != IMAGE]
        return expert.fit.predict(np.column_stack([*([] if image is None else [image]), *parts]))

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""
        arrays: dict[str, NDArray[Any]] = {}
        rows = []
        for index, expert in enumerate(self.experts.experts):
            ranges = expert.intervals
            parts = {"places": ranges.places, "typical": ranges.typical, "factors": ranges.factors}
            arrays_of_fit = {} if expert.fit is None else expert.fit.arrays()
            arrays |= {f"{index}.{name}": array for name, array in {**parts, **arrays_of_fit}.items()}
            rows.append({"blocks": expert.blocks, "learner": expert.learner, "loss": expert.loss, "galaxies": expert.galaxies})
        if self.experts.image is not None:
            arrays |= {f"image.{name}": array for name, array in self.experts.image.arrays().items()}
        fields = {
            "features": {block: list(names) for block, names in self.table.names.items()},
            "left_out": list(self.table.left_out),
            "experts": rows,
            "expert_of_blocks": [[sorted(blocks), index] for blocks, index in self.experts.choices.items()],
            "noise": self.noise,
            "relative": self.relative,
            "dimension": self.dimension,
            "encoder": self.encoder,
        }
        storage.write(folder, head=NAME, fields=fields, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        try:
            return cls._of(record)
        except HeadError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise HeadError(f"the head in {folder} is damaged: {error}") from error

    @classmethod
    def _of(cls, record: StoredHead) -> Self:
        names = {block: tuple(map(str, columns)) for block, columns in record.field("features", dict).items()}
        experts = tuple(_read_expert(record, index, row) for index, row in enumerate(record.field("experts", list)))
        choices = {frozenset(blocks): int(index) for blocks, index in record.field("expert_of_blocks", list)}
        if not choices or not all(0 <= index < len(experts) for index in choices.values()):
            raise ValueError("its choices name an expert that it does not have")
        dimension = record.field("dimension", int)
        image = Parameters.of_arrays(_reader(record, "image")) if dimension else None
        experts_and_choices = FittedExperts(image, experts, choices, record.field("noise", float))
        table = FeatureTable(names, record.names("left_out"))
        return cls(table, experts_and_choices, record.field("relative", bool), dimension, record.encoder)


def predict_numbers(head: Regression | Parameters, inputs: HeadInputs) -> NumberPredictions:
    """Predict n galaxies by a regression, or by a ridge regression of a version before feature blocks."""
    if isinstance(head, Regression):
        return head.predict(inputs)
    values, half_widths, has_image = np.full(len(inputs), np.nan), np.full((len(LEVELS), len(inputs)), np.nan), inputs.has_image
    if has_image.any():
        values[has_image], deviations = head.predict(inputs.embeddings[has_image])
        half_widths[:, has_image] = np.outer([norm.ppf((1 + level) / 2) for level in LEVELS], deviations.astype(np.float64))
    return NumberPredictions(values, half_widths, tuple((IMAGE,) if has else () for has in has_image.tolist()))


def _reader(record: StoredHead, prefix: str) -> Any:
    return lambda name, *shape: record.array(f"{prefix}.{name}", *shape)


def _read_expert(record: StoredHead, index: int, row: Mapping[str, Any]) -> Expert:
    read, learner = _reader(record, str(index)), str(row["learner"])
    places = read("places", -1)
    intervals = Intervals(places, read("typical", len(places)), read("factors", len(LEVELS)))
    fit = None if learner in (MEAN, IMAGE_RIDGE) else LEARNERS[learner].of_arrays(read)
    return Expert(tuple(row["blocks"]), learner, fit, intervals, float(row["loss"]), int(row["galaxies"]))
