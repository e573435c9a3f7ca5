"""Pre-labelling rate, in images per second."""
