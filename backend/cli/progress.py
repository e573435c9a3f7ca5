"""Progress and speed of a long command: a bar on a terminal, otherwise a line per minute."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from backend.cli.terminal import notices

__all__ = ["track_images", "track_rate"]

LINE_EVERY_S = 60.0

Batch = TypeVar("Batch", bound=Sized)
Item = TypeVar("Item")


class _RateColumn(ProgressColumn):
    """Shows the speed in images per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.3g} images/s" if speed else "")


def track_images(images: Iterable[Item], title: str, *, total: int) -> Iterator[Item]:
    """Yield images one by one, and show their progress as `track_rate` does."""
    for (image,) in track_rate(((image,) for image in images), title, total=total):
        yield image


def track_rate(batches: Iterable[Batch], title: str, *, total: int, done: int = 0) -> Iterator[Batch]:
    """Yield batches of images, and show on standard error their number, the total and the speed.

    Parameters
    ----------
    batches : iterable of sized
    title : str
    total : int
        Number of all images.
    done : int
        Number of images that an earlier run has finished.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _RateColumn(), TimeRemainingColumn())
    started_at = printed_at = time.monotonic()
    count = 0
    with Progress(*columns, console=notices, disable=not notices.is_terminal) as bars:
        bar = bars.add_task(title, total=total, completed=done)
        for batch in batches:
            yield batch
            count += len(batch)
            bars.advance(bar, len(batch))
            clock_s = time.monotonic()
            if not notices.is_terminal and clock_s - printed_at >= LINE_EVERY_S:
                printed_at = clock_s
                rate = count / (clock_s - started_at)
                notices.print(f"{title}: {done + count:,} of {total:,} images, {rate:.3g} images/s", highlight=False)
