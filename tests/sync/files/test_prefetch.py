from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sync.files.prefetch import prefetch


def test_results_come_in_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(10)
        else:
            first_may_end.set()
        return item**2

    assert list(prefetch(range(5), work, ahead=3, threads=2)) == [0, 1, 4, 9, 16]


def test_only_a_few_items_are_prefetched() -> None:
    numbers: list[int] = []

    def items() -> Iterator[int]:
        for item in range(10):
            numbers.append(item)
            yield item

    results = prefetch(items(), str, ahead=2, threads=4)
    assert next(results) == "0"
    assert numbers == [0, 1, 2]


def test_an_error_is_raised_in_place_of_its_result() -> None:
    results = prefetch([1, 0, 2], lambda item: 1 / item, ahead=2, threads=1)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
