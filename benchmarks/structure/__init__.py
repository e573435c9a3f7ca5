"""Benchmark of structural parameters: galaxyloop's fit and network, PetroFit, statmorph and photutils."""
