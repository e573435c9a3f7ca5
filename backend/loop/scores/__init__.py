"""Scores: agreement of predictions with annotations, and the test whether two versions differ significantly."""
