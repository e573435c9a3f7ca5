"""The offset of a classifier: logits of the probabilities of another head, and of label frequencies for further classes."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.inputs import finite
from backend.heads.classification.link import Link
from backend.heads.classification.links import LEAST_PROBABILITY

__all__ = ["label_rates", "prior_logits"]

Floats = NDArray[np.float32]


def label_rates(targets: Floats, importance: Floats, *, offset: NDArray[np.floating] | None, link: Link) -> Floats:
    """Return logits, shape (k,), of the frequencies of the labels.

    Parameters
    ----------
    targets, importance : ndarray, shape (n, k) and (n,)
        Soft labels, and the weight of each galaxy.
    offset : ndarray, shape (n, k), optional
        Log-probabilities of another head; NaN in the columns of classes that it does not predict.
    link : Link
        Link function of the classes.
    """
    unknown = np.ones(targets.shape[1], bool) if offset is None else np.asarray(np.isnan(offset).all(axis=0))
    return link.rates(importance @ targets, importance.sum(), unknown)


def prior_logits(offset: NDArray[np.floating], shape: tuple[int, ...], *, rates: Floats, link: Link) -> Floats:
    """Convert log-probabilities of this shape to logits; where they are NaN, return `rates`.

    Where `rates` are NaN as well, in heads stored by old versions, return the logits that these versions used.
    """
    offset = np.asarray(offset, np.float32)
    unknown = np.isnan(offset)
    logs = link.to_logits(finite(np.where(unknown, 0, offset), shape, "offset").clip(np.log(LEAST_PROBABILITY), 0))
    rates_or_logit = np.where(np.isnan(rates), link.missing_logit(unknown), rates)
    return cast(Floats, np.where(unknown, rates_or_logit, logs).astype(np.float32))
