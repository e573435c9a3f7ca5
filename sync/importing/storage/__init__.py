"""Storages of imported images that Label Studio can display, one module per kind."""
