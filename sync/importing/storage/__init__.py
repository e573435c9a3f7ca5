"""Storages of imported images from which Label Studio displays them; one file per kind."""
