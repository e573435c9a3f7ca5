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


REUSED = """
import resource, sys
import numpy as np
from backend.jobs.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(4_000_000, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(4_000_000, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_bulk_command_reuses_freed_memory_without_page_faults() -> None:
    faults = [
        int(subprocess.run([sys.executable, "-c", REUSED, mode], capture_output=True, text=True, check=True).stdout)
        for mode in ("keep", "return")
    ]
    assert faults[0] < faults[1] / 10
