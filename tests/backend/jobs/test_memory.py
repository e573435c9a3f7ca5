"""Freed memory goes back to the operating system."""

from __future__ import annotations

import subprocess
import sys

MEASURED = """
from pathlib import Path
from backend.jobs.memory import limit_arenas, return_free_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

limit_arenas()
pieces = [bytes(4000) for _ in range(50_000)]
last = bytes(4000)  # above the others, so that the heap cannot shrink by itself
held = resident_mb()
del pieces
return_free_memory()
print(held - resident_mb())
"""


def test_freed_memory_below_a_used_block_is_returned() -> None:
    run = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    assert float(run.stdout) > 150
