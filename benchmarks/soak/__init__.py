"""Memory under mixed load for twenty minutes."""
