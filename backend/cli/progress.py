"""Progress, speed and remaining time of a long command: a bar on a terminal, otherwise a line per minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from backend.cli.terminal import notices

__all__ = ["ProgressReport", "show_progress", "show_step", "track_items", "track_rate"]

LINE_EVERY_S = 60.0

Batch = TypeVar("Batch", bound=Sized)
Item = TypeVar("Item")


class ProgressReport:
    """Shows how much of a command's work is done.

    Parameters
    ----------
    bars : Progress
    title : str
    total : int or None
        Number of all items; None while it is not known.
    unit : str
        What is counted, in the plural.
    done : int
        Number of items that an earlier run has finished.
    """

    def __init__(self, bars: Progress, title: str, *, total: int | None, unit: str, count_done: int = 0) -> None:
        self._bars, self._title, self._total, self._unit = bars, title, total, unit
        self._count_done, self._first = count_done, count_done
        self._started_at = self._printed_at = time.monotonic()
        self._bar = bars.add_task(title, total=total, completed=count_done, unit=unit)

    def advance(self, count: int = 1) -> None:
        """Count items that are done."""
        self.update(self._count_done + count, self._total)

    def update(self, count_done: int, total: int | None) -> None:
        """Set the number of items that are done, and of all items."""
        self._count_done, self._total = count_done, total
        self._bars.update(self._bar, completed=count_done, total=total)
        clock_s = time.monotonic()
        if not notices.is_terminal and clock_s - self._printed_at >= LINE_EVERY_S:
            self._printed_at = clock_s
            notices.print(self._line(clock_s - self._started_at), highlight=False, soft_wrap=True)

    def _line(self, seconds: float) -> str:
        """Return the progress as a line, for logs."""
        rate = (self._count_done - self._first) / seconds
        of_all = "" if self._total is None else f" of {self._total:,}"
        left = "" if self._total is None or not rate else f", {_format_s((self._total - self._count_done) / rate)} left"
        return f"{self._title}: {self._count_done:,}{of_all} {self._unit}, {rate:.3g} {self._unit}/s{left}"


class _RateColumn(ProgressColumn):
    """Shows the speed in items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.3g} {task.fields['unit']}/s" if speed else "")


@contextmanager
def show_progress(title: str, *, total: int | None, unit: str = "images", count_done: int = 0) -> Iterator[ProgressReport]:
    """Show the progress of a block on standard error."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    # The results of a command that is piped must not go above the bar, which is on standard error.
    redirect = sys.stdout.isatty()
    with Progress(*columns, console=notices, disable=not notices.is_terminal, redirect_stdout=redirect) as bars:
        yield ProgressReport(bars, title, total=total, unit=unit, count_done=count_done)


@contextmanager
def show_step(title: str) -> Iterator[None]:
    """Show on a terminal that a step of unknown length runs, such as the start of a model; it must end before a bar begins."""
    with notices.status(title) if notices.is_terminal else nullcontext():
        yield


def track_items(items: Iterable[Item], title: str, *, total: int | None, unit: str = "images") -> Iterator[Item]:
    """Yield items, and show on standard error how many of them are done, the speed and the remaining time."""
    with show_progress(title, total=total, unit=unit) as report:
        for item in items:
            yield item
            report.advance()


def track_rate(
    batches: Iterable[Batch], title: str, *, total: int, unit: str = "images", count_done: int = 0
) -> Iterator[Batch]:
    """Yield batches, and show the progress of the items in them as `track_items` does.

    Parameters
    ----------
    batches : iterable of sized
    title, unit : str
    total : int
        Number of all items.
    count_done : int
        Number of items that an earlier run has finished.
    """
    with show_progress(title, total=total, unit=unit, count_done=count_done) as report:
        for batch in batches:
            yield batch
            report.advance(len(batch))


def _format_s(seconds: float) -> str:
    """Format a time in its two largest units: `2 h 05 min`, `3 min 20 s`, `40 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"
