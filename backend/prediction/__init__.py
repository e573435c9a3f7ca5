"""Prediction: a task in, Label Studio regions and a score out."""
