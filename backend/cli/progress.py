"""How far a long command is and how fast: a bar where a person looks at it, else a line a minute for the log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from backend.cli.terminal import notices

__all__ = ["with_rate"]

LINE_EVERY_S = 60.0

Batch = TypeVar("Batch", bound=Sized)


class _RateColumn(ProgressColumn):
    """Images a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.3g} images/s" if speed else "")


def with_rate(batches: Iterable[Batch], title: str, *, total: int, done: int = 0) -> Iterator[Batch]:
    """Give batches of images on, and show on standard error how many have come, of how many, and how fast.

    Parameters
    ----------
    done : int
        Images of an earlier run.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _RateColumn(), TimeRemainingColumn())
    began = said = time.monotonic()
    count = 0
    with Progress(*columns, console=notices, disable=not notices.is_terminal) as bars:
        bar = bars.add_task(title, total=total, completed=done)
        for batch in batches:
            yield batch
            count += len(batch)
            bars.advance(bar, len(batch))
            now = time.monotonic()
            if not notices.is_terminal and now - said >= LINE_EVERY_S:
                said = now
                rate = count / (now - began)
                notices.print(f"{title}: {done + count:,} of {total:,} images, {rate:.3g} images/s", highlight=False)
