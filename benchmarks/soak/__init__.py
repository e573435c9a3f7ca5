"""Soak test: memory under mixed load for twenty minutes."""
