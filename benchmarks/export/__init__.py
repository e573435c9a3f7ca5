"""Time and memory of an export in each format."""
