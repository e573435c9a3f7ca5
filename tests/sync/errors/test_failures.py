"""Failures: the reason of an error of one item; and the errors that end the whole run."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence

import pytest

from sync.errors.controls import ControlError
from sync.errors.failures import LONGEST_REASON, attempt, attempt_together
from sync.errors.images import ImageError
from sync.importing.inputs.item import InputError
from sync.importing.storage.stored import StorageError
from sync.label_studio.client import LabelStudioError


def failing(error: BaseException) -> object:
    raise error


def inverses(numbers: Sequence[int]) -> list[float]:
    return [1 / number for number in numbers]


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("by 0"), KeyError("NAXIS"), MemoryError(), RecursionError("deep"), OSError("bad")]
)
def test_an_exception_of_a_library_is_the_reason_of_the_item(error: Exception) -> None:
    reason = attempt(lambda: failing(error))
    assert isinstance(reason, ImageError)
    assert type(error).__name__ in str(reason)


@pytest.mark.parametrize("error", [ImageError("there is no such file"), ControlError("x must be a number")])
def test_a_known_error_keeps_its_message(error: Exception) -> None:
    assert str(attempt(lambda: failing(error))) == str(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
        LabelStudioError("refused"),
        InputError("the bucket does not answer"),
        StorageError("no bucket"),
        KeyboardInterrupt(),
        SystemExit(1),
    ],
)
def test_errors_that_no_item_caused_end_the_run(error: BaseException) -> None:
    with pytest.raises(type(error)):
        attempt(lambda: failing(error))
    with pytest.raises(type(error)):
        attempt_together(lambda items: [failing(error) for _ in items], [1, 2])


def test_a_failing_item_does_not_fail_its_batch() -> None:
    first, failure, last = attempt_together(inverses, [1, 0, 2])
    assert (first, last) == (1.0, 0.5)
    assert isinstance(failure, ImageError)
    assert attempt_together(inverses, []) == []


def test_a_reason_is_one_short_line_and_the_traceback_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "galaxyloop.items"):
        reason = attempt(lambda: failing(ValueError("first\nsecond " + "x" * 10_000)))
    assert "\n" not in str(reason)
    assert len(str(reason)) < LONGEST_REASON + 100
    assert caplog.records[0].exc_info is not None
