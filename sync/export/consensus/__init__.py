"""Consensus of several annotators: votes, matched objects, and their agreement."""
