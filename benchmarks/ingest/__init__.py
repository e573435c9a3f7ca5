"""Seconds and memory of an import."""
