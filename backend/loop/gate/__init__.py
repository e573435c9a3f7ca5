"""The gate: which head of each control goes live."""
