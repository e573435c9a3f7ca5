"""Which galaxies to label next: query strategies with a simulated annotator on real labels."""
