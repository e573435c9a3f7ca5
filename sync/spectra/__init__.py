"""Spectra of galaxies: read from files, measured, and drawn for annotators (docs/numbers.md)."""
