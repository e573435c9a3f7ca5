"""Encoders compared by what few labels reach on their embeddings."""
