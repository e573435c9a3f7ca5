"""Progress of long commands: lines for logs, with speed and remaining time."""

from __future__ import annotations

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
