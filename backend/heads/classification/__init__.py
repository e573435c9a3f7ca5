"""Classification heads: calibrated classifiers on frozen embeddings, flat or along a decision tree."""
