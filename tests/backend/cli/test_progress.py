"""Progress of long commands: lines for logs, with speed and remaining time."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from backend.cli import progress


def test_a_log_gets_lines_with_the_speed_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock_s = iter(range(0, 10_000, 50))
    monkeypatch.setattr("backend.cli.progress.time.monotonic", lambda: float(next(clock_s)))
    assert list(progress.track_items(range(4), "reading", total=104, unit="tasks")) == [0, 1, 2, 3]
    assert capsys.readouterr().err.splitlines() == [
        "reading: 2 of 104 tasks, 0.02 tasks/s, 1 h 25 min left",
        "reading: 4 of 104 tasks, 0.02 tasks/s, 1 h 23 min left",
    ]


def test_a_continued_run_is_not_counted_as_speed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock_s = iter(range(0, 10_000, 100))
    monkeypatch.setattr("backend.cli.progress.time.monotonic", lambda: float(next(clock_s)))
    assert list(progress.track_rate([[1, 2], [3]], "surveying", total=1010, count_done=1000)) == [[1, 2], [3]]
    assert capsys.readouterr().err.splitlines()[0] == "surveying: 1,002 of 1,010 images, 0.02 images/s, 6 min 40 s left"


def test_results_go_to_a_pipe_while_the_bar_is_on_the_terminal() -> None:
    script = """
from backend.cli.progress import show_step, track_items
from backend.cli.terminal import console
with show_step("loading"):
    pass
for number in track_items(range(2), "counting", total=2):
    console.print(f"result {number}")
    print("line", number)
"""
    master, terminal = pty.openpty()
    process = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=terminal, text=True, timeout=120)
    os.close(terminal)
    screen = os.read(master, 65536).decode()
    os.close(master)
    assert process.stdout.splitlines() == ["result 0", "line 0", "result 1", "line 1"]
    assert "counting" in screen
    assert "result" not in screen
