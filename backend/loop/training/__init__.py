"""Training: fit the heads of a new version on a snapshot."""
