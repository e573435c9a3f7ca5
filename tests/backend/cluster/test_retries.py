"""The queue: each job once, and a limited number of retries after its worker died."""

from __future__ import annotations

from backend.cluster.retries import MOST_RETRIES, Attempt, RetryQueue


def test_jobs_are_taken_in_order_until_none_is_left() -> None:
    queue = RetryQueue("ab")
    assert [queue.take(), queue.take(), queue.take()] == [Attempt("a"), Attempt("b"), None]


def test_a_returned_job_comes_before_new_jobs() -> None:
    queue = RetryQueue("ab")
    first = queue.take()
    assert first is not None
    assert queue.return_job(first)
    assert [queue.take(), queue.take(), queue.take()] == [Attempt("a", deaths=1), Attempt("b"), None]
    assert queue.return_job(Attempt("b"))
    assert queue.take() == Attempt("b", deaths=1)


def test_a_job_is_repeated_at_most_three_times() -> None:
    queue = RetryQueue("a")
    for _ in range(MOST_RETRIES):
        attempt = queue.take()
        assert attempt is not None
        assert queue.return_job(attempt)
    last = queue.take()
    assert last == Attempt("a", deaths=MOST_RETRIES)
    assert not queue.return_job(last)
    assert queue.take() is None
