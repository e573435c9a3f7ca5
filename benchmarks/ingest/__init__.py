"""Time and memory of an import."""
