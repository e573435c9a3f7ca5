"""Consensus of several annotators: votes, object matching and agreement measures."""
