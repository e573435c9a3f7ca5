"""Emission lines and continuum features of galaxies in the rest frame, vacuum wavelengths in Angstrom."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["D4000", "LINES", "MASKED_LINES", "RATIOS"]

LINES: Mapping[str, float] = MappingProxyType(
    {
        "oii_3728": 3728.5,
        "hbeta": 4862.7,
        "oiii_5008": 5008.2,
        "oi_6302": 6302.0,
        "halpha": 6564.6,
        "nii_6585": 6585.3,
        "sii_6725": 6725.5,
    }
)
"""Emission lines; the doublets of [OII] and [SII] are one line."""
MASKED_LINES = (3728.5, 3869.9, 3968.6, 4102.9, 4341.7, 4364.4, 4862.7, 4960.3, 5008.2, 5876.0, 6302.0, 6365.5, 6549.9, 6564.6,
                6585.3, 6718.3, 6732.7, 7137.8)  # fmt: skip
"""Emission lines of star-forming and active galaxies, which no stellar continuum has."""
RATIOS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "n2": ("nii_6585", "halpha"),
        "s2": ("sii_6725", "halpha"),
        "r3": ("oiii_5008", "hbeta"),
        "o32": ("oiii_5008", "oii_3728"),
        "r2": ("oii_3728", "hbeta"),
    }
)
"""Logarithms of ratios of line fluxes (Baldwin, Phillips & Terlevich 1981; Pettini & Pagel 2004)."""
D4000 = ((3850.0, 3950.0), (4000.0, 4100.0))
"""Bands of the narrow 4000 Angstrom break (Balogh et al. 1999)."""
