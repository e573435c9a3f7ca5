"""Training: a snapshot becomes the heads of a new version."""
