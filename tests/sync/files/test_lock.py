"""A lock belongs to one process, and ends with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sync.files.lock import hold_lock

HOLD = """
import sys, time
from pathlib import Path
from sync.files.lock import hold_lock
with hold_lock(Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_lock_of_another_process_is_released_when_it_is_killed(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), hold_lock(path, wait=False):
            pass
        other.kill()
    with hold_lock(path, wait=True):
        pass
