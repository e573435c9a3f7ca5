"""Clicks: their time and the quality of the masks."""
