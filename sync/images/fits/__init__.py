"""FITS files: headers, parts (HDUs), axes, and the bands of an image."""
