"""Exceptions that inputs can cause, and the failures of single items in a list."""
