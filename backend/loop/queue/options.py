"""The options of a queue, from the extra params of a project's backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.active.ranking import DEFAULT_STRATEGY, STRATEGIES, WEIGHTED_STRATEGIES

__all__ = ["QueueOptions", "read_queue_options"]


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How tasks are ranked.

    Attributes
    ----------
    strategy : str
        A key of `STRATEGIES`.
    rare_first : bool
        Whether galaxies of rare classes come before others that are as uncertain.
    """

    strategy: str = DEFAULT_STRATEGY
    rare_first: bool = False

    @property
    def name(self) -> str:
        """The options in words."""
        return f"{self.strategy}, rare classes first" if self.rare_first else self.strategy


def read_queue_options(extra_params: Mapping[str, Any], *, default: str = DEFAULT_STRATEGY) -> QueueOptions:
    """Read ``{"strategy": "badge", "rare_first": true}`` from a backend's extra params; both may be missing.

    Parameters
    ----------
    extra_params : mapping
    default : str
        The strategy of the project if no parameter selects one.

    Raises
    ------
    ValueError
        If no strategy has this name, `rare_first` is not true or false, or the strategy does not weight galaxies by their
        uncertainty, which `rare_first` changes.
    """
    rare_first = extra_params.get("rare_first", False)
    strategy = extra_params.get("strategy", WEIGHTED_STRATEGIES[0] if rare_first is True else default)
    if not isinstance(strategy, str) or strategy not in STRATEGIES:
        raise ValueError(f"the extra param strategy is one of {', '.join(STRATEGIES)}, not {strategy!r:.40}")
    if not isinstance(rare_first, bool):
        raise ValueError(f"the extra param rare_first is true or false, not {rare_first!r:.40}")
    if rare_first and strategy not in WEIGHTED_STRATEGIES:
        raise ValueError(f"the extra param rare_first needs the strategy {' or '.join(WEIGHTED_STRATEGIES)}, not {strategy}")
    return QueueOptions(strategy, rare_first)
