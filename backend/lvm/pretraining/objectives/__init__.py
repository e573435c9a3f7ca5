"""Objectives of the pre-training, one file each; an objective computes a loss from embeddings or feature maps."""
