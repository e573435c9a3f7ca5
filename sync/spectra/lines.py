"""Emission lines and continuum features of galaxies in the rest frame, vacuum wavelengths in Angstrom."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["D4000", "LINES", "RATIOS"]

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
