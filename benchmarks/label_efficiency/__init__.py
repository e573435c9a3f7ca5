"""Number of labels that a classifier needs for a given accuracy."""
