"""Calibration of the uncertainty: the network's standard deviations are multiplied by factors that depend on significance.

The network's deviations are too large for some pixels and too small for others. The factors are chosen on validation images so
that 68 % of the errors are within one deviation at each significance: the brightness of the smooth filtered image over its
noise. The brightness of the restored image is not used: where there is no light it is the error itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

__all__ = ["SpreadFactors"]

LEAST_SIGNIFICANCE = 1e-3


@dataclass(frozen=True, slots=True)
class SpreadFactors:
    """Factors of the network's standard deviations.

    Attributes
    ----------
    significance : tuple of float
        Significances at which factors are known, ascending and positive; between them the factor is interpolated in their
        logarithm, beyond them it is constant.
    factor : tuple of float
    """

    significance: tuple[float, ...] = (1.0,)
    factor: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        steps = np.diff(self.significance)
        if len(self.significance) != len(self.factor) or not self.factor or not (steps > 0).all():
            raise ValueError(f"{len(self.factor)} factors at the significances {self.significance}: these must ascend")
        if not min(self.significance[0], *self.factor) > 0:
            raise ValueError(f"significances and factors must be positive: {self.significance}, {self.factor}")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Build the factors from the object that `as_json` returns."""
        return cls(tuple(map(float, fields["significance"])), tuple(map(float, fields["factor"])))

    def as_json(self) -> dict[str, list[float]]:
        """Return the factors as a JSON object."""
        return {"significance": list(self.significance), "factor": list(self.factor)}

    def scale(self, std: Tensor, significance: Tensor) -> Tensor:
        """Return calibrated standard deviations of pixels with a significance, both of the same shape."""
        significances = significance.abs().clamp(min=LEAST_SIGNIFICANCE).numpy()
        factors = np.interp(np.log(significances), np.log(self.significance), self.factor)
        return std * torch.from_numpy(factors.astype(np.float32))
