"""Comparison of encoders by the accuracy of heads trained on their embeddings with few labels."""
