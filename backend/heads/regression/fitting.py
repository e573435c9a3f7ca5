"""Fits the experts of a regression, and chooses the one for each set of blocks that a galaxy may have, by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from backend.heads.errors import NotEnoughLabels
from backend.heads.feature_blocks import IMAGE, STRUCTURE
from backend.heads.feature_table import FeatureTable
from backend.heads.inputs import HeadInputs
from backend.heads.regression.expert import IMAGE_RIDGE, LEARNERS, MEAN, Expert
from backend.heads.regression.intervals import Intervals
from backend.heads.regression.ridge import MINIMUM_LABELS, Parameters, fit_ridge

__all__ = ["FittedExperts", "fit_experts"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class FittedExperts:
    """The experts of a regression.

    Attributes
    ----------
    image : Parameters or None
        Ridge regression on embeddings; None without embeddings.
    experts : tuple of Expert
    choices : mapping
        Inputs that a galaxy has, `IMAGE` among them, to the index of the expert that predicts it.
    noise : float
        Median half-width of the 68 % interval of the labelled galaxies.
    """

    image: Parameters | None
    experts: tuple[Expert, ...]
    choices: Mapping[frozenset[str], int]
    noise: float


@dataclass
class _Trial:
    """An expert, and its predictions of the labelled galaxies by fits to others, shape (n,); NaN for other galaxies."""

    expert: Expert
    predictions: Floats


@dataclass(frozen=True, eq=False)
class _Labelled:
    """The labelled galaxies: inputs, labels, folds, and what weighs an error."""

    table: FeatureTable
    inputs: HeadInputs
    values: Floats
    weights: Floats
    folds: Rows
    image: tuple[Parameters, Floats] | None
    image_of_fold: dict[int, tuple[Parameters, Floats]] = field(default_factory=dict)

    def image_without(self, fold: int) -> tuple[Parameters, Floats]:
        """Return the ridge on embeddings without a fold, and its leave-one-out predictions of the others, shape (n,)."""
        if fold not in self.image_of_fold:
            self.image_of_fold[fold] = _fit_image(self.inputs, self.values, self.folds != fold)
        return self.image_of_fold[fold]


def fit_experts(table: FeatureTable, inputs: HeadInputs, values: Floats, *, relative: bool) -> FittedExperts:
    """Fit the experts of n labelled galaxies.

    Parameters
    ----------
    table : FeatureTable
    inputs : HeadInputs
        If fewer than `MINIMUM_LABELS` galaxies have an image, no expert uses it.
    values : ndarray, shape (n,)
    relative : bool
        Whether an error counts relative to one plus the value, as of redshifts.

    Raises
    ------
    NotEnoughLabels
        With fewer than `MINIMUM_LABELS` galaxies.
    """
    n = len(values)
    if n < MINIMUM_LABELS:
        raise NotEnoughLabels(f"{n} images have a value, and at least {MINIMUM_LABELS} are needed to train")
    weights = 1 / (1 + np.maximum(values, 0)) if relative else np.ones(n)
    has_image = inputs.has_image
    image = _fit_image(inputs, values, has_image) if int(has_image.sum()) >= MINIMUM_LABELS else None
    data = _Labelled(table, inputs, values, weights, _assign_folds(table, inputs), image)
    trials = [_mean_trial(data)]
    if image is not None:
        trials.append(_image_trial(data, *image))
    present = {block: table.present(inputs.blocks, block) for block in table.blocks}
    for blocks in _subsets(table.blocks):
        rows = np.flatnonzero(np.logical_and.reduce([present[block] for block in blocks]))
        for names in [blocks] if image is None else [blocks, (IMAGE, *blocks)]:
            trial = _best_trial(data, names, rows[has_image[rows]] if IMAGE in names else rows)
            if trial is not None:
                trials.append(trial)
    choices = _choose(trials, data, present if image is None else {IMAGE: has_image, **present})
    noise = _typical_width(trials[choices[max(choices, key=len)]])
    choice_indices = sorted(set(choices.values()))  # the others are not stored: a forest has megabytes
    experts = tuple(trials[index].expert for index in choice_indices)
    choices = {blocks: choice_indices.index(index) for blocks, index in choices.items()}
    return FittedExperts(None if image is None else image[0], experts, choices, noise)


def _fit_image(inputs: HeadInputs, values: Floats, is_chosen: Flags) -> tuple[Parameters, Floats]:
    """Fit the ridge regression on embeddings to the is_chosen galaxies with an image.

    Return it, and its leave-one-out predictions, shape (n,); NaN for other galaxies.
    """
    rows = np.flatnonzero(is_chosen & inputs.has_image)
    ridge, predictions = fit_ridge(inputs.embeddings[rows], values[rows])
    all_rows = np.full(len(values), np.nan)
    all_rows[rows] = predictions
    return ridge, all_rows


def _assign_folds(table: FeatureTable, inputs: HeadInputs) -> Rows:
    """Return the fold of each galaxy; galaxies with equal features are one galaxy in several tasks, and share a fold."""
    parts = [table.read(inputs.blocks, block) for block in table.blocks]
    keys = np.nan_to_num(np.column_stack([*parts, inputs.embeddings[:, :4]]).astype(np.float64), nan=-1e300)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = np.ravel(group)
    fold_of_group = np.random.default_rng(0).permutation(int(group.max()) + 1) % FOLDS
    return np.asarray(fold_of_group[group], np.intp)


def _subsets(blocks: Sequence[str]) -> list[tuple[str, ...]]:
    return [subset for size in range(1, len(blocks) + 1) for subset in combinations(blocks, size)]


def _mean_trial(data: _Labelled) -> _Trial:
    values = data.values
    n = len(values)
    return _make_trial(data, (), MEAN, None, np.arange(n), np.full(n, values.mean()), np.ones(n))


def _image_trial(data: _Labelled, ridge: Parameters, predictions: Floats) -> _Trial:
    rows = np.flatnonzero(data.inputs.has_image)
    deviations = ridge.predict(data.inputs.embeddings[rows])[1].astype(np.float64)
    relative = deviations / ridge.noise if ridge.noise > 0 else np.ones(len(rows))
    return _make_trial(data, (IMAGE,), IMAGE_RIDGE, None, rows, predictions[rows], relative)


def _best_trial(data: _Labelled, blocks: tuple[str, ...], rows: Rows) -> _Trial | None:
    """Return the learner with the least error in cross-validation on the galaxies at `rows`; None if these are too few."""
    folds, values = data.folds[rows], data.values
    has_image = data.inputs.has_image
    if IMAGE in blocks and any((has_image & (data.folds != fold)).sum() < MINIMUM_LABELS for fold in np.unique(folds)):
        return None
    matrix = _matrix(data, blocks, rows)
    compact = data.table.compact(blocks)
    best: tuple[float, str, Floats, Floats] | None = None
    for name, learner in LEARNERS.items():
        if not learner.fewest <= len(rows) <= learner.most or len(np.unique(folds)) < 2:
            continue
        predictions: Floats = np.zeros(len(rows))
        relative: Floats = np.ones(len(rows))
        for fold in np.unique(folds):
            inside = folds == fold
            train, test = _fold_matrices(data, blocks, rows, matrix, int(fold))
            fit = learner.fit(train, values[rows[~inside]], compact=compact)
            predictions[inside], relative[inside] = fit.predict(test)
        loss = float((np.abs(predictions - values[rows]) * data.weights[rows]).mean())
        if best is None or loss < best[0]:
            best = loss, name, predictions, relative
    if best is None:
        return None
    _, name, predictions, relative = best
    return _make_trial(
        data, blocks, name, LEARNERS[name].fit(matrix, values[rows], compact=compact), rows, predictions, relative
    )


def _matrix(data: _Labelled, blocks: Sequence[str], rows: Rows) -> Floats:
    choice_indices = [data.inputs.blocks[row] for row in rows]
    parts = [data.table.read(choice_indices, block) for block in blocks if block != IMAGE]
    if IMAGE in blocks:
        assert data.image is not None
        parts.insert(0, data.image[1][rows, None])
    return np.column_stack(parts)


def _fold_matrices(data: _Labelled, blocks: Sequence[str], rows: Rows, matrix: Floats, fold: int) -> tuple[Floats, Floats]:
    """Return the matrix of the galaxies outside a fold and of those in it; the latter are not in the fit of the embeddings."""
    inside = data.folds[rows] == fold
    train, test = matrix[~inside].copy(), matrix[inside].copy()
    if IMAGE in blocks:
        ridge, predictions = data.image_without(fold)
        train[:, 0] = predictions[rows[~inside]]
        test[:, 0] = ridge.predict(data.inputs.embeddings[rows[inside]])[0]
    return train, test


def _make_trial(
    data: _Labelled,
    blocks: tuple[str, ...],
    learner: str,
    fit: object,
    rows: Rows,
    predictions: Floats,
    relative: Floats,
) -> _Trial:
    errors = data.values[rows] - predictions
    loss = float((np.abs(errors) * data.weights[rows]).mean())
    all_rows = np.full(len(data.values), np.nan)
    all_rows[rows] = predictions
    intervals = Intervals.calibrate(predictions, errors, relative)
    return _Trial(Expert(blocks, learner, fit, intervals, loss, len(rows)), all_rows)  # type: ignore[arg-type]


def _choose(trials: Sequence[_Trial], data: _Labelled, present: Mapping[str, Flags]) -> dict[frozenset[str], int]:
    """Choose, for each set of inputs, the expert with the least error on the labelled galaxies that have all of them.

    The experts were fitted to different galaxies, so their own errors cannot be compared: galaxies with a spectrum are
    brighter. The structure is measured on the image, so no galaxy has it without an image.
    """
    choices: dict[frozenset[str], int] = {}
    errors = [np.abs(trial.predictions - data.values) * data.weights for trial in trials]
    for subset in [(), *_subsets(tuple(present))]:
        if STRUCTURE in subset and IMAGE in present and IMAGE not in subset:
            continue
        rows = np.logical_and.reduce([present[name] for name in subset]) if subset else np.ones(len(data.values), bool)
        available = frozenset(subset)
        usable = [index for index, trial in enumerate(trials) if available.issuperset(trial.expert.blocks)]
        losses = {
            index: float(errors[index][rows].mean()) if rows.sum() >= MINIMUM_LABELS else trials[index].expert.loss
            for index in usable
        }
        choices[available] = min(losses, key=lambda index: (losses[index], len(trials[index].expert.blocks)))
    return choices


def _typical_width(fullest: _Trial) -> float:
    """Return the median half-width of the 68 % interval of the labelled galaxies by the expert for most of their blocks."""
    finite_predictions = fullest.predictions[np.isfinite(fullest.predictions)]
    return float(np.median(fullest.expert.intervals.half_widths(finite_predictions, np.ones(len(finite_predictions)))[0]))
