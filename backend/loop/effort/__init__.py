"""Annotation effort: what annotators did with predicted regions, measured, stored and summed."""
