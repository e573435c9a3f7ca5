"""Benchmarks, one package each: `python -m benchmarks.NAME.run`."""
