"""Reading ahead: work that is done in threads for a few items before their results are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(items: Iterable[Item], work: Callable[[Item], Result], *, ahead: int, threads: int) -> Iterator[Result]:
    """Yield `work(item)` for each item, in order; `Executor.map` of Python 3.14 has the same bound as `buffersize`.

    Parameters
    ----------
    items : iterable
        At most `ahead` items are taken from it before their results are asked for.
    work : callable
        Is called from `threads` threads; an error that it raises is raised in place of its result.
    ahead : int
        At least 1.
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
