"""Throughput of the encoder, in images per second."""
