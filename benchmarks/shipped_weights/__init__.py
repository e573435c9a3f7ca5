"""Trains and measures the weights that the product ships."""
