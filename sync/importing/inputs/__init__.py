"""Inputs of an import, one module per kind; each yields items that are read later."""
