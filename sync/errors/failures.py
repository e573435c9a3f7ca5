"""What one item costs: an exception of one image, row or task is its reason, and the others go on.

Every loop over items asks this module. An item is one image of many, one row of a catalogue, one task. `ImageError` is what an
item is known to raise, and of a region `ControlError`. Anything else comes from a library that met bytes or numbers that it
does not document: that item is left out with a sentence, and the traceback is logged at debug level. What no item has caused
ends the run: a `RunError` of ours, a full or failing disk, too many open files. Where every item fails the fault may be ours:
the command fails and names one of them.
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
"""Of an `OSError`: a disk that is full, read-only or failing, and a process with too many open files."""
LONGEST_REASON = 300


class RunError(Exception):
    """A failure that no single item has caused: the run ends, and its message is one sentence."""


class WrongCallError(Exception):
    """What a call names does not exist, or cannot be used so: the call must be changed; the message is one sentence."""


def reason_of_item(error: Exception) -> ImageError:
    """Return an exception that one item caused as the reason why it is left out; raise one that is not the item's.

    Raises
    ------
    RunError, OSError
        If the item is not to blame.
    """
    if isinstance(error, ImageError):
        return error
    # Here, since its package loads the codecs of all controls, and every command begins by importing this module.
    from sync.errors.controls import ControlError

    if isinstance(error, ControlError):
        return ImageError(str(error))
    if isinstance(error, RunError) or (isinstance(error, OSError) and error.errno in NO_ITEMS_FAULT):
        raise error
    log.debug("event=item_failed error=%s", type(error).__name__, exc_info=error)
    detail = " ".join(str(error).split())
    detail = f": {detail[:LONGEST_REASON]}" if detail else ""
    reason = ImageError(f"it cannot be read or worked on ({type(error).__name__}{detail})")
    reason.__cause__ = error
    return reason


def attempt(work: Callable[[], Result]) -> Result | ImageError:
    """Work on one item; return the result, or the reason why it is left out."""
    try:
        return work()
    except Exception as error:
        return reason_of_item(error)


def attempt_together(work: Callable[[Sequence[Item]], Iterable[Result]], items: Sequence[Item]) -> list[Result | ImageError]:
    """Work on items together, and where that fails on each of them alone, so that one does not take the others with it.

    Parameters
    ----------
    work : callable
        Gives one result an item, in order.

    Returns
    -------
    list
        The result of each item, or the reason why it is left out.
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
