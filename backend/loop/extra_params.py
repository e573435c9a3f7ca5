"""Check of a backend's extra params, a field of JSON in Label Studio: what a user misspells there is named, not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.active.ranking import STRATEGIES, WEIGHTED_STRATEGIES
from backend.loop.examples.held_out import LARGEST_SHARE, held_out_share
from backend.loop.queue.options import read_queue_options

__all__ = ["SCHEMA", "check_extra_params", "read_batch"]

NAMES = ("audit", "batch", "rare_first", "strategy")
_NUMBERS = {"audit": {"type": "number", "minimum": 0, "maximum": LARGEST_SHARE}, "batch": {"type": "integer", "minimum": 1}}
_ANY_STRATEGY = {"strategy": {"enum": list(STRATEGIES)}}
_RARE_FIRST = {"strategy": {"enum": list(WEIGHTED_STRATEGIES)}, "rare_first": {"type": "boolean"}}
SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "object", "properties": _NUMBERS | others, "additionalProperties": False}
        for others in (_ANY_STRATEGY, _RARE_FIRST)
    ]
    + [{"type": "null"}]
}
"""JSON schema of the extra params, for the description of the server."""


def check_extra_params(extra_params: Mapping[str, Any]) -> None:
    """Check the names and values of extra params.

    Raises
    ------
    ValueError
        If a name is unknown or a value is not allowed.
    """
    for name in extra_params:
        if name not in NAMES:
            raise ValueError(f"{name!r:.40} is not an extra param: {', '.join(NAMES)} are")
    if "batch" in extra_params and read_batch(extra_params) is None:
        raise ValueError(
            f"the extra param batch is a whole number of annotations, at least 1, not {extra_params['batch']!r:.40}"
        )
    held_out_share(extra_params)
    read_queue_options(extra_params)


def read_batch(extra_params: Mapping[str, Any]) -> int | None:
    """Read ``{"batch": 25}``; None if it is missing or not a whole number of at least 1."""
    batch = extra_params.get("batch")
    if not isinstance(batch, int | float) or isinstance(batch, bool):
        return None
    return int(batch) if batch >= 1 and batch % 1 == 0 else None
