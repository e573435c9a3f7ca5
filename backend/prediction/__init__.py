"""Prediction: from Label Studio tasks to regions and a score for each."""
