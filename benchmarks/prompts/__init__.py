"""Prompts benchmark: time of clicks and quality of the masks."""
