"""Measurement of the objects of an image: shape, size and brightness on the science values (docs/measure.md)."""
