"""PetroFit with a current astropy: two functions that it imports are gone, and parameters are numbers instead of arrays."""

from __future__ import annotations

from typing import Any

import astropy.config.configuration as configuration
import numpy as np
from astropy.modeling.models import Sersic2D

__all__ = ["PsfConvolved", "Sersic2D", "fit_model"]

for name in ("update_default_config", "ConfigurationDefaultMissingError", "ConfigurationDefaultMissingWarning"):
    if not hasattr(configuration, name):
        setattr(configuration, name, Exception if name.startswith("Conf") else lambda *options, **keywords: None)

from petrofit import PSFConvolvedModel2D, fit_model  # noqa: E402 - after the names that it imports


class PsfConvolved(PSFConvolvedModel2D):  # type: ignore[misc]
    """A model convolved with a PSF, whose parameters may be numbers."""

    def evaluate(self, x: Any, y: Any, *parameters: Any) -> Any:
        """Evaluate the model at pixels."""
        return super().evaluate(x, y, *(np.atleast_1d(parameter) for parameter in parameters))
