"""Items that an import of regions leaves out: each reason once per file, with its count and examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["LeftOut"]

NAMED = 5


@dataclass
class LeftOut:
    """Collects the items that are left out.

    Attributes
    ----------
    count : int
        Number of objects and other items that are left out.
    """

    count: int = 0
    _names: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, file: str, name: str, reason: str, *, objects: int = 1) -> None:
        """Add an item.

        Parameters
        ----------
        file : str
            Name of the file.
        name : str
            Name of the item in the file; empty if the reason concerns the whole file.
        reason : str
            One sentence.
        objects : int
            Number of objects that are left out.
        """
        self.count += objects
        self._counts[file, reason] = self._counts.get((file, reason), 0) + 1
        names = self._names.setdefault((file, reason), [])
        if name and len(names) < NAMED:
            names.append(name)

    def lines(self) -> Iterator[str]:
        """Yield a line for each file and reason, with the names of the first items."""
        for (file, reason), names in self._names.items():
            count = self._counts[file, reason]
            suffix = f" and {count - len(names):,} more" if count > len(names) > 0 else ""
            place = f", {', '.join(names)}{suffix}" if names else ""
            yield f"{file}{place}: {reason}"
