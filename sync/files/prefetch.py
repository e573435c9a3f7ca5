"""Prefetching: threads process a limited number of items before their results are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(items: Iterable[Item], work: Callable[[Item], Result], *, ahead: int, threads: int) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order, like `Executor.map` with the `buffersize` of Python 3.14.

    Parameters
    ----------
    items : iterable
        Items are consumed at most `ahead` before the result that the caller requests.
    work : callable
        Called in the threads; an exception that it raises is raised when the caller requests its result.
    ahead : int
        Number of prefetched items, at least 1.
    threads : int
        Number of threads.
    """
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="prefetch")
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
