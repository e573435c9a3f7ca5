"""The export formats: each has one module with a function `write`."""
