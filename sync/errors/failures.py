"""Failures of single items: a failed item is left out with a reason, and the run continues with the others.

Every loop over items uses this module. An item is one image, one row of a catalogue or one task. Items raise `ImageError`,
and regions raise `ControlError`. Any other exception comes from a library that received undocumented bytes or numbers: the
item is left out with a one-sentence reason, and the traceback is logged at debug level. Failures that no single item causes
end the run: a `RunError`, a full or failing disk, too many open files. If every item fails, the cause may be a bug of this
program: the command fails and names one of the items.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sync.errors.images import ImageError

__all__ = ["LONGEST_REASON", "RunError", "WrongCallError", "attempt", "attempt_together", "reason_of_item"]

log = logging.getLogger("galaxyloop.items")

Item = TypeVar("Item")
Result = TypeVar("Result")

NO_ITEMS_FAULT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE})
"""`errno` values that end the run: the disk is full, read-only or failing, or the process has too many open files."""
LONGEST_REASON = 300
"""Characters of a library's message that a reason quotes."""


class RunError(Exception):
    """A failure that no single item caused; it ends the run. The message is one sentence."""


class WrongCallError(Exception):
    """The call names something that does not exist or cannot be used this way. The message is one sentence."""


def reason_of_item(error: Exception) -> ImageError:
    """Return the reason why an item is left out after `error`; raise `error` again if the item did not cause it.

    Raises
    ------
    RunError, OSError
        If the failure affects the whole run.
    """
    if isinstance(error, ImageError):
        return error
    from sync.errors.controls import ControlError

    if isinstance(error, ControlError):
        return ImageError(str(error))
    if isinstance(error, RunError) or (isinstance(error, OSError) and error.errno in NO_ITEMS_FAULT):
        raise error
    log.debug("event=item_failed error=%s", type(error).__name__, exc_info=error)
    detail = " ".join(str(error).split())
    detail = f": {detail[:LONGEST_REASON]}" if detail else ""
    reason = ImageError(f"it cannot be processed ({type(error).__name__}{detail})")
    reason.__cause__ = error
    return reason


def attempt(work: Callable[[], Result]) -> Result | ImageError:
    """Process one item; return the result, or the reason why the item is left out."""
    try:
        return work()
    except Exception as error:
        return reason_of_item(error)


def attempt_together(work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item]) -> list[Result | ImageError]:
    """Process items as one batch; if the batch fails, process each item alone, so that one item cannot fail the others.

    Parameters
    ----------
    work : callable
        Returns one result per item, in order.

    Returns
    -------
    list
        For each item, in order: its result, or the reason why it is left out.
    """
    if not items:
        return []
    try:
        results: list[Result | ImageError] = list(work(items))
    except Exception as error:
        reason = reason_of_item(error)
        return [reason] if len(items) == 1 else [result for item in items for result in attempt_together(work, [item])]
    assert len(results) == len(items), f"{len(results)} results of {len(items)} items"
    return results
