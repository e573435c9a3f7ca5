"""Scores: how well predictions agree with annotators, and whether two versions differ by more than chance."""
