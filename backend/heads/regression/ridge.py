"""Ridge regression from feature vectors to a value, with a standard deviation.

Versions of galaxyloop before feature blocks stored it alone, as the head `Parameters` of a Number control; such heads still
load and predict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backend.heads import storage
from backend.heads.errors import HeadError, NotEnoughLabels
from backend.lvm.standardisation import scales_of

__all__ = ["MINIMUM_LABELS", "Parameters", "fit_ridge"]

NAME = "parameters"
MINIMUM_LABELS = 6
STRENGTHS = tuple(10.0 ** (power / 2) for power in range(-8, 7))


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """A fitted regression from embeddings of d numbers to one value.

    Attributes
    ----------
    mean, scale : ndarray, shape (d,)
        Mean and scale with which the embeddings are standardised.
    weights : ndarray, shape (d,)
    intercept : float
        Mean of the values, in their unit.
    noise : float
        Standard deviation of a held-out value about its prediction, at the centre of the training set, in the values' unit.
    root : ndarray, shape (r, d)
        Its product with a standardised embedding has, as squared length, the growth of the variance of a prediction away from
        that centre, in units of `noise` squared; r is at most the number of galaxies and d.
    encoder : str
        Fingerprint of the encoder whose embeddings the head reads.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    intercept: float
    noise: float
    root: NDArray[np.float32]
    encoder: str = storage.FIRST_ENCODER

    @classmethod
    def fit(
        cls, embeddings: NDArray[np.floating], values: NDArray[np.floating], *, scales: NDArray[np.float64] | None = None
    ) -> Self:
        """Fit a regression to galaxies with a known value, as `fit_ridge`.

        Parameters
        ----------
        embeddings : ndarray, shape (n, d)
        values : ndarray, shape (n,)
            Values in any unit.
        scales : ndarray, shape (d,), optional
            As for `fit_ridge`.

        Raises
        ------
        NotEnoughLabels
            With fewer than `MINIMUM_LABELS` galaxies.
        ValueError
            If shapes do not fit or a number is not finite.
        """
        head = fit_ridge(embeddings, values, scales=scales)[0]
        return cls(head.mean, head.scale, head.weights, head.intercept, head.noise, head.root)

    def predict(self, embeddings: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return values and their standard deviations, shape (n,) and in the values' unit, for embeddings of shape (n, d).

        Raises
        ------
        ValueError
            If the shape does not fit or a number is not finite.
        """
        embeddings = np.asarray(embeddings, np.float32)
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.mean) or not np.isfinite(embeddings).all():
            raise ValueError(f"embeddings must be finite and of shape (n, {len(self.mean)}), not {embeddings.shape}")
        standard = (embeddings - self.mean) / self.scale
        leverage = np.square(standard @ self.root.T).sum(axis=1)
        values = standard @ self.weights + np.float32(self.intercept)
        return values.astype(np.float32), (self.noise * np.sqrt(1 + leverage)).astype(np.float32)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "weights": self.weights,
            "root": self.root,
            "line": np.array([self.intercept, self.noise]),
        }

    @classmethod
    def of_arrays(cls, read_array: Callable[..., NDArray[Any]]) -> Self:
        """Build the regression from stored arrays; `stored(name, *shape)` returns one after checking its shape."""
        mean, line = read_array("mean", -1), read_array("line", 2)
        d = len(mean)
        intercept, noise = float(line[0]), float(line[1])
        return cls(mean, read_array("scale", d), read_array("weights", d), intercept, noise, _read_root(read_array, d))

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors into `folder`."""
        arrays = {"mean": self.mean, "scale": self.scale, "weights": self.weights, "root": self.root}
        fields = {"intercept": self.intercept, "noise": self.noise, "encoder": self.encoder}
        storage.write(folder, head=NAME, fields=fields, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a head that `save` wrote; raise HeadError if files are missing, damaged or of another kind of head."""
        record = storage.read(folder, head=NAME)
        mean = record.array("mean", -1)
        d = len(mean)
        return cls(
            mean,
            record.array("scale", d),
            record.array("weights", d),
            record.field("intercept", float),
            record.field("noise", float),
            _read_root(record.array, d),
            record.encoder,
        )


def fit_ridge(
    embeddings: NDArray[np.floating], values: NDArray[np.floating], *, scales: NDArray[np.float64] | None = None
) -> tuple[Parameters, NDArray[np.float64]]:
    """Fit a ridge regression, and predict each galaxy by a fit to the others.

    The regularisation strength has the smallest leave-one-out error, which has a closed form (Allen 1974).

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
    values : ndarray, shape (n,)
    scales : ndarray, shape (d,), optional
        Numbers by which the embeddings are divided; by default those of `scales_of`.

    Returns
    -------
    Parameters
    ndarray, shape (n,)
        The leave-one-out prediction of each value.

    Raises
    ------
    NotEnoughLabels
        With fewer than `MINIMUM_LABELS` galaxies.
    ValueError
        If shapes do not fit or a number is not finite.
    """
    embeddings, values = np.asarray(embeddings, np.float64), np.asarray(values, np.float64)
    if embeddings.ndim != 2 or values.shape != embeddings.shape[:1]:
        raise ValueError(f"embeddings (n, d) need values (n,), not {embeddings.shape} and {values.shape}")
    if not (np.isfinite(embeddings).all() and np.isfinite(values).all()):
        raise ValueError("embeddings and values must be finite")
    if len(values) < MINIMUM_LABELS:
        raise NotEnoughLabels(f"{len(values)} images have a value, and at least {MINIMUM_LABELS} are needed to train")
    n, d = embeddings.shape
    mean, scale = embeddings.mean(axis=0), (scales_of(embeddings) if scales is None else scales) * np.sqrt(d)
    intercept = float(values.mean())
    centred_values = np.asarray(values - intercept, np.float64)
    # One thread: on a busy machine, two threads spend most of the time waiting for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        u, s, vt = np.linalg.svd((embeddings - mean) / scale, full_matrices=False)
        projection: NDArray[np.float64] = u.T @ centred_values
        strength = min(STRENGTHS, key=lambda x: _leave_one_out_errors(u, s, projection, centred_values, x * n).std())
        penalty = strength * n
        weights = vt.T @ (s / (s**2 + penalty) * projection)
        # A root of (X'X + penalty)^-1 on the row space of X only: other directions do not change the prediction.
        root = vt / np.sqrt(s**2 + penalty)[:, None]
    errors = _leave_one_out_errors(u, s, projection, centred_values, penalty)
    leverage = (u**2 * (s**2 / (s**2 + penalty))).sum(axis=1)
    noise = float(np.sqrt((errors**2 / (1 + leverage)).mean()))
    single = np.float32
    head = Parameters(mean.astype(single), scale.astype(single), weights.astype(single), intercept, noise, root.astype(single))
    return head, np.asarray(values - errors, np.float64)


def _read_root(read_array: Callable[..., NDArray[Any]], d: int) -> NDArray[np.float32]:
    """Read the root; heads of release 0.1.0 have its square, ``covariance``, shape (d, d)."""
    try:
        return read_array("root", -1, d)
    except HeadError:
        squares, axes = np.linalg.eigh(read_array("covariance", d, d).astype(np.float64))
        largest = squares > squares[-1] * np.finfo(np.float32).eps
        root: NDArray[np.float64] = (axes[:, largest] * np.sqrt(squares[largest])).T
        return root.astype(np.float32)


def _leave_one_out_errors(
    u: NDArray[np.float64],
    s: NDArray[np.float64],
    projections: NDArray[np.float64],
    values: NDArray[np.float64],
    penalty: float,
) -> NDArray[np.float64]:
    """Return the leave-one-out error of each value, shape (n,); the intercept adds 1/n to the leverage."""
    shrink = s**2 / (s**2 + penalty)
    leverage = (u**2 * shrink).sum(axis=1) + 1 / len(values)
    error: NDArray[np.float64] = (values - u @ (shrink * projections)) / np.maximum(1 - leverage, 1e-6)
    return error
