"""Attacks on a server and a worker."""
