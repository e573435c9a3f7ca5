"""`<Taxonomy>`: classes in a tree, each identified by its path from the root."""

from __future__ import annotations

from collections.abc import Sequence

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region, new_region, no_faults, read_value
from sync.errors.controls import ControlError, quote

__all__ = ["KIND", "NESTED", "TAG", "decode", "encode", "faults", "instruction"]

TAG = "Taxonomy"
KIND = Kind.CLASSES
NESTED = True

Path = tuple[str, ...]


def encode(paths: Sequence[Path], *, control: Control, score: float | None = None) -> Region:
    """Return the region that selects the nodes at `paths`.

    Raises
    ------
    ControlError
        If `paths` is empty, the control has no such path, or there are several paths and the control allows one.
    """
    if not paths:
        raise ControlError(f"a region of {control.name!r} needs a path")
    if len(paths) > 1 and not control.multiple:
        raise ControlError(f"{control.name!r} takes one path, not {len(paths)}: {quote(list(paths))}")
    for path in paths:
        if tuple(path) not in control.paths:
            raise ControlError(f"{control.name!r} has no path {quote(path)}")
    return new_region(control, TAG, {"taxonomy": [list(path) for path in paths]}, score=score)


def decode(region: Region) -> tuple[Path, ...]:
    """Return the selected paths, at least one."""
    paths = read_value(region, TAG).get("taxonomy")
    if not isinstance(paths, list) or not paths:
        raise ControlError(f"taxonomy must be a list of paths, not {quote(paths)}")
    for path in paths:
        if not isinstance(path, list) or not path or not all(isinstance(name, str) and name for name in path):
            raise ControlError(f"a path of a taxonomy must be a list of names, not {quote(path)}")
    return tuple(tuple(path) for path in paths)


def instruction(control: Control) -> str:
    """Return the sentences that tell an annotator how to choose."""
    amount = "all answers that apply" if control.multiple else "one answer"
    return f"Pick {amount}, as deep in the tree as you can tell. What you do not pick counts as a no."


faults = no_faults
