"""Inputs of an import, one file per kind; each yields items that are read later."""
