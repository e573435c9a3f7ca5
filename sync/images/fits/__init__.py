"""FITS files: their headers, their parts, their axes, and the bands of an image."""
