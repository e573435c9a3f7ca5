"""Sky coordinates of FITS headers and of tasks: one reader for import, mosaics, display, export and splits."""
