"""Recognition of faint sources: which peaks of an image are galaxies, which are stars, and which are fragments or noise."""
