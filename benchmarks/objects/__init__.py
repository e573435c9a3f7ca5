"""Benchmark of objects in survey scenes: masks by clicks and detection, by signal-to-noise ratio and overlap."""
