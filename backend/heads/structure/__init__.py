"""Structure of galaxies: Sersic parameters through the PSF, and indices without a model (docs/structure.md)."""
