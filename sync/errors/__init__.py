"""Exceptions that inputs raise, and the handling of failures of single items in a list."""
