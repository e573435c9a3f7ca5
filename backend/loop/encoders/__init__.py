"""Encoders of projects: which one a version is trained on, embedding ahead of a switch, and trials of another one."""
